"""The in-memory stores keep the contract that the PostgreSQL ones keep."""

from datetime import UTC, datetime

import pytest
from tests.contract.samples import ManualClock, sample_order
from tests.contract.store_contract import StoreContract
from tests.contract.stores import LEASE_SECONDS, MAX_ATTEMPTS, Stores
from tests.fakes.access import MemoryAudit, MemoryTokens
from tests.fakes.builds import MemoryAttempts, MemoryBuilds, MemoryLogs
from tests.fakes.dependencies import MemoryMissingReleases
from tests.fakes.metrics import MemoryMetrics
from tests.fakes.prebuilds import MemoryOutbox, MemoryPrebuilds
from tests.fakes.queue import MemoryFleet, MemoryPeriodic, MemoryQueue
from tests.fakes.recipes import MemoryRecipeStore
from tests.fakes.records import MemoryState
from tests.fakes.uploads import MemoryUploads
from tests.fakes.wheels import MemoryWheels

from wheelyard.domain.access import OpenLimits
from wheelyard.errors import DatabaseUnavailableError


class TestMemoryStores(StoreContract):
    @pytest.fixture
    def stores(self) -> Stores:
        clock = ManualClock(datetime.now(UTC))
        state = MemoryState(clock=clock, max_attempts=MAX_ATTEMPTS)
        attempts = MemoryAttempts(state)

        async def expire_leases() -> None:
            clock.advance(LEASE_SECONDS + 1)

        async def pass_time(seconds: float) -> None:
            clock.advance(seconds)

        def limit(limits: OpenLimits) -> None:
            state.limits = limits

        builds, prebuilds = MemoryBuilds(state), MemoryPrebuilds(state)
        return Stores(
            builds=builds,
            attempts=attempts,
            queue=MemoryQueue(state),
            fleet=MemoryFleet(state),
            periodic=MemoryPeriodic(state),
            logs=MemoryLogs(state),
            figures=MemoryMetrics(state, prebuilds),
            tokens=MemoryTokens(state),
            audit=MemoryAudit(state),
            prebuilds=prebuilds,
            wheels=MemoryWheels(state),
            uploads=MemoryUploads(state, builds, prebuilds),
            needs=MemoryMissingReleases(state),
            outbox=MemoryOutbox(state),
            recipes=MemoryRecipeStore(state),
            expire_leases=expire_leases,
            pass_time=pass_time,
            limit=limit,
        )


async def test_every_request_is_remembered_with_who_made_it() -> None:
    state = MemoryState(clock=ManualClock(datetime.now(UTC)))
    for caller in ("alice", "bob"):
        await MemoryBuilds(state).submit(sample_order(), requested_by=caller)
    assert [(request.requested_by, request.joined) for request in state.requests] == [("alice", False), ("bob", True)]


async def test_fault_of_the_store_can_be_switched_on() -> None:
    builds = MemoryBuilds(MemoryState(clock=ManualClock(datetime.now(UTC))))
    builds.fault = DatabaseUnavailableError(reason="it was switched off")
    with pytest.raises(DatabaseUnavailableError):
        await builds.ping()
