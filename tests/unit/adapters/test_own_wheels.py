"""Our own wheels as a source of files: what a resolver reads from them."""

from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from tests.contract.samples import BEGINNING, ManualClock
from tests.fakes.index import MemoryIndex
from tests.fakes.records import MemoryState
from tests.fakes.wheels import MemoryWheels
from tests.unit.pipeline_harness import make_wheel
from tests.unit.wheel_harness import WheelHarness

from wheelyard.adapters.resolver.own_wheels import OwnWheels
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.errors import DownloadFailedError

FILENAME = "demo-1.0-py3-none-any.whl"


@pytest.fixture
def harness() -> WheelHarness:
    return WheelHarness(state=MemoryState(clock=ManualClock(BEGINNING)), prod=MemoryIndex())


def without_metadata(harness: WheelHarness, content: bytes) -> None:
    """Publish a wheel whose METADATA was not saved."""
    wheel = harness.put(FILENAME, content)
    entry = harness.state.wheels[FILENAME]
    harness.state.wheels[FILENAME] = replace(entry, wheel=replace(wheel, metadata_sha256=None))


def own_wheels(harness: WheelHarness, folder: Path) -> OwnWheels:
    cache = ContentCache(root=folder, floor_bytes=0)
    return OwnWheels(store=MemoryWheels(harness.state), storage=harness.prod, cache=cache)


async def test_metadata_that_was_not_saved_is_read_from_the_wheel(harness: WheelHarness, tmp_path: Path) -> None:
    without_metadata(harness, make_wheel(FILENAME, name="demo", version="1.0"))
    own = own_wheels(harness, tmp_path)
    (file,) = await own.files_of(canonicalize_name("demo"))
    assert b"Name: demo" in await own.metadata_of(file)


async def test_wheel_that_cannot_be_read_is_a_failed_download_with_its_reason(
    harness: WheelHarness, tmp_path: Path
) -> None:
    without_metadata(harness, b"no zip file")
    own = own_wheels(harness, tmp_path)
    (file,) = await own.files_of(canonicalize_name("demo"))
    with pytest.raises(DownloadFailedError, match=r"our own index \(.*not a zip file"):
        await own.metadata_of(file)


async def test_sdist_is_no_wheel_to_install(harness: WheelHarness, tmp_path: Path) -> None:
    harness.put(FILENAME)
    harness.put_sdist("demo-1.0.tar.gz")
    files = await own_wheels(harness, tmp_path).files_of(canonicalize_name("demo"))
    assert [file.filename for file in files] == [FILENAME]
