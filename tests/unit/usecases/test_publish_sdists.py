"""A brought sdist is published and listed once there is a wheel of its release, and then treated like a wheel."""

import hashlib
from pathlib import Path

import pytest
from tests.contract.samples import BEGINNING
from tests.fakes.sdists import MemorySdists
from tests.unit.wheel_harness import METADATA, WheelHarness

from wheelyard.domain.index.index import Level
from wheelyard.domain.index.simple_format import Form
from wheelyard.domain.index.wheels import Listing, WheelOrigin
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.errors import DownloadFailedError, NotFoundError
from wheelyard.usecases.manage_wheels import ManageWheels, PublishSdists
from wheelyard.usecases.simple_pages import SimplePages

SDIST, WHEEL = "demo-1.0.tar.gz", "demo-1.0-py3-none-any.whl"


class Brought:
    """A SourceIndex of what was brought."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.contents = {SDIST: b"sdist"}

    async def project(self, name: str) -> ProjectFiles:
        raise AssertionError(name)

    async def fetch(self, file: IndexFile) -> Path:
        if file.filename not in self.contents:
            raise DownloadFailedError(what=file.filename, tried=["it is gone"])
        path = self.folder / file.filename
        path.write_bytes(self.contents[file.filename])
        return path


@pytest.fixture
def harness() -> WheelHarness:
    return WheelHarness()


@pytest.fixture
def brought(tmp_path: Path) -> Brought:
    return Brought(tmp_path)


@pytest.fixture
def publish(harness: WheelHarness, brought: Brought) -> PublishSdists:
    return PublishSdists(
        sdists=MemorySdists(harness.state),
        wheels=harness.wheels,
        source=brought,
        indexes={Level.PROD: harness.prod, Level.STAGING: harness.staging},
        now=lambda: BEGINNING,
    )


def pages(harness: WheelHarness, listing: Listing = Listing()) -> SimplePages:  # noqa: B008  it is frozen
    return SimplePages(harness.wheels, listing=listing, trusted_seconds=0)


async def test_sdist_is_listed_only_once_a_wheel_of_it_is(harness: WheelHarness, publish: PublishSdists) -> None:
    harness.bring(SDIST)
    assert not await publish.once()
    with pytest.raises(NotFoundError):
        await pages(harness).project("demo", Form.LEGACY)
    assert SDIST not in harness.prod.filenames()
    harness.put(WHEEL, origin=WheelOrigin.BROUGHT)
    assert await publish.once()
    page = (await pages(harness).project("demo", Form.LEGACY)).body.decode()
    assert [name in page for name in (SDIST, WHEEL)] == [True, True]
    assert harness.prod.files[("demo", SDIST)] == b"sdist"  # type: ignore[index]
    assert await harness.wheels.metadata_of(SDIST) == METADATA
    assert not await publish.once()


async def test_metadata_that_may_change_is_not_served(harness: WheelHarness, publish: PublishSdists) -> None:
    harness.bring(SDIST, metadata=METADATA + b"Dynamic: Requires-Dist\n")
    harness.put(WHEEL, origin=WheelOrigin.BROUGHT)
    assert await publish.once()
    assert (await harness.wheels.find(SDIST)).metadata_sha256 is None
    with pytest.raises(NotFoundError):
        await harness.wheels.metadata_of(SDIST)


async def test_sdist_goes_to_the_level_of_its_wheel_and_is_promoted_like_one(
    harness: WheelHarness, publish: PublishSdists
) -> None:
    harness.bring(SDIST)
    harness.put(WHEEL, origin=WheelOrigin.BROUGHT, level=Level.STAGING)
    assert await publish.once()
    assert (list(harness.staging.filenames()), list(harness.prod.filenames())) == ([WHEEL, SDIST], [])
    manage = ManageWheels(
        store=harness.wheels,
        storage=harness.staging,
        indexes={Level.PROD: harness.prod, Level.STAGING: harness.staging},
    )
    for filename in (WHEEL, SDIST):
        assert (await manage.promote(filename, by="bob")).level is Level.PROD
    assert list(harness.prod.filenames()) == [WHEEL, SDIST]


async def test_sdist_that_cannot_be_fetched_holds_up_no_other(
    harness: WheelHarness, publish: PublishSdists, brought: Brought
) -> None:
    for version in ("0.9", "1.0"):
        harness.bring(f"demo-{version}.tar.gz")
        harness.put(f"demo-{version}-py3-none-any.whl", origin=WheelOrigin.BROUGHT)
    assert await publish.once()
    assert SDIST in harness.prod.filenames()
    brought.contents["demo-0.9.tar.gz"] = b"sdist"
    harness.prod.faults.down = True
    assert not await publish.once()
    harness.prod.faults.down = False
    assert await publish.once()
    assert "demo-0.9.tar.gz" in harness.prod.filenames()


async def test_upload_that_was_not_recorded_is_recorded_the_next_time(
    harness: WheelHarness, publish: PublishSdists
) -> None:
    harness.bring(SDIST)
    harness.put(WHEEL, origin=WheelOrigin.BROUGHT)
    harness.hold(SDIST, b"sdist")
    assert await publish.once()
    assert (await harness.wheels.find(SDIST)).sha256 == hashlib.sha256(b"sdist").hexdigest()
