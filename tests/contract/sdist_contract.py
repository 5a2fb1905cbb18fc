"""What every store of brought sdists must keep, in memory or on PostgreSQL."""

import uuid
from dataclasses import replace

import pytest
from packaging.utils import canonicalize_name
from tests.contract.samples import BEGINNING
from tests.contract.wheel_contract import WheelStores, name

from wheelyard.domain.index.index import Level
from wheelyard.domain.index.sdists import BroughtSdist, SdistPlace
from wheelyard.domain.index.wheels import FileKind, IndexEntry, Standing, WheelFilter, WheelOrigin
from wheelyard.errors import IndexConflictError, NotFoundError

DEMO = canonicalize_name("demo")
PKG_INFO = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nRequires-Python: >=3.9\n"
BUILT_FROM = "ab" * 32
"""The sdist of the builds whose wheels ``WheelStores.publish`` records."""


def sample_sdist(version: str = "1.0", *, sha256: str = BUILT_FROM, end: str = ".tar.gz") -> BroughtSdist:
    return BroughtSdist.of(
        f"demo-{version}{end}",
        sha256=sha256,
        size_bytes=1000,
        metadata=PKG_INFO.replace(b"1.0", version.encode()),
        url=f"upload:demo-{version}",
        brought_by="alice",
        brought_at=BEGINNING,
    )


async def listed(stores: WheelStores, sdist: BroughtSdist, *, level: Level = Level.PROD) -> str:
    """Record an sdist as a file of the index."""
    file = sdist.on_index(level=level, url=f"http://devpi/{sdist.filename}", metadata_sha256=None, now=BEGINNING)
    await stores.wheels.record(IndexEntry(wheel=file, metadata=None))
    return sdist.filename


class BroughtContract:
    """Which sdists were brought, and whose their projects are."""

    async def test_brought_sdist_is_what_its_project_is_built_from(self, wheel_stores: WheelStores) -> None:
        brought = await wheel_stores.bring(sample_sdist())
        assert brought == sample_sdist() == await wheel_stores.sdists.find("demo-1.0.tar.gz")
        await wheel_stores.bring(sample_sdist("0.9"))
        files = await wheel_stores.sdists.sdists_of(DEMO)
        assert files == (sample_sdist().as_file(), sample_sdist("0.9").as_file())
        assert (files[0].url, files[0].requires_python, files[0].kind) == ("sdist:demo-1.0.tar.gz", ">=3.9", "sdist")
        assert await wheel_stores.sdists.sdists_of(canonicalize_name("other")) == ()
        with pytest.raises(NotFoundError):
            await wheel_stores.sdists.find("other-1.0.tar.gz")

    async def test_project_of_a_brought_sdist_is_our_own_for_good(self, wheel_stores: WheelStores) -> None:
        assert not await wheel_stores.sdists.is_own(DEMO)
        await wheel_stores.bring(sample_sdist())
        assert await wheel_stores.sdists.is_own(DEMO)
        assert not await wheel_stores.sdists.is_own(canonicalize_name("demo-tools"))
        await wheel_stores.wheels.delete(await listed(wheel_stores, sample_sdist()), by="bob")
        assert await wheel_stores.sdists.sdists_of(DEMO) == ()
        assert await wheel_stores.sdists.is_own(DEMO)

    async def test_same_sdist_again_changes_nothing(self, wheel_stores: WheelStores) -> None:
        first = replace(sample_sdist(), request_id=str(uuid.UUID(int=7)))
        await wheel_stores.bring(first)
        assert await wheel_stores.bring(replace(sample_sdist(), url="upload:other", brought_by="bob")) == first
        assert await wheel_stores.sdists.find("demo-1.0.tar.gz") == first

    @pytest.mark.parametrize(
        "other", [sample_sdist(sha256="cd" * 32), sample_sdist(end=".zip"), sample_sdist(end=".zip", sha256="cd" * 32)]
    )
    async def test_release_has_one_sdist_whose_bytes_never_change(
        self, wheel_stores: WheelStores, other: BroughtSdist
    ) -> None:
        await wheel_stores.bring(sample_sdist())
        assert await wheel_stores.bring(other) == sample_sdist()
        assert await wheel_stores.sdists.sdists_of(DEMO) == (sample_sdist().as_file(),)

    async def test_yanked_sdist_is_still_there_for_an_exact_version(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.bring(sample_sdist())
        await wheel_stores.wheels.yank(await listed(wheel_stores, sample_sdist()), reason="wrong", by="bob")
        (file,) = await wheel_stores.sdists.sdists_of(DEMO)
        assert (file.yanked, file.yanked_reason) == (True, "wrong")

    async def test_bytes_are_where_they_were_brought_until_the_index_has_them(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.bring(sample_sdist())
        brought = SdistPlace(url="upload:demo-1.0", is_on_index=False)
        assert await wheel_stores.sdists.place_of("demo-1.0.tar.gz") == brought
        await listed(wheel_stores, sample_sdist())
        held = SdistPlace(url="http://devpi/demo-1.0.tar.gz", is_on_index=True)
        assert await wheel_stores.sdists.place_of("demo-1.0.tar.gz") == held
        with pytest.raises(NotFoundError):
            await wheel_stores.sdists.place_of("demo-2.0.tar.gz")


class DueContract:
    """When an sdist may be listed."""

    async def test_sdist_is_due_once_a_wheel_was_made_from_it_and_not_before(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.bring(sample_sdist())
        assert await wheel_stores.sdists.due() == ()
        await wheel_stores.publish(name("1.0"), "ee" * 32, level=Level.STAGING)
        (due,) = await wheel_stores.sdists.due()
        assert (due.sdist, due.level) == (sample_sdist(), Level.STAGING)
        await listed(wheel_stores, sample_sdist())
        assert await wheel_stores.sdists.due() == ()

    async def test_wheel_on_the_main_index_counts_before_a_staged_one(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.bring(sample_sdist())
        await wheel_stores.publish("demo-1.0-1-cp311-none-any.whl", "ee" * 32, level=Level.STAGING)
        await wheel_stores.publish("demo-1.0-1-cp312-none-any.whl", "ff" * 32)
        (due,) = await wheel_stores.sdists.due()
        assert due.level is Level.PROD

    async def test_wheel_made_from_another_sdist_or_mirrored_or_deleted_does_not_count(
        self, wheel_stores: WheelStores
    ) -> None:
        await wheel_stores.bring(sample_sdist(sha256="cd" * 32))
        await wheel_stores.publish(name("1.0"), "ee" * 32)
        assert await wheel_stores.sdists.due() == ()
        await wheel_stores.bring(sample_sdist("2.0"))
        await wheel_stores.mirror("demo-2.0-py3-none-any.whl")
        assert await wheel_stores.sdists.due() == ()
        await wheel_stores.publish(name("2.0"), "ff" * 32)
        await wheel_stores.wheels.delete(name("2.0"), by="bob")
        assert await wheel_stores.sdists.due() == ()

    async def test_wheel_that_was_brought_beside_the_sdist_counts(self, wheel_stores: WheelStores) -> None:
        await wheel_stores.bring(sample_sdist(sha256="cd" * 32))
        await wheel_stores.publish(name("1.0"), "ee" * 32)
        wheel = await wheel_stores.wheels.find(name("1.0"))
        brought = replace(
            wheel, filename="demo-1.0-py3-none-any.whl", origin=WheelOrigin.BROUGHT, build_id=None, sha256="aa" * 32
        )
        await wheel_stores.wheels.record(IndexEntry(wheel=brought, metadata=PKG_INFO))
        (due,) = await wheel_stores.sdists.due()
        assert due.sdist.filename == "demo-1.0.tar.gz"


class ListedContract:
    """An sdist as a file of the index."""

    async def test_listed_sdist_is_a_file_without_tags(self, wheel_stores: WheelStores) -> None:
        filename = await listed(wheel_stores, sample_sdist())
        file = await wheel_stores.wheels.find(filename)
        assert (file.kind, file.python, file.platform, file.tag, file.build_id) == (FileKind.SDIST, *[None] * 4)
        assert (file.origin, file.requires_python, file.metadata_sha256) == (WheelOrigin.BROUGHT, ">=3.9", None)
        assert await wheel_stores.wheels.wheels_of("demo") == (file,)
        with pytest.raises(NotFoundError):
            await wheel_stores.wheels.metadata_of(filename)

    async def test_metadata_of_an_sdist_is_kept_if_it_is_given(self, wheel_stores: WheelStores) -> None:
        file = sample_sdist().on_index(level=Level.PROD, url="u", metadata_sha256="unused", now=BEGINNING)
        await wheel_stores.wheels.record(IndexEntry(wheel=file, metadata=PKG_INFO))
        assert await wheel_stores.wheels.metadata_of("demo-1.0.tar.gz") == PKG_INFO

    async def test_sdist_is_no_wheel_of_its_project(self, wheel_stores: WheelStores) -> None:
        await listed(wheel_stores, sample_sdist())
        assert await wheel_stores.wheels.names(level=Level.PROD) == ()
        assert await wheel_stores.wheels.versions_of(["demo"]) == frozenset()
        assert await wheel_stores.wheels.wheels_of_releases([("demo", "1.0")]) == ()
        await wheel_stores.publish(name("1.0"))
        assert [one.filename for one in await wheel_stores.wheels.wheels_of_releases([("demo", "1.0")])] == [
            name("1.0")
        ]
        assert await wheel_stores.names(WheelFilter()) == [name("1.0"), "demo-1.0.tar.gz"]
        assert await wheel_stores.names(WheelFilter(kind=FileKind.SDIST)) == ["demo-1.0.tar.gz"]
        assert await wheel_stores.names(WheelFilter(kind=FileKind.WHEEL)) == [name("1.0")]

    async def test_sdist_is_yanked_and_deleted_like_a_wheel(self, wheel_stores: WheelStores) -> None:
        filename = await listed(wheel_stores, sample_sdist())
        before = (await wheel_stores.wheels.changes(0)).serial
        yanked = await wheel_stores.wheels.yank(filename, reason="leaks", by="bob")
        assert (yanked.standing, yanked.yanked_reason) == (Standing.YANKED, "leaks")
        assert (await wheel_stores.wheels.changes(before)).projects == {"demo"}
        deleted = await wheel_stores.wheels.delete(filename, by="bob")
        assert deleted.standing is Standing.DELETED
        with pytest.raises(IndexConflictError):
            await listed(wheel_stores, sample_sdist(sha256="cd" * 32))


class SdistContract(BroughtContract, DueContract, ListedContract):
    """All of it."""
