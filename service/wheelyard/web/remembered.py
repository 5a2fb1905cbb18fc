"""Answers that are slow to get and may be a little old, such as what a container engine says. Must not know pages."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Remembered(Generic[Answer]):
    """Asks at most once at a time; gives the last answer while a newer one is on its way."""

    def __init__(
        self, ask: Callable[[], Awaitable[Answer]], *, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._clock = clock
        self._asking: asyncio.Task[Answer] | None = None
        self._last: tuple[float, Answer] | None = None

    async def get(self) -> Answer:
        """Give the last answer, however old, and see to a newer one; wait only if there is none."""
        if self._is_due():
            self._asking = asyncio.create_task(self._refresh())
            self._asking.add_done_callback(_look_at)
        if self._last is not None:
            return self._last[1]
        assert self._asking is not None  # noqa: S101  it is due as long as there is no answer
        return await asyncio.shield(self._asking)

    def _is_due(self) -> bool:
        if self._asking is not None and not self._asking.done():
            return False
        return self._last is None or self._clock() - self._last[0] > self._seconds

    async def _refresh(self) -> Answer:
        answer = await self._ask()
        self._last = (self._clock(), answer)
        return answer


def _look_at(asked: asyncio.Task[Answer]) -> None:
    """Take note of a failure that nobody waited for: the last answer stays, and the next reader asks again."""
    if not asked.cancelled():
        asked.exception()
