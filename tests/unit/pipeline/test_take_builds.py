"""A worker takes what it has room for, at a call and by itself, and leaves nothing behind when it ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.contract.samples import sample_order
from tests.contract.stores import LANE
from tests.fakes.queue import MemoryQueue
from tests.unit.pipeline_harness import PipelineHarness
from tests.unit.run_build_harness import RunHarness

from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.queue import Allocation, Capacity, Lane, ResourceRequest
from wheelyard.domain.builds.records import Claim
from wheelyard.errors import DatabaseUnavailableError
from wheelyard.pipeline.job import Job, Tools
from wheelyard.usecases.take_builds import TakeBuilds, TakeOptions

GIB = 1 << 30
NEVER = 3600.0

EMULATED = Lane(architecture="aarch64", suite="bookworm", python="3.15")


class CountingQueue(MemoryQueue):
    """The queue, which may be away, and counts how often it is asked."""

    asked = 0
    fault: Exception | None = None

    async def claim_next(self, offer: Allocation) -> Claim | None:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return await super().claim_next(offer)


@dataclass(kw_only=True)
class TakeHarness:
    """A worker whose builds go on until a test ends them."""

    run: RunHarness
    poll_seconds: float = NEVER
    capacity: Capacity = field(default_factory=lambda: Capacity(slots=2, cpus=4.0, memory_bytes=8 * GIB))
    ends: dict[str, asyncio.Event] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = CountingQueue(self.run.state)
        self.run.lease_seconds = NEVER

    async def submit(self, *keys: str, demand: ResourceRequest | None = None) -> list[str]:
        orders = [sample_order(key=key, demand=demand) for key in keys]
        return [(await self.run.builds.submit(order, requested_by="tests")).build.id for order in orders]

    def worker(self, *, emulated: tuple[Lane, ...] = ()) -> TakeBuilds:
        options = TakeOptions(
            worker="worker-1",
            lease_seconds=NEVER,
            lanes=(LANE,),
            emulated=emulated,
            capacity=self.capacity,
            default=ResourceRequest(cpus=1.0, memory_bytes=GIB),
            poll_seconds=self.poll_seconds,
        )
        return TakeBuilds(queue=self.queue, run_build=self.run.runner(self._act), options=options)

    def end(self, build_id: str) -> None:
        self.ends.setdefault(build_id, asyncio.Event()).set()

    async def statuses(self, ids: list[str]) -> list[str]:
        return [(await self.run.builds.get(build_id)).status.value for build_id in ids]

    async def until(self, *statuses: str, ids: list[str]) -> None:
        async with asyncio.timeout(10):
            while (await self.statuses(ids)) != list(statuses):  # noqa: ASYNC110 - the worker keeps its own time
                await asyncio.sleep(0.002)

    async def until_begun(self, *ids: str) -> None:
        async with asyncio.timeout(10):
            while not set(ids) <= self.ends.keys():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.002)

    async def until_asked(self, times: int = 1) -> None:
        async with asyncio.timeout(10):
            while self.queue.asked < times:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.002)

    async def _act(self, job: Job, tools: Tools) -> Job:
        del tools
        build_id = job.claim.build_id
        try:
            await self.ends.setdefault(build_id, asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.stopped.append(build_id)
            raise
        return job


@pytest.fixture
def harness(pipeline: PipelineHarness, tmp_path: Path) -> TakeHarness:
    return TakeHarness(run=RunHarness(pipeline=pipeline, folder=tmp_path / "attempts"))


@contextlib.asynccontextmanager
async def at_work(harness: TakeHarness) -> AsyncIterator[TakeBuilds]:
    worker = harness.worker()
    working = asyncio.create_task(worker.run())
    yield worker
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_build_for_a_python_that_another_worker_can_have_is_left_to_it(harness: TakeHarness) -> None:
    await harness.submit("key-1")
    worker = harness.worker()
    worker.leave_out(frozenset({LANE}))
    await worker._take_what_fits()
    assert worker._free().slots == harness.capacity.slots
    worker.leave_out(frozenset())
    await worker._take_what_fits()
    assert worker._free().slots == harness.capacity.slots - 1
    await worker._end_all()


async def test_emulated_builder_whose_python_another_worker_can_have_is_left_to_it(harness: TakeHarness) -> None:
    worker = harness.worker(emulated=(EMULATED,))
    assert worker._offer().emulated == (EMULATED,)
    worker.leave_out(frozenset({EMULATED}))
    assert worker._offer().emulated == ()
    assert worker._offer().lanes == (LANE,)


async def test_worker_takes_what_its_slots_allow_and_the_next_when_one_ends(harness: TakeHarness) -> None:
    ids = await harness.submit("a", "b", "c")
    async with at_work(harness):
        await harness.until("running", "running", "queued", ids=ids)
        harness.end(ids[1])
        await harness.until("running", "succeeded", "running", ids=ids)


async def test_call_makes_an_idle_worker_look_at_once(harness: TakeHarness) -> None:
    async with at_work(harness) as worker:
        await harness.until_asked()
        ids = await harness.submit("a")
        await asyncio.wait_for(worker.wake(), 10)
        await harness.until("running", ids=ids)


async def test_worker_finds_builds_without_any_call(harness: TakeHarness) -> None:
    harness.poll_seconds = 0.01
    async with at_work(harness):
        await harness.until_asked()
        await harness.until("running", ids=await harness.submit("a"))


async def test_full_worker_answers_a_call_once_it_has_room(harness: TakeHarness) -> None:
    ids = await harness.submit("a", "b")
    async with at_work(harness) as worker:
        await harness.until("running", "running", ids=ids)
        call = asyncio.create_task(worker.wake())
        await asyncio.sleep(0.02)
        assert not call.done()
        harness.end(ids[0])
        await asyncio.wait_for(call, 10)


async def test_builds_share_the_memory_that_they_say_they_need(harness: TakeHarness) -> None:
    large = await harness.submit("a", "b", demand=ResourceRequest(memory_bytes=5 * GIB))
    async with at_work(harness):
        await harness.until("running", "queued", ids=large)
        harness.end(large[0])
        await harness.until("succeeded", "running", ids=large)


async def test_builds_share_the_processors_that_they_say_they_need(harness: TakeHarness) -> None:
    ids = await harness.submit("a", "b", demand=ResourceRequest(cpus=64.0))
    async with at_work(harness):
        await harness.until("running", "queued", ids=ids)


@pytest.mark.parametrize("fault", [DatabaseUnavailableError(reason="it is away"), ValueError("a row holds anything")])
async def test_queue_that_cannot_be_read_for_a_while_ends_no_worker(harness: TakeHarness, fault: Exception) -> None:
    harness.poll_seconds, harness.queue.fault = 0.01, fault
    ids = await harness.submit("a")
    async with at_work(harness):
        await harness.until_asked(3)
        harness.queue.fault = None
        await harness.until("running", ids=ids)


async def test_build_with_which_a_worker_died_runs_alone(harness: TakeHarness) -> None:
    first, suspect, third = await harness.submit("a", "b", "c")
    harness.run.state.find(suspect).deaths = ["worker-2"]
    async with at_work(harness):
        await harness.until("running", "queued", "queued", ids=[first, suspect, third])
        harness.end(first)
        await harness.until("succeeded", "running", "queued", ids=[first, suspect, third])
        harness.end(suspect)
        await harness.until("succeeded", "succeeded", "running", ids=[first, suspect, third])


async def test_attempt_whose_end_cannot_be_recorded_ends_no_worker(harness: TakeHarness) -> None:
    harness.run.lease_seconds = 0.02
    first, second = await harness.submit("a", "b")
    async with at_work(harness):
        await harness.until("running", "running", ids=[first, second])
        harness.run.attempts.failing_writes = 8
        harness.end(first)
        async with asyncio.timeout(10):
            while harness.run.attempts.failing_writes > 0:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.002)
        harness.end(second)
        (third,) = await harness.submit("c")
        await harness.until("succeeded", ids=[second])
        await harness.until("running", ids=[third])


async def test_worker_that_ends_hands_back_what_runs(harness: TakeHarness) -> None:
    ids = await harness.submit("a", "b")
    async with at_work(harness):
        await harness.until("running", "running", ids=ids)
        await harness.until_begun(*ids)
    assert sorted(harness.stopped) == sorted(ids)
    assert await harness.statuses(ids) == ["queued", "queued"]
    assert (await harness.run.builds.get(ids[0])).attempts[0].status is Status.CANCELLED


async def test_draining_worker_takes_nothing_new_and_waits_for_what_runs(harness: TakeHarness) -> None:
    first, second, third = await harness.submit("a", "b", "c")
    async with at_work(harness) as worker:
        await harness.until("running", "running", "queued", ids=[first, second, third])
        draining = asyncio.create_task(worker.drain(NEVER))
        await asyncio.sleep(0)
        assert not worker.is_open
        harness.end(first)
        await harness.until("succeeded", "running", "queued", ids=[first, second, third])
        assert not draining.done()
        harness.end(second)
        assert await asyncio.wait_for(draining, 10)
    assert await harness.statuses([first, second, third]) == ["succeeded", "succeeded", "queued"]


async def test_drain_that_takes_too_long_hands_back_what_still_runs(harness: TakeHarness) -> None:
    ids = await harness.submit("a")
    async with at_work(harness) as worker:
        await harness.until_begun(*ids)
        assert not await worker.drain(0.01)
    assert (harness.stopped, await harness.statuses(ids)) == (ids, ["queued"])


async def test_idle_worker_drains_at_once(harness: TakeHarness) -> None:
    async with at_work(harness) as worker:
        assert await asyncio.wait_for(worker.drain(NEVER), 10)
