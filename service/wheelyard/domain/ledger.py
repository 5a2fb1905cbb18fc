"""Values that pass between the use cases and the stores: submissions, claims, outcomes, log parts, tokens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wheelyard.domain.build import Build, BuildOrder, BuildSummary, Failure, StageTiming, Status, Wheel

MAX_PAGE_SIZE: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """The build that a request led to."""

    build: Build
    joined: bool
    """True if an equal build was there already, queued, running or succeeded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildFilter:
    """Which builds a list shows, newest first."""

    project: str | None = None
    status: Status | None = None
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
class Claim:
    """A worker's right to run one attempt; ``attempt`` is the fencing token of every later write."""

    build_id: str
    attempt: int
    worker: str
    order: BuildOrder


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How an attempt ended: exactly one of a wheel, a failure, or neither when it was cancelled."""

    status: Status
    timings: tuple[StageTiming, ...] = ()
    wheel: Wheel | None = None
    failure: Failure | None = None
    log_truncated: bool = False


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
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
