"""Values that pass between the use cases and the stores: submissions, claims, outcomes, log parts, tokens."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from wheelyard.domain.access import Scope, covers
from wheelyard.domain.builds.build import (
    Build,
    BuildOrder,
    BuildSummary,
    Failure,
    MissingRelease,
    StageTiming,
    Status,
    Wheel,
)
from wheelyard.domain.healing.healing import Healing
from wheelyard.domain.index.index import PublishedFile
from wheelyard.domain.trace import NO_TRACE, Trace

MAX_PAGE_SIZE: Final = 200
MAX_RETRIES: Final = 100
"""The maximum number of builds that one call retries."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """The build of a request."""

    build: Build
    joined: bool
    """True if an equal build existed already: queued, running or succeeded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IdRange:
    """The range of ids (UUIDs) with the same beginning."""

    first: str
    last: str

    @classmethod
    def of(cls, beginning: str) -> Self:
        """Return the range of a beginning: hexadecimal digits, with or without dashes; raise ValueError."""
        digits = beginning.replace("-", "")
        first, last = uuid.UUID(f"{digits:0<32}"), uuid.UUID(f"{digits:f<32}")
        return cls(first=str(first), last=str(last))

    def __contains__(self, id_: str) -> bool:
        return self.first <= id_ <= self.last


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildFilter:
    """Which builds a list shows, newest first."""

    project: str | None = None
    status: Status | None = None
    ids: IdRange | None = None
    """Show only builds whose ids are in this range."""
    failure_code: str | None = None
    """Show only builds that failed with this code."""
    python: str | None = None
    platform: str | None = None
    requested_by: str | None = None
    """Show only builds of this requester: a token's name, or the name with the token's id as records have it."""
    is_newest: bool = False
    """Show only the newest build of each release and target."""
    before: str | None = None
    """Show builds created before this build id (keyset paging)."""
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildPage:
    """One page of a list."""

    builds: tuple[BuildSummary, ...]
    next_before: str | None
    """The ``before`` of the next page; None on the last page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetriedBuilds:
    """The result of a retry of many builds."""

    submissions: tuple[Submission, ...]
    has_more: bool
    """True if more builds fit than were retried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A worker's right to run one attempt; ``attempt`` is the fencing token of every later write."""

    build_id: str
    attempt: int
    worker: str
    order: BuildOrder
    tries: int = 1
    """The number of this attempt among those that count; attempts that were handed back do not."""
    trace: Trace = NO_TRACE
    """The request that the build was queued for."""
    alone: bool = False
    """True if it must run alone: a worker died with it, and a second death would show that it is the cause."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How an attempt ended: exactly one of a wheel, a failure, or neither when it was cancelled."""

    status: Status
    """The build's new status; ``queued`` for a retry (``failed`` after the last attempt)."""
    timings: tuple[StageTiming, ...] = ()
    wheel: Wheel | None = None
    published: PublishedFile | None = None
    """The wheel's file on the index, once it was read back."""
    provenance: bytes | None = None
    """PEP 740's provenance object of the published wheel, signed before it is listed."""
    failure: Failure | None = None
    log_truncated: bool = False
    healing: Healing | None = None
    """How the attempt healed itself; None if nothing was added or tried again."""
    order: BuildOrder | None = None
    """The order of a commit, once its sdist is made: with the version and the sdist that it has."""
    wait_seconds: float = 0.0
    """Seconds before a retry."""
    counts: bool = True
    """False if the worker handed the attempt back in an orderly way: then it does not count."""

    needs: tuple[MissingRelease, ...] = ()
    """Releases that must be built before the retry; the build is ``queued`` and waits for them."""

    @property
    def attempt_status(self) -> Status:
        """Return the attempt's status."""
        if self.status is not Status.QUEUED:
            return self.status
        return Status.FAILED if self.counts else Status.CANCELLED


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """The answer to a heartbeat."""

    holds_lease: bool
    cancel_requested: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPart:
    """A part of an attempt's log, cut anywhere."""

    attempt: int
    """The attempt that it belongs to; 0 before the first attempt."""
    offset: int
    """Its start, in bytes from the beginning of the log."""
    data: bytes
    finished: bool
    """True if the attempt has ended and ``data`` reaches the end of its log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """An API token without its secret."""

    id: str
    name: str
    scope: Scope
    publishes: tuple[str, ...] = ()
    """The projects of a token with the scope ``publish``: normalised names, or prefixes such as ``acme-*``."""
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def actor(self) -> str:
        """Return its name for records, with its id, because names are not unique."""
        return f"{self.name} ({self.id[:8]})"

    def is_live(self, now: datetime) -> bool:
        """Return whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)

    def may_publish(self, project: str) -> bool:
        """Return whether it allows uploads of this project; an operator's token allows all."""
        if self.scope is Scope.PUBLISH:
            return any(covers(pattern, project) for pattern in self.publishes)
        return self.scope.allows(Scope.PUBLISH)
