"""The upstream index against a small loopback index with faults, its fake against the same contract."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from tests.fakes.sources import MemorySourceIndex
from tests.integration.loopback_index import Shop, open_shop

from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.adapters.upstream.index import SimpleSourceIndex, SourceIndexOptions
from wheelyard.domain.packaging.release import IndexFile, choose_release, parse_requirement
from wheelyard.errors import (
    DiskFullError,
    DownloadFailedError,
    HashMismatchError,
    IndexUnavailableError,
    UnknownProjectError,
)
from wheelyard.interfaces import SourceIndex
from wheelyard.metrics import CacheLookups

DEMO = canonicalize_name("demo")
SDIST = "demo-1.0.tar.gz"
CONTENT = b"not really an archive" * 5000


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop


@pytest.fixture
def options(shop: Shop, tmp_path: Path) -> SourceIndexOptions:
    return SourceIndexOptions(
        cache_dir=tmp_path / "cache",
        index_url=shop.url,
        disk_floor_bytes=0,
        timeout_seconds=0.3,
        retry_pauses=(0.01, 0.01),
    )


@pytest.fixture
async def index(options: SourceIndexOptions) -> AsyncIterator[SimpleSourceIndex]:
    async with SimpleSourceIndex(options) as index:
        yield index


async def only_file(index: SourceIndex) -> IndexFile:
    (file,) = (await index.project(DEMO)).files
    return file


def leftovers(options: SourceIndexOptions) -> list[Path]:
    return [path for path in options.cache_dir.rglob("*") if path.is_file()]


# --- the contract: the same promises from the real one and its fake ---


class Listing(Protocol):
    """What both worlds can do: list a file, alter the bytes of the next one that is fetched."""

    @property
    def index(self) -> SourceIndex: ...

    def add(self, filename: str, content: bytes) -> str: ...

    def alter(self) -> None: ...


@dataclass(kw_only=True)
class LoopbackListing:
    index: SourceIndex
    shop: Shop

    def add(self, filename: str, content: bytes) -> str:
        return self.shop.add(filename, content, size=len(content))

    def alter(self) -> None:
        self.shop.faults.append("altered")


@dataclass(kw_only=True)
class MemoryListing:
    index: MemorySourceIndex

    def add(self, filename: str, content: bytes) -> str:
        return self.index.add(filename, content).sha256

    def alter(self) -> None:
        self.index.altered = True


@pytest.fixture(params=["real", "twin"])
def listing(request: pytest.FixtureRequest, index: SimpleSourceIndex, shop: Shop, tmp_path: Path) -> Listing:
    if request.param == "real":
        return LoopbackListing(index=index, shop=shop)
    return MemoryListing(index=MemorySourceIndex(tmp_path / "cache"))


async def test_contract_project_lists_what_there_is(listing: Listing) -> None:
    digest = listing.add(SDIST, CONTENT)
    listing.add("demo-1.1-py3-none-any.whl", b"wheel")
    page = await listing.index.project(DEMO)
    assert page.project == DEMO
    assert [(file.filename, file.kind, file.version) for file in page.files] == [
        (SDIST, "sdist", Version("1.0")),
        ("demo-1.1-py3-none-any.whl", "wheel", Version("1.1")),
    ]
    assert page.files[0].sha256 == digest
    assert page.files[0].size_bytes == len(CONTENT)


async def test_contract_unknown_project_is_an_error(listing: Listing) -> None:
    with pytest.raises(UnknownProjectError):
        await listing.index.project(canonicalize_name("absent"))


async def test_contract_fetched_file_lies_under_its_hash(listing: Listing, options: SourceIndexOptions) -> None:
    digest = listing.add(SDIST, CONTENT)
    path = await listing.index.fetch(await only_file(listing.index))
    assert path == options.cache_dir / digest[:2] / digest[2:] / SDIST
    assert path.read_bytes() == CONTENT
    assert leftovers(options) == [path]


async def test_contract_altered_bytes_are_refused_and_leave_nothing(
    listing: Listing, options: SourceIndexOptions
) -> None:
    digest = listing.add(SDIST, CONTENT)
    file = await only_file(listing.index)
    listing.alter()
    file = replace(file, size_bytes=None)
    with pytest.raises(HashMismatchError) as caught:
        await listing.index.fetch(file)
    assert caught.value.expected == digest
    assert leftovers(options) == []


async def test_contract_damaged_cache_entry_is_replaced(listing: Listing) -> None:
    listing.add(SDIST, CONTENT)
    file = await only_file(listing.index)
    path = await listing.index.fetch(file)
    path.write_bytes(CONTENT[:-1] + b"!")
    assert (await listing.index.fetch(file)).read_bytes() == CONTENT


async def test_contract_missing_file_is_an_error(listing: Listing) -> None:
    listing.add(SDIST, CONTENT)
    file = await only_file(listing.index)
    with pytest.raises(DownloadFailedError, match="404 Not Found"):
        await listing.index.fetch(replace(file, url=f"{file.url}.absent", sha256="1" * 64))


@pytest.mark.parametrize("name", ["../escape.tar.gz", "/etc/passwd", "..", "a/b", "", ".partial-x", "a\0b"])
async def test_contract_file_name_cannot_leave_the_cache(
    listing: Listing, options: SourceIndexOptions, name: str
) -> None:
    listing.add(SDIST, CONTENT)
    with pytest.raises(DownloadFailedError, match="not a plain file name"):
        await listing.index.fetch(replace(await only_file(listing.index), filename=name))
    assert leftovers(options) == []


# --- pages ---


@pytest.mark.parametrize("as_html", [False, True])
async def test_both_formats_say_the_same(index: SimpleSourceIndex, shop: Shop, *, as_html: bool) -> None:
    shop.as_html = as_html
    digest = shop.add(SDIST, CONTENT, yanked="bad & old", **{"requires-python": ">=3.9,<4"})
    file = await only_file(index)
    assert file == IndexFile(
        filename=SDIST,
        url=f"{shop.url.removesuffix('simple/')}files/{SDIST}",
        sha256=digest,
        kind="sdist",
        version=Version("1.0"),
        requires_python=">=3.9,<4",
        yanked=True,
        yanked_reason="bad & old",
    )


async def test_json_page_tells_size_and_upload_time(index: SimpleSourceIndex, shop: Shop) -> None:
    shop.add(SDIST, CONTENT, size=len(CONTENT), **{"upload-time": "2026-01-02T03:04:05.000006Z"})
    file = await only_file(index)
    assert file.size_bytes == len(CONTENT)
    assert file.upload_time == datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("filename", "facts"),
    [
        ("demo-2.0.tar.gz", {"hashes": {"md5": "0" * 32}}),
        ("demo-2.0.tar.gz", {"hashes": {}}),
        ("demo-2.0.tar.gz", {"hashes": {"sha256": "short"}}),
        ("demo-2.0.tar.gz", {"url": "file:///etc/passwd"}),
        ("other-2.0.tar.gz", {}),
        ("demo-not.a.version.tar.gz", {}),
        ("demo-2.0-py3.9.egg", {}),
        ("demo-2.0.win32.exe", {}),
        ("demo-2.0.linux-x86_64.tar.gz", {}),
        ("demo-2.0-nonsense.whl", {}),
        ("../demo-2.0.tar.gz", {}),
        ("README", {}),
    ],
)
async def test_what_cannot_be_checked_or_built_is_left_out(
    index: SimpleSourceIndex, shop: Shop, filename: str, facts: dict[str, object]
) -> None:
    shop.add(SDIST, CONTENT)
    shop.add(filename, b"", **facts)
    assert (await only_file(index)).filename == SDIST


async def test_legacy_sdist_is_listed_so_that_the_choice_can_name_it(index: SimpleSourceIndex, shop: Shop) -> None:
    shop.add("demo-1.0.tar.bz2", CONTENT)
    assert (await only_file(index)).kind == "sdist"


async def test_redirected_page_resolves_relative_addresses_at_its_new_place(
    index: SimpleSourceIndex, shop: Shop
) -> None:
    shop.add(SDIST, CONTENT)
    page = await index.project(canonicalize_name("moved"))
    assert page.files == ()  # its files are of another project, and are not taken for this one's
    assert shop.requests("/simple/demo/") == 1


async def test_burst_of_requests_asks_once(index: SimpleSourceIndex, shop: Shop) -> None:
    shop.add(SDIST, CONTENT)
    pages = await asyncio.gather(*(index.project(DEMO) for _ in range(30)))
    assert len(set(pages)) == 1
    assert await index.project(DEMO) == pages[0]
    assert shop.requests("/simple/demo/") == 1


async def test_stale_page_is_asked_for_again_by_its_etag(shop: Shop, options: SourceIndexOptions) -> None:
    shop.etag = '"one"'
    shop.add(SDIST, CONTENT)
    async with SimpleSourceIndex(replace(options, page_seconds=0)) as index:
        first = await index.project(DEMO)
        assert await index.project(DEMO) is first
        shop.etag = '"two"'
        shop.add("demo-2.0.tar.gz")
        assert len((await index.project(DEMO)).files) == 2
    assert shop.requests("/simple/demo/") == 3


async def test_page_of_an_index_without_etags_is_read_again_only_if_it_has_changed(
    shop: Shop, options: SourceIndexOptions
) -> None:
    shop.add(SDIST, CONTENT)
    async with SimpleSourceIndex(replace(options, page_seconds=0)) as index:
        first = await index.project(DEMO)
        assert await index.project(DEMO) is first
        shop.add("demo-2.0.tar.gz")
        assert len((await index.project(DEMO)).files) == 2


@pytest.mark.parametrize("fault", ["500", "503", "429", "slow"])
async def test_passing_fault_is_tried_again(index: SimpleSourceIndex, shop: Shop, fault: str) -> None:
    shop.add(SDIST, CONTENT)
    shop.faults.extend([fault, fault])
    assert (await only_file(index)).filename == SDIST


@pytest.mark.parametrize(
    ("fault", "reason", "asked"),
    [
        ("500", "answered 500", 3),
        ("403", "answered 403", 1),
        ("slow", "no answer in time", 3),
        ("garbage", "cannot be read", 1),
    ],
)
async def test_lasting_fault_says_what_is_wrong(
    index: SimpleSourceIndex, shop: Shop, fault: str, reason: str, asked: int
) -> None:
    shop.faults.extend([fault] * 3)
    with pytest.raises(IndexUnavailableError, match=reason):
        await index.project(DEMO)
    assert shop.requests("/simple/demo/") == asked


async def test_index_that_is_down_says_so_and_is_asked_again_later(tmp_path: Path) -> None:
    options = SourceIndexOptions(cache_dir=tmp_path, index_url="http://127.0.0.1:9/simple", retry_pauses=())
    async with SimpleSourceIndex(options) as index:
        for _ in range(2):
            with pytest.raises(IndexUnavailableError, match="connection attempts failed"):
                await index.project(DEMO)


async def test_page_beyond_the_limit_is_not_read(shop: Shop, options: SourceIndexOptions) -> None:
    shop.add(SDIST, CONTENT)
    async with SimpleSourceIndex(replace(options, page_limit_bytes=100)) as index:
        with pytest.raises(IndexUnavailableError, match="more than 100 bytes"):
            await index.project(DEMO)


# --- files ---


async def test_file_is_downloaded_once(index: SimpleSourceIndex, shop: Shop) -> None:
    shop.add(SDIST, CONTENT)
    file = await only_file(index)
    paths = await asyncio.gather(*(index.fetch(file) for _ in range(20)))
    assert len({*paths, await index.fetch(file)}) == 1
    assert shop.requests("/files/") == 1


async def test_lookups_in_the_cache_are_counted(options: SourceIndexOptions, shop: Shop) -> None:
    shop.add(SDIST, CONTENT)
    lookups = CacheLookups()
    async with SimpleSourceIndex(options, lookups=lookups) as index:
        file = await only_file(index)
        await index.fetch(file)
        await index.fetch(file)
    assert [(one.labels, one.count) for one in lookups.take()] == [(("files", "hit"), 1), (("files", "miss"), 1)]


@pytest.mark.parametrize("fault", ["500", "truncated", "slow"])
async def test_broken_download_is_tried_again(
    index: SimpleSourceIndex, shop: Shop, options: SourceIndexOptions, fault: str
) -> None:
    shop.add(SDIST, CONTENT)
    file = await only_file(index)
    shop.faults.extend([fault, fault])
    assert (await index.fetch(file)).read_bytes() == CONTENT
    assert len(leftovers(options)) == 1


async def test_download_that_stays_broken_leaves_nothing(
    index: SimpleSourceIndex, shop: Shop, options: SourceIndexOptions
) -> None:
    shop.add(SDIST, CONTENT)
    file = await only_file(index)
    shop.faults.extend(["truncated"] * 3)
    with pytest.raises(DownloadFailedError, match=r"files/demo-1\.0\.tar\.gz") as caught:
        await index.fetch(replace(file, url=file.url.replace("http://", "http://user:secret@")))
    assert "secret" not in str(caught.value)
    assert leftovers(options) == []


@pytest.mark.parametrize(("size", "limit", "reason"), [(None, 1000, "limit of 1000"), (10, 10**9, "more than the 10")])
async def test_oversized_file_is_refused(
    shop: Shop, options: SourceIndexOptions, size: int | None, limit: int, reason: str
) -> None:
    shop.add(SDIST, CONTENT, size=size)
    async with SimpleSourceIndex(replace(options, file_limit_bytes=limit)) as index:
        with pytest.raises(DownloadFailedError, match=reason):
            await index.fetch(await only_file(index))
    assert leftovers(options) == []


async def test_disk_below_its_floor_is_not_written_to(shop: Shop, options: SourceIndexOptions) -> None:
    shop.add(SDIST, CONTENT)
    async with SimpleSourceIndex(replace(options, disk_floor_bytes=1 << 60)) as index:
        with pytest.raises(DiskFullError):
            await index.fetch(await only_file(index))
    assert shop.requests("/files/") == 0
    assert leftovers(options) == []


async def test_cancelled_fetch_leaves_nothing(
    index: SimpleSourceIndex, shop: Shop, options: SourceIndexOptions
) -> None:
    shop.add(SDIST, CONTENT)
    file = await only_file(index)
    shop.faults.append("slow")
    fetching = asyncio.create_task(index.fetch(file))
    await asyncio.sleep(0.1)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert leftovers(options) == []


async def test_what_a_killed_process_left_is_swept_after_a_day(options: SourceIndexOptions) -> None:
    leftover = options.cache_dir / "ab" / "cd" / ".partial-x"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    async with SimpleSourceIndex(options):
        assert leftover.exists()
    cache = ContentCache(root=options.cache_dir, floor_bytes=0)
    assert cache.sweep(before=time.time() + 1) == 1
    assert not leftover.exists()


# --- the real upstream ---


async def test_real_upstream_serves_a_page_and_an_sdist(tmp_path: Path) -> None:
    async with SimpleSourceIndex(SourceIndexOptions(cache_dir=tmp_path, disk_floor_bytes=0)) as index:
        page = await index.project(NormalizedName("markupsafe"))
        release = choose_release(parse_requirement("MarkupSafe==3.0.2"), page, python="3.13")
        path = await index.fetch(release.sdist)
    assert path.name == "markupsafe-3.0.2.tar.gz"
    assert path.stat().st_size == release.sdist.size_bytes


async def test_password_of_the_address_is_sent_and_recorded_nowhere(shop: Shop, options: SourceIndexOptions) -> None:
    shop.login = ("reader", "pl@nted")
    shop.add(SDIST, CONTENT)
    address = shop.url.replace("http://", "http://reader:pl%40nted@")
    async with SimpleSourceIndex(replace(options, index_url=address)) as index:
        file = await only_file(index)
        assert (await index.fetch(file)).read_bytes() == CONTENT
    assert file.url == shop.url.replace("/simple/", f"/files/{SDIST}")


async def test_password_is_not_sent_to_another_host(shop: Shop, options: SourceIndexOptions) -> None:
    shop.add(SDIST, CONTENT)
    file = await only_file_of(shop, options)
    shop.signatures.clear()
    elsewhere = "http://reader:planted@localhost:9/simple/"
    async with SimpleSourceIndex(replace(options, index_url=elsewhere)) as index:
        await index.fetch(file)
    assert shop.signatures == [""]


async def only_file_of(shop: Shop, options: SourceIndexOptions) -> IndexFile:
    async with SimpleSourceIndex(replace(options, index_url=shop.url)) as index:
        return await only_file(index)
