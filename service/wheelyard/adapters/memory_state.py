"""What the in-memory stores share: records, a clock, and wake-ups for readers. Must not know who reads or writes."""

import asyncio
import contextlib
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from wheelyard.domain.build import Attempt, Build, BuildOrder, Failure, Status
from wheelyard.domain.ledger import Claim, Outcome, Token
from wheelyard.errors import NotFoundError, WorkerLostError

_POLL_SECONDS: Final = 1.0
_IN_THE_WAY: Final = frozenset({Status.QUEUED, Status.RUNNING, Status.SUCCEEDED})


@dataclass(kw_only=True, slots=True)
class BuildRecord:
    """A build, and what only the stores know of it."""

    build: Build
    lease_until: datetime | None = None
    logs: dict[int, bytearray] = field(default_factory=dict)

    def is_held_by(self, claim: Claim) -> bool:
        """Tell whether the claim's attempt is still the one that runs; an expired lease alone loses nothing."""
        newest = self.build.attempts[-1].number if self.build.attempts else 0
        return self.build.status is Status.RUNNING and newest == claim.attempt

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether it is running, but its worker has been silent for longer than its lease."""
        running = self.build.status is Status.RUNNING
        return running and self.lease_until is not None and self.lease_until < now

    def change(self, **changes: object) -> None:
        """Replace fields of the build."""
        self.build = replace(self.build, **changes)  # type: ignore[arg-type]

    def close_attempt(self, outcome: Outcome, now: datetime) -> None:
        """End the newest attempt."""
        *former, newest = self.build.attempts
        closed = replace(
            newest,
            status=outcome.status,
            finished_at=now,
            timings=outcome.timings or newest.timings,
            failure=outcome.failure,
            log_truncated=outcome.log_truncated,
        )
        self.change(attempts=(*former, closed))

    def close_lost_attempt(self, now: datetime) -> None:
        """End the newest attempt, if it is still open, because its worker went away."""
        if self.build.attempts and self.build.attempts[-1].finished_at is None:
            lost = WorkerLostError(worker=self.build.attempts[-1].worker)
            self.close_attempt(Outcome(status=Status.FAILED, failure=Failure.of(lost, stage=None)), now)

    def open_attempt(self, worker: str, now: datetime) -> int:
        """Begin the next attempt; returns its number."""
        attempt = Attempt(
            number=len(self.build.attempts) + 1,
            worker=worker,
            status=Status.RUNNING,
            started_at=now,
            finished_at=None,
            timings=(),
            failure=None,
            log_size_bytes=0,
            log_truncated=False,
        )
        self.logs[attempt.number] = bytearray()
        self.change(attempts=(*self.build.attempts, attempt))
        return attempt.number

    def append_log(self, data: bytes) -> None:
        """Add to the newest attempt's log."""
        *former, newest = self.build.attempts
        log = self.logs[newest.number]
        log += data
        self.change(attempts=(*former, replace(newest, log_size_bytes=len(log))))


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestRecord:
    """Who asked for what, and what it led to."""

    build_id: str
    requirement: str
    requested_by: str
    joined: bool


class MemoryState:
    """Everything that the in-memory stores keep."""

    def __init__(
        self, *, clock: Callable[[], datetime], max_attempts: int = 3, new_id: Callable[[], uuid.UUID] = uuid.uuid4
    ) -> None:
        self.clock = clock
        self.max_attempts = max_attempts
        self.new_id = new_id
        self.records: dict[str, BuildRecord] = {}
        self.requests: list[RequestRecord] = []
        self.tokens: dict[str, tuple[str, Token]] = {}
        """Digest and token, by the token's id."""
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def find(self, build_id: str) -> BuildRecord:
        """Find a build; raises NotFoundError."""
        if build_id not in self.records:
            raise NotFoundError(kind="build", name=build_id)
        return self.records[build_id]

    def find_equal(self, key: str) -> Build | None:
        """Find the build that a new one with this key would join."""
        builds = (record.build for record in self.records.values())
        return next((build for build in builds if build.order.key == key and build.status in _IN_THE_WAY), None)

    def add(self, order: BuildOrder) -> Build:
        """Queue a new build."""
        build = Build(
            id=str(self.new_id()),
            order=order,
            status=Status.QUEUED,
            stage=None,
            created_at=self.clock(),
            started_at=None,
            finished_at=None,
            cancel_requested=False,
            attempts=(),
            failure=None,
            wheel=None,
        )
        self.records[build.id] = BuildRecord(build=build)
        return build

    def notify(self, build_id: str) -> None:
        """Wake up whoever watches the build."""
        for event in self._waiting.get(build_id, ()):
            event.set()

    @contextlib.asynccontextmanager
    async def watch(self, build_id: str) -> AsyncIterator[AsyncIterator[None]]:
        """Give an iterator that yields at once, then at each change of the build, and at least every second."""
        event = asyncio.Event()
        self._waiting[build_id].add(event)
        try:
            yield _wake_ups(event)
        finally:
            self._waiting[build_id].discard(event)
            if not self._waiting[build_id]:
                del self._waiting[build_id]


async def _wake_ups(event: asyncio.Event) -> AsyncIterator[None]:
    while True:
        event.clear()
        yield
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), _POLL_SECONDS)
