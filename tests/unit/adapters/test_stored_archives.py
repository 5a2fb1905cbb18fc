"""Archives are read once, looked up in files, and read anew when they are old; stores keep their contract."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.contract.archive_contract import (
    HEADER,
    KEY,
    PACKED,
    ArchiveStoreContract,
    SharedArchiveStoreContract,
    SuiteArchivesContract,
)
from tests.contract.samples import BEGINNING
from tests.fakes.archives import FakeArchives, MemoryArchiveStore

from wheelyard.adapters.archives.local import LocalArchives
from wheelyard.adapters.archives.stored import ReadArchive, StoredArchives
from wheelyard.domain.builds.components import PackageSourceFile, SourcePackage
from wheelyard.domain.catalogue.archive_files import FileKind
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.errors import ArchiveNotReadError, MirrorUnreachableError, NotFoundError
from wheelyard.interfaces import ArchiveStore
from wheelyard.resources import data_path

CATALOGUE = parse_catalogue((data_path("builders") / "builders.toml").read_text(encoding="utf-8"))
DAY = 86400.0


class Host:
    """A host whose time is set, and whose archive is counted."""

    def __init__(self, folder: Path, store: ArchiveStore | None = None) -> None:
        self.folder = folder
        self.seconds = 0.0
        self.store = store or MemoryArchiveStore(self.now)
        self.reads: list[str] = []
        self.error: Exception | None = None
        self.architectures: tuple[str, ...] = ("x86_64",)

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.seconds)

    async def read(self, suite: str, architecture: str) -> bytes:
        assert architecture in self.architectures
        self.reads.append(suite)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return PACKED

    def archives(self, *, reads: bool = True, clock: Callable[[], float] | None = None) -> StoredArchives:
        read: ReadArchive | None = self.read if reads else None
        return StoredArchives(
            self.store,
            catalogue=CATALOGUE,
            cache=self.folder / "cache",
            architectures=self.architectures,
            read=read,
            keep_seconds=DAY,
            clock=clock or (lambda: self.seconds),
            now=self.now,
        )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


class TestMemoryStore(SharedArchiveStoreContract):
    """The fake keeps the contract."""

    @pytest.fixture
    def store(self) -> ArchiveStore:
        return MemoryArchiveStore()


class TestLocalStore(ArchiveStoreContract):
    """The folder of a trial keeps the contract."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ArchiveStore:
        return LocalArchives(tmp_path / "archives")


class TestStoredArchives(SuiteArchivesContract):
    """What builds ask keeps the contract."""

    @pytest.fixture
    def archives(self, host: Host) -> StoredArchives:
        return host.archives()


class TestFakeArchives(SuiteArchivesContract):
    """The fake keeps the contract."""

    @pytest.fixture
    def archives(self) -> FakeArchives:
        name = "fftw3_3.3.10-1.dsc"
        file = PackageSourceFile(name=name, url=f"http://deb.example/{name}", sha256="ab" * 32, size_bytes=12)
        source = SourcePackage(name="fftw3", version="3.3.10-1", files=(file,))
        return FakeArchives({(FileKind.HEADER, "fftw3.h"): ["libfftw3-dev"]}, sources=[source])


async def test_archive_is_read_once_for_all_who_ask_at_the_same_time(host: Host) -> None:
    archives, other = host.archives(), host.archives()
    asked = (one.find(*KEY, HEADER) for one in (archives, archives, other) for _ in range(3))
    found = await asyncio.gather(*asked)
    assert {one.package for (one,) in found} == {"libfftw3-dev"}
    assert host.reads == ["bookworm"]
    assert [path.suffix for path in (host.folder / "cache").iterdir()] == [".index"]


async def test_process_without_an_engine_asks_a_worker(host: Host) -> None:
    served = host.archives(reads=False)
    with pytest.raises(ArchiveNotReadError) as caught:
        await served.find(*KEY, HEADER)
    assert (caught.value.suite, caught.value.architecture, caught.value.retryable) == ("bookworm", "x86_64", True)
    assert host.reads == []
    await host.archives().read_asked()
    assert host.reads == ["bookworm"]
    assert await served.version(*KEY, "libfftw3-dev") == "3.3.10-1"


async def test_builds_that_ask_for_sources_do_not_wait_for_an_archive(host: Host) -> None:
    archives = host.archives()
    package = SourcePackage(name="fftw3", version="3.3.10-1")
    with pytest.raises(ArchiveNotReadError):
        await archives.source(*KEY, package)
    assert (host.reads, await host.store.list_asked("x86_64")) == ([], ("bookworm",))
    await archives.read_asked()
    found = await archives.source(*KEY, package)
    assert found is not None
    assert found.files


async def test_version_that_an_old_index_lacks_has_the_archive_read_anew(host: Host) -> None:
    archives = host.archives()
    newer = SourcePackage(name="fftw3", version="3.3.10-2")
    await archives.find(*KEY, HEADER)
    assert await archives.source(*KEY, newer) is None
    assert await host.store.list_asked("x86_64") == ()
    host.seconds += 7200
    assert await archives.source(*KEY, newer) is None
    assert await host.store.list_asked("x86_64") == ("bookworm",)


async def test_archive_of_another_architecture_is_left_to_its_workers(host: Host) -> None:
    with pytest.raises(ArchiveNotReadError):
        await host.archives().find("bookworm", "aarch64", HEADER)
    assert host.reads == []
    assert await host.store.list_asked("aarch64") == ("bookworm",)


async def test_old_index_is_used_until_the_archive_is_read_anew(host: Host) -> None:
    archives = host.archives()
    await archives.find(*KEY, HEADER)
    await archives.read_asked()
    assert host.reads == ["bookworm"]
    host.seconds = DAY + 100
    assert await archives.find(*KEY, HEADER)
    assert host.reads == ["bookworm"], "who asks does not wait for it"
    await archives.read_asked()
    assert host.reads == ["bookworm", "bookworm"]
    await archives.read_asked()
    assert host.reads == ["bookworm", "bookworm"]


async def test_newer_index_replaces_the_older_file(host: Host) -> None:
    archives = host.archives()
    await archives.find(*KEY, HEADER)
    (old,) = (host.folder / "cache").iterdir()
    await host.store.save(*KEY, PACKED + b"newer")
    assert await archives.find(*KEY, HEADER)
    assert old.exists(), "it is looked for once a minute"
    host.seconds = 61
    assert await archives.find(*KEY, HEADER)
    (new,) = (host.folder / "cache").iterdir()
    assert new != old


async def test_archive_that_cannot_be_read_is_tried_again_by_the_next_who_asks(host: Host) -> None:
    host.error = MirrorUnreachableError(suite="bookworm", excerpt="Could not connect")
    archives = host.archives()
    for _ in range(2):
        with pytest.raises(MirrorUnreachableError):
            await archives.find(*KEY, HEADER)
    host.error = None
    assert await archives.find(*KEY, HEADER)
    assert len(host.reads) == 3


async def test_worker_pauses_after_an_archive_that_was_asked_for_could_not_be_read(host: Host) -> None:
    await host.store.ask_for(*KEY)
    host.error = MirrorUnreachableError(suite="bookworm", excerpt="Could not connect")
    archives = host.archives()
    await archives.read_asked()
    await archives.read_asked()
    assert len(host.reads) == 1
    host.seconds = 1801
    await archives.read_asked()
    assert len(host.reads) == 2


async def test_request_for_a_suite_that_the_catalogue_lost_is_ignored(host: Host) -> None:
    await host.store.ask_for("sarge", "x86_64")
    await host.archives().read_asked()
    assert host.reads == []


async def test_unknown_suite_is_named_with_the_known_ones(host: Host) -> None:
    with pytest.raises(NotFoundError, match=r"'sarge' in the catalogue, which has .*bookworm"):
        await host.archives().find("sarge", "x86_64", HEADER)
    with pytest.raises(NotFoundError, match="suite for riscv64"):
        await host.archives().find("bookworm", "riscv64", HEADER)


@pytest.mark.parametrize("spoilt", [b"", b"no index", PACKED[:50]])
async def test_damaged_index_of_the_store_is_asked_for_again(host: Host, spoilt: bytes) -> None:
    await host.store.save(*KEY, spoilt)
    with pytest.raises(ArchiveNotReadError):
        await host.archives(reads=False).find(*KEY, HEADER)
    assert await host.store.list_asked("x86_64") == ("bookworm",)


async def test_damaged_file_of_the_cache_is_unpacked_again(host: Host) -> None:
    assert await host.archives().find(*KEY, HEADER)
    (file,) = (host.folder / "cache").iterdir()
    file.write_bytes(b"")
    assert await host.archives().find(*KEY, HEADER)
    assert host.reads == ["bookworm"]


async def test_trial_reads_an_archive_that_is_too_old_the_next_time(tmp_path: Path) -> None:
    host = Host(tmp_path, LocalArchives(tmp_path / "archives"))
    await host.archives().find(*KEY, HEADER)
    await host.archives().find(*KEY, HEADER)
    assert host.reads == ["bookworm"]
    await host.store.ask_for(*KEY)
    await host.archives().find(*KEY, HEADER)
    assert host.reads == ["bookworm", "bookworm"]
