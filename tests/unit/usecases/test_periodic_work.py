"""Retention: what is old is forgotten, by one worker an hour, and only if the operator wants it."""

import pytest
from tests.contract.samples import BEGINNING, ManualClock, sample_order
from tests.contract.stores import FAILURE
from tests.fakes.builds import MemoryAttempts, MemoryBuilds, MemoryLogs
from tests.fakes.metrics import MemoryMetrics
from tests.fakes.prebuilds import MemoryPrebuilds
from tests.fakes.queue import MemoryPeriodic
from tests.fakes.records import MemoryState
from tests.fakes.uploads import MemoryUploads

from wheelyard.domain.builds.records import BuildFilter
from wheelyard.usecases.periodic_work import RETENTION_SECONDS, PeriodicWork, Retention

DAY = 86_400.0


@pytest.fixture
def state() -> MemoryState:
    return MemoryState(clock=ManualClock(BEGINNING))


def advance(state: MemoryState, seconds: float) -> None:
    assert isinstance(state.clock, ManualClock)
    state.clock.advance(seconds)


def periodic(state: MemoryState, retention: Retention) -> PeriodicWork:
    metrics, uploads = (
        MemoryMetrics(state, MemoryPrebuilds(state)),
        MemoryUploads(state, MemoryBuilds(state), MemoryPrebuilds(state)),
    )
    return PeriodicWork(MemoryPeriodic(state), metrics, uploads, retention)


async def failed(state: MemoryState) -> str:
    build_id = (await MemoryBuilds(state).submit(sample_order(), requested_by="tests")).build.id
    claim = await MemoryAttempts(state).claim(build_id, worker="w", lease_seconds=60)
    assert claim is not None
    await MemoryAttempts(state).append_log(claim, b"words")
    await MemoryAttempts(state).finish(claim, FAILURE)
    return build_id


async def test_logs_are_forgotten_before_builds(state: MemoryState) -> None:
    build_id = await failed(state)
    work = periodic(state, Retention(logs_days=1, builds_days=10))
    advance(state, 2 * DAY)
    assert await work()
    assert b"words" not in (await MemoryLogs(state).read(build_id)).data
    advance(state, 10 * DAY)
    assert await work()
    assert (await MemoryBuilds(state).list_builds(BuildFilter())).builds == ()


async def test_what_is_kept_for_ever_stays(state: MemoryState) -> None:
    build_id = await failed(state)
    advance(state, 10_000 * DAY)
    assert await periodic(state, Retention(logs_days=0, builds_days=0))()
    assert (await MemoryLogs(state).read(build_id)).data == b"words"


async def test_second_worker_leaves_it_to_the_first_until_the_hour_is_over(state: MemoryState) -> None:
    first, second = (periodic(state, Retention(logs_days=1, builds_days=1)) for _ in range(2))
    assert [await first(), await second(), await first()] == [True, False, False]
    advance(state, RETENTION_SECONDS + 1)
    assert [await second(), await first()] == [True, False]


async def test_bytes_of_uploads_that_broke_off_are_deleted(state: MemoryState) -> None:
    uploads = MemoryUploads(state, MemoryBuilds(state), MemoryPrebuilds(state))
    await uploads.put_chunk("broken-off", 0, b"bytes")
    work = periodic(state, Retention(logs_days=0, builds_days=0))
    assert await work()
    assert state.brought_parts
    advance(state, 2 * DAY)
    assert await work()
    assert not state.brought_parts
