"""Share work: once for all who want it at the same time, and no more of it at once than the host bears."""

import asyncio
import contextlib
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


@dataclass(kw_only=True, slots=True)
class _Flight(Generic[V]):
    """One piece of running work. Not frozen: the callers that wait for it come and go."""

    task: asyncio.Task[V]
    waiting: int = 0


class SingleFlight(Generic[K, V]):
    """Lets callers with an equal key share one running piece of work and its result or error.

    The work goes on as long as anybody waits for it: one caller's cancellation does not end another's. It is
    cancelled, and has cleaned up after itself, before the last caller's cancellation goes further.
    """

    def __init__(self) -> None:
        self._flights: dict[K, _Flight[V]] = {}

    async def run(self, key: K, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Join the running work of this key, or start it."""
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
        # Forgotten first, so that nobody joins work that is being cancelled.
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


class RecentAnswers(Generic[K, V]):
    """The last answers, up to a limit; those asked for longest ago go first.

    Args:
        seconds: How long an answer counts as fresh.
        limit: How many answers are kept, or how much they may weigh together.
        weigh: What an answer counts for.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        *,
        seconds: float,
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

    def fresh(self, key: K) -> V | None:
        """Return the answer if it is recent enough."""
        answer = self._answers.get(key)
        if answer is None or self._clock() - answer.given_at >= self._seconds:
            return None
        return self.last(key)

    def last(self, key: K) -> V | None:
        """Return the answer however old it is, if it is still kept."""
        if key not in self._answers:
            return None
        self._answers.move_to_end(key)
        return self._answers[key].value

    def keep(self, key: K, value: V) -> V:
        """Keep an answer as given now, and return it; one that is too heavy by itself is not kept."""
        if (former := self._answers.pop(key, None)) is not None:
            self._weight -= self._weigh(former.value)
        self._answers[key] = _Answer(value=value, given_at=self._clock())
        self._weight += self._weigh(value)
        while self._weight > self._limit:
            _, oldest = self._answers.popitem(last=False)
            self._weight -= self._weigh(oldest.value)
        return value


class SharedAnswer(Generic[V]):
    """The answer to one question, asked once for all who want it at the same time, and again when it is old."""

    def __init__(
        self,
        ask: Callable[[], Coroutine[Any, Any, V]],
        *,
        seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._running: SingleFlight[None, V] = SingleFlight()
        self._answers: RecentAnswers[None, V] = RecentAnswers(seconds=seconds, clock=clock)

    async def get(self) -> V:
        """Give the last answer if it is recent enough, else a new one; an error is nobody's answer but of who waits."""
        known = self._answers.fresh(None)
        return known if known is not None else await self._running.run(None, self._renew)

    async def _renew(self) -> V:
        return self._answers.keep(None, await self._ask())


class SlotsBusyError(Exception):
    """No slot became free in time, or too much of the same caller's work waits already."""


class FairSlots:
    """A bound on work that runs at once, shared fairly between callers.

    Callers that wait are served in turn, whatever each of them has in line, and none holds more than half of the
    slots, so that one caller's long work never keeps all others waiting.

    Args:
        count: How much may run at once.
        most_waiting: How much of one caller's work may wait; more is refused at once.
    """

    def __init__(self, count: int, *, most_waiting: int = 64) -> None:
        self.count = count
        self._share = max(1, count // 2)
        self._most_waiting = most_waiting
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """Who waits; the caller that was served longest ago stands first."""

    @contextlib.asynccontextmanager
    async def slot(self, caller: str, *, wait_seconds: float | None) -> AsyncIterator[None]:
        """Hold a slot for a block; raises SlotsBusyError if there is none within a time, None waits for ever."""
        await self._take(caller, wait_seconds)
        try:
            yield
        finally:
            self._give_back(caller)

    async def _take(self, caller: str, wait_seconds: float | None) -> None:
        queue = self._waiting.setdefault(caller, deque())
        if len(queue) >= self._most_waiting:
            raise SlotsBusyError
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._hand_out()
        try:
            async with asyncio.timeout(wait_seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # It was our turn in the very moment in which we gave up.
                self._give_back(caller)
            else:
                self._leave(caller, turn)
            if isinstance(error, TimeoutError):
                raise SlotsBusyError from error
            raise

    def _leave(self, caller: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(caller, deque())
        with contextlib.suppress(ValueError):
            queue.remove(turn)
        if not queue:
            self._waiting.pop(caller, None)

    def _give_back(self, caller: str) -> None:
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]
        self._hand_out()

    def _hand_out(self) -> None:
        while self._held.total() < self.count and (caller := self._next()) is not None:
            turn = self._waiting[caller].popleft()
            self._waiting.move_to_end(caller)
            if not self._waiting[caller]:
                del self._waiting[caller]
            if not turn.done():
                self._held[caller] += 1
                turn.set_result(None)

    def _next(self) -> str | None:
        """Name the caller that was served longest ago of those that may have one more."""
        return next((caller for caller in self._waiting if self._held[caller] < self._share), None)
