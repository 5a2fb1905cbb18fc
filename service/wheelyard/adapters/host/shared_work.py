"""Share work fairly between callers, and run only as much at once as the host can bear."""

import asyncio
import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator


class SlotsBusyError(Exception):
    """No slot became free in time, or too much of the same caller's work already waits."""


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
        """Waiting work by caller; the caller that was served longest ago is first."""

    @contextlib.asynccontextmanager
    async def slot(self, caller: str, *, wait_seconds: float | None) -> AsyncIterator[None]:
        """Hold a slot for a block; raise SlotsBusyError if none gets free in time. None waits for ever."""
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
        """Return the caller that was served longest ago, of those that may have one more slot; None without any."""
        return next((caller for caller in self._waiting if self._held[caller] < self._share), None)
