"""Take builds from the queue while there is room, and run them beside each other."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Final

from wheelyard.domain.builds.queue import Allocation, Capacity, Lane, ResourceRequest
from wheelyard.domain.builds.records import Claim
from wheelyard.errors import DatabaseUnavailableError
from wheelyard.interfaces import WorkQueue
from wheelyard.logs import get_logger
from wheelyard.usecases.run_build import RunBuild

_POLL_SECONDS: Final = 1.0
_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class TakeOptions:
    """What this worker takes from the queue."""

    worker: str
    lease_seconds: float
    lanes: tuple[Lane, ...]
    emulated: tuple[Lane, ...] = ()
    capacity: Capacity
    default: ResourceRequest
    """The share of the capacity that a build gets if it requests none."""
    poll_seconds: float = _POLL_SECONDS
    """How often the queue is read without a wake-up call."""


class TakeBuilds:
    """A worker's main loop."""

    def __init__(self, *, queue: WorkQueue, run_build: RunBuild, options: TakeOptions) -> None:
        self._queue = queue
        self._run_build = run_build
        self._options = options
        self._running: dict[asyncio.Task[None], Capacity] = {}
        self._called = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._closed = False
        self._left_out: frozenset[Lane] = frozenset()

    @property
    def is_open(self) -> bool:
        """False once it drains."""
        return not self._closed

    @property
    def is_idle(self) -> bool:
        """Whether no build runs here."""
        return not self._running

    async def wake(self) -> None:
        """Look into the queue now; return when there is room again, so that a full worker answers no more calls."""
        self._called.set()
        await self._has_room.wait()

    def leave_out(self, lanes: frozenset[Lane]) -> None:
        """Take nothing from these lanes from now on; no lanes take all of them in again."""
        self._left_out = lanes

    async def run(self) -> None:
        """Take builds until cancelled; builds that run then go back into the queue."""
        try:
            while True:
                self._called.clear()
                await self._take_what_fits()
                # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the event
                # (https://github.com/python/cpython/issues/86296).
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._options.poll_seconds):
                        await self._called.wait()
        finally:
            await self._end_all()

    async def drain(self, seconds: float) -> bool:
        """Take nothing new, and wait so long for running builds to end; return whether all have ended."""
        self._closed = True
        if self._running:
            await asyncio.wait(set(self._running), timeout=seconds)
        return not self._running

    async def _take_what_fits(self) -> None:
        try:
            while not self._closed and self._free().slots > 0:
                claim = await self._queue.claim_next(self._offer())
                if claim is None:
                    break
                self._begin(claim)
        except DatabaseUnavailableError:
            return  # the queue is read again soon, and the sweep reports it
        except Exception:  # noqa: BLE001  a fault must not end running builds; the queue is read again after the pause
            _log.exception("routine-failed", routine="queue")

    def _offer(self) -> Allocation:
        return Allocation(
            worker=self._options.worker,
            lease_seconds=self._options.lease_seconds,
            lanes=tuple(lane for lane in self._options.lanes if lane not in self._left_out),
            emulated=tuple(lane for lane in self._options.emulated if lane not in self._left_out),
            total=self._options.capacity,
            free=self._free(),
            default=self._options.default,
        )

    def _free(self) -> Capacity:
        return reduce(Capacity.without, self._running.values(), self._options.capacity)

    def _begin(self, claim: Claim) -> None:
        task = asyncio.create_task(self._run_build.run(claim), name=f"build-{claim.build_id}")
        capacity = self._options.capacity
        self._running[task] = (
            capacity if claim.alone else capacity.share(claim.order.resource_request, self._options.default)
        )
        self._note_room()
        task.add_done_callback(self._note_end(claim))

    def _note_end(self, claim: Claim) -> Callable[[asyncio.Task[None]], None]:
        def note(task: asyncio.Task[None]) -> None:
            del self._running[task]
            self._note_room()
            self._called.set()
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.warning("attempt-left", build=claim.build_id, attempt=claim.attempt, reason=str(error))

        return note

    def _note_room(self) -> None:
        if self._free().slots > 0:
            self._has_room.set()
        else:
            self._has_room.clear()

    async def _end_all(self) -> None:
        running = set(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
