"""Answers in memory, each with its age, and calls that are shared by all callers at the same time.

Files on disk are cached in ``adapters/upstream/cache.py``.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


@dataclass(kw_only=True, slots=True)
class _Flight(Generic[V]):
    """A running call. Not frozen: its waiting callers change."""

    task: asyncio.Task[V]
    waiting: int = 0


class SingleFlight(Generic[K, V]):
    """Lets callers with an equal key share one running call and its result or error.

    The call continues as long as any caller waits for it: one caller's cancellation does not end another's. When the
    last caller is cancelled, the call is cancelled and cleans up before the cancellation continues.
    """

    def __init__(self) -> None:
        self._flights: dict[K, _Flight[V]] = {}

    async def run(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Join the running call of this key, or start it."""
        flight = self._flights.get(key) or self._start(key, work)
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                await self._end(key, flight)

    def _start(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> _Flight[V]:
        flight = _Flight(task=asyncio.create_task(work()))
        self._flights[key] = flight
        flight.task.add_done_callback(lambda _: self._forget(key, flight))
        return flight

    async def _end(self, key: K, flight: _Flight[V]) -> None:
        # Removed first, so that no caller joins a call that is being cancelled.
        self._forget(key, flight)
        if not flight.task.done():
            flight.task.cancel()
            await asyncio.wait({flight.task})

    def _forget(self, key: K, flight: _Flight[V]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer(Generic[V]):
    value: V
    given_at: float


class MemoryCache(Generic[K, V]):
    """The last answers, up to a limit; those asked for longest ago are dropped first.

    Args:
        seconds: How long an answer counts as fresh.
        limit: How many answers are stored, or their total weight.
        weigh: The weight of an answer.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        *,
        seconds: float = math.inf,
        limit: int = 256,
        weigh: Callable[[V], int] = lambda _: 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._limit = limit
        self._weigh = weigh
        self._clock = clock
        self._answers: OrderedDict[K, _Answer[V]] = OrderedDict()
        self._weight = 0
        self._flights: SingleFlight[K, V] = SingleFlight()
        self._refreshes: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """Return the answer if it is fresh, else ask, once for all waiting callers; errors are not stored."""
        known = self.fresh(key)
        return known if known is not None else await self._flights.run(key, partial(self._renew, key, ask))

    async def get_latest(self, key: K, ask: Callable[[], Awaitable[V]], *, seconds: float) -> V:
        """Return the last answer, however old, and ask for a newer one if it is older than this.

        It waits only if there is no answer. A question continues without its callers; if it fails, the last answer
        stays, and the next caller asks again.
        """
        answer = self._answers.get(key)
        if answer is None or self._clock() - answer.given_at > seconds:
            refresh = self._refresh(key, ask)
            if answer is None:
                return await asyncio.shield(refresh)
        self._answers.move_to_end(key)
        return answer.value

    def fresh(self, key: K) -> V | None:
        """Return the answer if it is fresh."""
        answer = self._answers.get(key)
        if answer is None or self._clock() - answer.given_at >= self._seconds:
            return None
        return self.last(key)

    def last(self, key: K) -> V | None:
        """Return the answer however old it is, if it is still stored."""
        if key not in self._answers:
            return None
        self._answers.move_to_end(key)
        return self._answers[key].value

    def keep(self, key: K, value: V) -> V:
        """Store an answer as given now, and return it; an answer that exceeds the limit by itself is not stored."""
        self.forget(key)
        self._answers[key] = _Answer(value=value, given_at=self._clock())
        self._weight += self._weigh(value)
        while self._weight > self._limit:
            self.forget(next(iter(self._answers)))
        return value

    def forget(self, key: K) -> None:
        """Drop an answer, if it is stored."""
        if (former := self._answers.pop(key, None)) is not None:
            self._weight -= self._weigh(former.value)

    def forget_where(self, is_meant: Callable[[V], bool]) -> None:
        """Drop the answers of which this is true; each is looked at."""
        for key in [key for key, answer in self._answers.items() if is_meant(answer.value)]:
            self.forget(key)

    async def _renew(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        return self.keep(key, await ask())

    def _refresh(self, key: K, ask: Callable[[], Awaitable[V]]) -> asyncio.Task[V]:
        running = self._refreshes.get(key)
        if running is None or running.done():
            running = self._refreshes[key] = asyncio.create_task(self._renew(key, ask))
            running.add_done_callback(partial(self._end_refresh, key))
        return running

    def _end_refresh(self, key: K, refresh: asyncio.Task[V]) -> None:
        if self._refreshes.get(key) is refresh:
            del self._refreshes[key]
        if not refresh.cancelled():
            refresh.exception()  # There may be no waiting caller.


class SharedAnswer(Generic[V]):
    """The answer to one question, asked once for all callers at the same time, and again when it is old."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[V]],
        *,
        seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._answers: MemoryCache[None, V] = MemoryCache(seconds=seconds, clock=clock)

    async def get(self) -> V:
        """Return the last answer if it is fresh, else a new one; only callers that wait get an error."""
        return await self._answers.get(None, self._ask)
