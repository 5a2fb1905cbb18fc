"""The in-memory wheels keep the contract of the index's records."""

from dataclasses import replace

import pytest
from tests.contract.samples import BEGINNING, ManualClock
from tests.contract.sdist_contract import SdistContract
from tests.contract.wheel_contract import WheelContract, WheelStores
from tests.fakes.access import MemoryAudit
from tests.fakes.builds import MemoryAttempts, MemoryBuilds
from tests.fakes.records import MemoryState
from tests.fakes.sdists import MemorySdists
from tests.fakes.wheels import MemoryWheels

from wheelyard.domain.index.sdists import BroughtSdist


@pytest.fixture
def wheel_stores() -> WheelStores:
    state = MemoryState(clock=ManualClock(BEGINNING))
    wheels = MemoryWheels(state)

    async def forget_metadata(filename: str) -> None:
        entry = state.wheels[filename]
        state.wheels[filename] = replace(entry, metadata=b"", wheel=replace(entry.wheel, metadata_sha256=None))

    async def bring(sdist: BroughtSdist) -> BroughtSdist:
        release = (sdist.project, sdist.version)
        same = [one for one in state.sdists.values() if (one.project, one.version) == release]
        return same[0] if same else state.sdists.setdefault(sdist.filename, sdist)

    return WheelStores(
        wheels=wheels,
        sdists=MemorySdists(state),
        bring=bring,
        builds=MemoryBuilds(state),
        attempts=MemoryAttempts(state),
        audit=MemoryAudit(state),
        forget_metadata=forget_metadata,
    )


class TestMemoryWheels(WheelContract):
    """The whole contract."""


class TestMemorySdists(SdistContract):
    """The whole contract."""
