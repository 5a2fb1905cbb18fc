"""Values that pass between the use cases and the stores: submissions, claims, outcomes, log parts, tokens."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from wheelyard.domain.access import Scope
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
from wheelyard.domain.index.index import PublishedFile
from wheelyard.domain.trace import NO_TRACE, Trace

MAX_PAGE_SIZE: Final = 200
MAX_RETRIES: Final = 100
"""As many builds as one request puts back into the queue."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """The build that a request led to."""

    build: Build
    joined: bool
    """True if an equal build was there already, queued, running or succeeded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IdRange:
    """All ids (UUIDs) that begin alike."""

    first: str
    last: str

    @classmethod
    def of(cls, beginning: str) -> Self:
        """Return the ids with a beginning: hexadecimal digits, with or without dashes; raise ValueError."""
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
    """Show only builds whose ids lie here."""
    failure_code: str | None = None
    """Show only builds that failed with this code."""
    python: str | None = None
    platform: str | None = None
    requested_by: str | None = None
    """Show only what this requester asked for: a token's name, or a name with the token's id as records have it."""
    is_newest: bool = False
    """Show of each release and target no build but the newest."""
    before: str | None = None
    """Show what was created before this build id (keyset paging)."""
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildPage:
    """One page of a list."""

    builds: tuple[BuildSummary, ...]
    next_before: str | None
    """Give this as ``before`` for the next page; None on the last one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetriedBuilds:
    """What became of retrying many builds."""

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
    """Which of the attempts that count this is; those that were handed back do not."""
    trace: Trace = NO_TRACE
    """The request that the build was queued for."""
    alone: bool = False
    """True if nothing may run beside it: a worker has died with it, and the next one's death is to say whose fault."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How an attempt ended: exactly one of a wheel, a failure, or neither when it was cancelled."""

    status: Status
    """What becomes of the build; ``queued`` if it is to be tried again (after the last try it is ``failed``)."""
    timings: tuple[StageTiming, ...] = ()
    wheel: Wheel | None = None
    published: PublishedFile | None = None
    """What the index holds of the wheel, once that was seen."""
    failure: Failure | None = None
    log_truncated: bool = False
    wait_seconds: float = 0.0
    """How long a build that is to be tried again waits."""
    counts: bool = True
    """False if the attempt is not to count towards the build's allowed ones: it was handed back in good order."""

    needs: tuple[MissingRelease, ...] = ()
    """Releases without a wheel that have to be built before it is tried again; it is ``queued`` then, and waits."""

    @property
    def attempt_status(self) -> Status:
        """What becomes of the attempt."""
        if self.status is not Status.QUEUED:
            return self.status
        return Status.FAILED if self.counts else Status.CANCELLED


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """What a heartbeat learned."""

    holds_lease: bool
    cancel_requested: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPart:
    """A piece of an attempt's log, cut at no particular place."""

    attempt: int
    """The attempt that it belongs to; 0 if there has been none yet."""
    offset: int
    """Where the piece starts, in bytes from the log's beginning."""
    data: bytes
    finished: bool
    """True if the attempt has ended and ``data`` reaches its log's end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """An API token as it is listed: never its secret."""

    id: str
    name: str
    scope: Scope
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def actor(self) -> str:
        """Name whoever uses it in records; names alone may be given twice."""
        return f"{self.name} ({self.id[:8]})"
