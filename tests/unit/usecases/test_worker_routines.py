"""What a worker does again and again goes on, whatever happened once."""

import asyncio
from typing import cast

import pytest

from wheelyard.domain.builds.queue import Allocation, Capacity, ResourceRequest
from wheelyard.errors import DatabaseUnavailableError
from wheelyard.interfaces import WorkQueue
from wheelyard.usecases.periodic_work import repeat
from wheelyard.usecases.run_build import RunBuild
from wheelyard.usecases.take_builds import TakeBuilds, TakeOptions

DEMAND = ResourceRequest()


@pytest.mark.parametrize("error", [DatabaseUnavailableError(reason="it is away"), KeyError("nobody expected this")])
async def test_routine_that_failed_is_done_again(error: Exception) -> None:
    done = asyncio.Event()
    turns: list[int] = []

    async def act() -> None:
        turns.append(len(turns))
        if len(turns) == 1:
            raise error
        done.set()

    routine = asyncio.create_task(repeat("this", act, seconds=0.001))
    await asyncio.wait_for(done.wait(), 10)
    routine.cancel()
    assert (await asyncio.gather(routine, return_exceptions=True))[0].__class__ is asyncio.CancelledError


async def test_eager_routine_goes_on_at_once_while_there_is_more() -> None:
    done = asyncio.Event()
    left = [False, True, True, True]

    async def act() -> bool:
        if len(left) == 1:
            done.set()
        return left.pop()

    routine = asyncio.create_task(repeat("this", act, seconds=3600, eager=True))
    await asyncio.wait_for(done.wait(), 10)
    routine.cancel()
    await asyncio.gather(routine, return_exceptions=True)


async def test_fault_while_builds_are_taken_does_not_end_those_that_run(caplog: pytest.LogCaptureFixture) -> None:
    asked = asyncio.Event()

    class BrokenQueue:
        count = 0

        async def claim_next(self, offer: Allocation) -> None:
            assert offer.worker == "w"
            self.count += 1
            if self.count == 1:
                raise KeyError("nobody expected this")
            asked.set()

    capacity = Capacity(slots=1, cpus=1, memory_bytes=1)
    options = TakeOptions(worker="w", lanes=(), capacity=capacity, default=DEMAND, lease_seconds=1, poll_seconds=0.01)
    queue = cast("WorkQueue", BrokenQueue())
    take = TakeBuilds(queue=queue, run_build=cast("RunBuild", None), options=options)
    routine = asyncio.create_task(take.run())
    await asyncio.wait_for(asked.wait(), 10)
    assert not routine.done(), caplog.text
    routine.cancel()
    await asyncio.gather(routine, return_exceptions=True)
