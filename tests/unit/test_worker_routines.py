"""What a worker does again and again goes on, whatever happened once."""

import asyncio

import pytest

from wheelyard.errors import DatabaseUnavailableError
from wheelyard.worker import _often


@pytest.mark.parametrize("error", [DatabaseUnavailableError(reason="it is away"), KeyError("nobody expected this")])
async def test_routine_that_failed_is_done_again(error: Exception) -> None:
    done = asyncio.Event()
    turns: list[int] = []

    async def act() -> None:
        turns.append(len(turns))
        if len(turns) == 1:
            raise error
        done.set()

    routine = asyncio.create_task(_often("this", act, seconds=0.001))
    await asyncio.wait_for(done.wait(), 10)
    routine.cancel()
    assert (await asyncio.gather(routine, return_exceptions=True))[0].__class__ is asyncio.CancelledError
