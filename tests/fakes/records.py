"""What the in-memory stores share: records, a clock, and wake-ups for readers."""

import asyncio
import contextlib
import itertools
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from tests.fakes.counts import count_of_request, count_of_wheel, counts_of_change

from wheelyard.domain.access import NO_LIMITS, AuditEntry, Change
from wheelyard.domain.builds.build import Attempt, Build, BuildOrder, Failure, MissingRelease, Status
from wheelyard.domain.builds.metrics import Count
from wheelyard.domain.builds.queue import Lane, Priority, WorkerStatus
from wheelyard.domain.builds.records import Claim, Outcome, Token
from wheelyard.domain.catalogue.status import EngineImages
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.sdists import BroughtSdist
from wheelyard.domain.index.uploads import NewUpload
from wheelyard.domain.index.wheels import IndexEntry
from wheelyard.domain.prebuilds.webhook import Webhook, WebhookState
from wheelyard.domain.recipes.revision import RecipeRevision
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.errors import IndexConflictError, NotFoundError, UnauthenticatedError, WorkerLostError

_POLL_SECONDS: Final = 1.0
_IN_THE_WAY: Final = frozenset({Status.QUEUED, Status.RUNNING, Status.SUCCEEDED})


@dataclass(kw_only=True, slots=True)
class BuildRecord:
    """A build, and what only the stores know of it."""

    build: Build
    sequence: int = 0
    """The number of a build, in the order of submission."""
    queued_for: str = ""
    """The requester whose turn it takes."""
    turn: int = 0
    uncounted: int = 0
    """Attempts that do not count towards the allowed ones."""
    deaths: list[str] = field(default_factory=list)
    """Workers that died while they ran it, since the last retry by hand."""
    dead_attempts: set[int] = field(default_factory=set)
    """Attempts that ended by such a death."""
    lease_until: datetime | None = None
    satisfied: set[MissingRelease] = field(default_factory=set)
    """The builds that it has waited for and that have ended."""
    trace: Trace = NO_TRACE
    counts: list[Count] = field(default_factory=list)
    """The state's own list, in which a build's changes are counted."""
    logs: dict[int, bytearray] = field(default_factory=dict)

    @property
    def release(self) -> str:
        """The release that it builds, as messages name it."""
        return f"{self.build.order.project} {self.build.order.version}"

    @property
    def is_claimable(self) -> bool:
        """Whether it can be claimed now: it waits for nothing but its turn."""
        build = self.build
        return build.status is Status.QUEUED and build.not_before is None and not build.waits_for

    @property
    def tries(self) -> int:
        """The attempts so far that count."""
        return len(self.build.attempts) - self.uncounted

    @property
    def place(self) -> tuple[int, int, int]:
        """Its position in the queue; the smallest goes first."""
        return self.build.priority.rank, self.turn, self.sequence

    def is_waiting(self, lane: Lane, priority: Priority) -> bool:
        """Whether it is queued in that position."""
        queued = self.build.status is Status.QUEUED
        return queued and (self.build.order.lane, self.build.priority) == (lane, priority)

    def is_held_by(self, claim: Claim) -> bool:
        """Return whether the claim's attempt is still the one that runs; an expired lease alone loses nothing."""
        newest = self.build.attempts[-1].number if self.build.attempts else 0
        return self.build.status is Status.RUNNING and newest == claim.attempt

    def is_overdue(self, now: datetime) -> bool:
        """Return whether it is running, but its worker has been silent for longer than its lease."""
        running = self.build.status is Status.RUNNING
        return running and self.lease_until is not None and self.lease_until < now

    def change(self, **changes: object) -> None:
        """Replace fields of the build, and count what that means."""
        former = self.build
        self.build = replace(former, **changes)  # type: ignore[arg-type]
        self.counts.extend(counts_of_change(former, self.build))

    def finish(self, outcome: Outcome, now: datetime, *, max_attempts: int) -> None:
        """End the attempt, and the build unless it is to be tried again and may be."""
        if self.build.attempts[-1].finished_at is None:
            self.close_attempt(outcome, now)
        self.uncounted += not outcome.counts
        self.lease_until = None
        status = self._status_after(outcome, max_attempts)
        queued = status is Status.QUEUED
        pause = timedelta(seconds=outcome.wait_seconds)
        self.change(
            status=status,
            stage=None,
            finished_at=None if queued else now,
            failure=outcome.failure if status is Status.FAILED else None,
            wheel=outcome.wheel,
            not_before=now + pause if queued and pause else None,
        )

    def _status_after(self, outcome: Outcome, max_attempts: int) -> Status:
        if outcome.status is not Status.QUEUED:
            return outcome.status
        if self.build.cancel_requested:
            return Status.CANCELLED
        return Status.FAILED if outcome.counts and self.tries >= max_attempts else Status.QUEUED

    def close_attempt(self, outcome: Outcome, now: datetime) -> None:
        """End the newest attempt."""
        *former, newest = self.build.attempts
        closed = replace(
            newest,
            status=outcome.attempt_status,
            finished_at=now,
            timings=outcome.timings or newest.timings,
            failure=outcome.failure,
            log_truncated=outcome.log_truncated,
            healing=outcome.healing,
        )
        self.change(attempts=(*former, closed))

    def close_lost_attempt(self, now: datetime) -> None:
        """End the newest attempt, if it is still open, because its worker was lost."""
        if self.build.attempts and self.build.attempts[-1].finished_at is None:
            newest = self.build.attempts[-1]
            lost = WorkerLostError(worker=newest.worker, died=newest.number in self.dead_attempts)
            self.close_attempt(Outcome(status=Status.FAILED, failure=Failure.of(lost, stage=None)), now)

    def open_attempt(self, worker: str, now: datetime) -> int:
        """Begin the next attempt; return its number."""
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
        """Append to the newest attempt's log."""
        *former, newest = self.build.attempts
        log = self.logs[newest.number]
        log += data
        self.change(attempts=(*former, replace(newest, log_size_bytes=len(log))))


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestRecord:
    """A request: who asked for what, and the result."""

    build_id: str
    requirement: str
    requested_by: str
    joined: bool
    prebuild_id: str | None = None
    withdrawn: bool = False
    """True once the caller does not want the build any more."""
    trace: Trace = NO_TRACE


@dataclass(kw_only=True, slots=True)
class WebhookRecord:
    """A webhook of a prebuild that is over."""

    webhook: Webhook
    due_at: datetime | None
    """None once there is nothing more to do."""


class MemoryState:
    """The state of all in-memory stores."""

    def __init__(
        self, *, clock: Callable[[], datetime], max_attempts: int = 3, new_id: Callable[[], uuid.UUID] = uuid.uuid4
    ) -> None:
        self.clock = clock
        self.max_attempts = max_attempts
        self.new_id = new_id
        self.records: dict[str, BuildRecord] = {}
        self.requests: list[RequestRecord] = []
        self.cancelled_prebuilds: set[str] = set()
        self.limits = NO_LIMITS
        self.counts: list[Count] = []
        """What has been counted, one by one."""
        self.webhooks: dict[str, WebhookRecord] = {}
        """The outbox, by prebuild."""
        self.tokens: dict[str, tuple[str, Token]] = {}
        """Digest and token, by the token's id."""
        self.sessions: dict[str, tuple[str, datetime]] = {}
        """Token's id and end, by the session's digest."""
        self.audit: list[AuditEntry] = []
        self._numbers = itertools.count()
        self.image_reports: dict[str, tuple[datetime, EngineImages]] = {}
        self.workers: dict[str, WorkerStatus] = {}
        self.periodic: dict[str, datetime] = {}
        """When work that is done once an interval was last begun."""
        self.sdists: dict[str, BroughtSdist] = {}
        self.wheels: dict[str, IndexEntry] = {}
        """Wheels that are or were on the index, by file name, in the order of upload."""
        self.uploads: dict[tuple[str, str], list[Claim]] = {}
        """Attempts that began to upload a file, by its name and sha256."""
        self.brought: list[tuple[NewUpload, datetime, str]] = []
        """Files that were brought, with the build of a wheel or the request of an sdist, in order."""
        self.brought_parts: dict[str, dict[int, tuple[datetime, bytes]]] = defaultdict(dict)
        """The parts of brought files, by the file's id."""
        self.recipe_revisions: list[RecipeRevision] = []
        """All revisions of the service's own recipes, in order."""
        self.index_serials: dict[str, int] = {}
        """When each project's wheels last changed."""
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def record_change(self, change: Change) -> None:
        """Record a change and its author."""
        self.audit.append(AuditEntry(id=len(self.audit) + 1, at=self.clock(), change=change))

    def find(self, build_id: str) -> BuildRecord:
        """Return a build; raise NotFoundError."""
        if build_id not in self.records:
            raise NotFoundError(kind="build", name=build_id)
        return self.records[build_id]

    def find_equal(self, key: str) -> Build | None:
        """Return the build that a new one with this key would join."""
        builds = (record.build for record in self.records.values())
        return next((build for build in builds if build.order.key == key and build.status in _IN_THE_WAY), None)

    def check_token(self, token_id: str | None) -> None:
        """Raise UnauthenticatedError for a token that was revoked or has expired."""
        _, token = self.tokens.get(token_id or "", ("", None))
        if token_id is not None and (token is None or not token.is_live(self.clock())):
            raise UnauthenticatedError(reason="its token was revoked, or expired, while the file was sent")

    def check_queued(self, requested_by: str, *, for_prebuild: bool) -> None:
        """Raise TooMuchOpenError if a requester may have no further build in the queue."""
        queued = [
            record
            for record in self.records.values()
            if record.build.status is Status.QUEUED and record.queued_for == requested_by
        ]
        self.limits.check_builds(len(queued) + 1, for_prebuild=for_prebuild)

    def next_turn(self, lane: Lane, priority: Priority, requested_by: str) -> int:
        """Return a requester's next turn: after its queued builds, and never before the present turn."""
        waiting = [record for record in self.records.values() if record.is_waiting(lane, priority)]
        present = min((record.turn for record in waiting if record.is_claimable), default=0)
        own = max((record.turn + 1 for record in waiting if record.queued_for == requested_by), default=0)
        return max(present, own)

    def add(self, order: BuildOrder, *, requested_by: str, priority: Priority) -> Build:
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
            priority=priority,
        )
        turn = self.next_turn(order.lane, priority, requested_by)
        self.records[build.id] = BuildRecord(
            build=build, sequence=next(self._numbers), queued_for=requested_by, turn=turn, counts=self.counts
        )
        return build

    def withdraw(self, prebuild_id: str, build_ids: Collection[str], wanted: Collection[Status]) -> list[Build]:
        """Withdraw a prebuild's requests for builds; return those of a status that have no subscriber now."""
        self.requests = [
            replace(one, withdrawn=True) if one.prebuild_id == prebuild_id and one.build_id in build_ids else one
            for one in self.requests
        ]
        builds = (self.records[build_id].build for build_id in build_ids if build_id in self.records)
        return [build for build in builds if build.status in wanted and not self.is_wanted(build.id)]

    def withdraw_requests(self, build_id: str, *, by: str | None = None) -> bool:
        """Withdraw one caller's requests for a build, or all; return whether there were any."""
        leaving = [one for one in self.requests if one.build_id == build_id and by in {None, one.requested_by}]
        self.requests = [replace(one, withdrawn=True) if one in leaving else one for one in self.requests]
        return any(not one.withdrawn for one in leaving)

    def want_again(self, build_id: str, by: str, trace: Trace) -> None:
        """Record that a caller who has retried a build wants it."""
        own = [one for one in self.requests if (one.build_id, one.requested_by) == (build_id, by)]
        if own:
            self.requests = [replace(one, withdrawn=False) if one in own else one for one in self.requests]
            return
        build = self.find(build_id).build
        request = RequestRecord(
            build_id=build_id, requirement=build.order.requirement, requested_by=by, joined=True, trace=trace
        )
        self.requests.append(request)
        self.counts.append(count_of_request(joined=True, status=build.status))

    def is_wanted(self, build_id: str) -> bool:
        """Return whether a build has a subscriber, or another build waits for it."""
        awaited = (one.build_id for record in self.records.values() for one in record.build.waits_for)
        return any(one.build_id == build_id and not one.withdrawn for one in self.requests) or build_id in awaited

    def put_webhook(self, prebuild_id: str, webhook: Webhook | None) -> None:
        """Put the webhook of a prebuild's end into the outbox, if one was requested."""
        if webhook is not None and prebuild_id not in self.webhooks:
            due = replace(webhook, state=WebhookState.DUE)
            self.webhooks[prebuild_id] = WebhookRecord(webhook=due, due_at=self.clock())

    def record_wheel(self, entry: IndexEntry) -> None:
        """Record what was published; raise IndexConflictError if its name has stood for other bytes."""
        former = self.wheels.get(entry.wheel.filename)
        if former is not None and former.wheel.sha256 != entry.wheel.sha256:
            held, ours = former.wheel.sha256, entry.wheel.sha256
            raise IndexConflictError(filename=entry.wheel.filename, held=held, ours=ours)
        if former is not None:
            wheel = former.wheel
            stays = wheel.deleted_at is None and wheel.level is Level.PROD
            times = {"uploaded_at": wheel.uploaded_at, "level": Level.PROD if stays else entry.wheel.level}
            if entry.contents is None:
                entry = replace(
                    entry, contents=former.contents, wheel=replace(entry.wheel, file_count=wheel.file_count)
                )
            if entry.provenance is None:
                signed = replace(entry.wheel, provenance_sha256=wheel.provenance_sha256)
                entry = replace(entry, provenance=former.provenance, wheel=signed)
            yanked = {"yanked_at": wheel.yanked_at, "yanked_reason": wheel.yanked_reason}
            # What was built here stays ours, even if upstream has the same bytes.
            made = {"origin": wheel.origin, "build_id": entry.wheel.build_id or wheel.build_id} if wheel.is_own else {}
            entry = replace(entry, wheel=replace(entry.wheel, **times, **yanked, **made))  # type: ignore[arg-type]
        elif entry.wheel.is_wheel:
            self.counts.append(count_of_wheel(entry.wheel.origin))
        self.put_wheel(entry)

    def put_wheel(self, entry: IndexEntry) -> None:
        """Replace the record of a wheel, and give its project's page the next serial."""
        self.wheels[entry.wheel.filename] = entry
        self.index_serials[entry.wheel.project] = max(self.index_serials.values(), default=0) + 1

    def notify(self, topic: str) -> None:
        """Wake up the watchers of a build (its id is the topic)."""
        for event in self._waiting.get(topic, ()):
            event.set()

    @contextlib.asynccontextmanager
    async def watch(self, build_id: str) -> AsyncIterator[AsyncIterator[None]]:
        """Return an iterator that yields at once, then at each change of the build, and at least every second."""
        async with self.event(build_id) as event:
            yield _wake_ups(event)

    @contextlib.asynccontextmanager
    async def event(self, topic: str) -> AsyncIterator[asyncio.Event]:
        """Return an event that is set at each notification of the topic."""
        event = asyncio.Event()
        self._waiting[topic].add(event)
        try:
            yield event
        finally:
            self._waiting[topic].discard(event)
            if not self._waiting[topic]:
                del self._waiting[topic]


async def _wake_ups(event: asyncio.Event) -> AsyncIterator[None]:
    while True:
        event.clear()
        yield
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), _POLL_SECONDS)
