"""Who may do what, and what was done: scopes, sessions and entries of the audit log. Must not check a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from wheelyard.errors import TooMuchOpenError

MAX_AUDIT_ENTRIES: Final = 500
MOST_SESSIONS: Final = 50
"""Of one token; a further sign-in ends the one that would end first."""


class Scope(StrEnum):
    """What a token opens; each scope includes those before it."""

    READ = "read"
    """Look at builds, logs, targets and builders."""
    REQUEST = "request"
    """Ask for wheels, and cancel what was asked for with the same token."""
    OPERATE = "operate"
    """Yank, promote and delete wheels, check the index, and cancel what others have asked for."""
    ADMIN = "admin"
    """Make and end tokens, and read the audit log."""

    def allows(self, needed: "Scope") -> bool:
        """Tell whether whoever has this scope may do what needs the other."""
        ladder = list(Scope)
        return ladder.index(self) >= ladder.index(needed)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLimits:
    """How much unfinished work one token may have; 0 is no limit."""

    requests: int = 0
    """Requests for applications that are not over."""
    items: int = 0
    """Items of these that are not over."""
    builds: int = 0
    """Builds in the queue."""

    def check_requests(self, requests: int, items: int) -> None:
        """Raise TooMuchOpenError if these are too many, the new one included."""
        _check("open requests", requests, self.requests, "WHEELYARD_OPEN_REQUESTS_PER_TOKEN")
        _check("unfinished items of requests", items, self.items, "WHEELYARD_OPEN_ITEMS_PER_TOKEN")

    def check_builds(self, builds: int, *, for_prebuild: bool) -> None:
        """Raise TooMuchOpenError if these are too many, the new one included.

        Prebuilds leave a quarter, so that somebody who has ordered a large one can still ask for a single wheel.
        """
        limit = max(1, self.builds * 3 // 4) if for_prebuild and self.builds else self.builds
        _check("builds in the queue", builds, limit, "WHEELYARD_QUEUED_BUILDS_PER_TOKEN")


NO_LIMITS: Final = OpenLimits()


def _check(what: str, count: int, limit: int, setting: str) -> None:
    if limit and count > limit:
        raise TooMuchOpenError(what=what, limit=limit, setting=setting)


class Action(StrEnum):
    """What the audit log knows to have been done, as OBJECT.VERB."""

    BUILD_REQUESTED = "build.requested"
    BUILD_CANCELLED = "build.cancelled"
    BUILD_LEFT = "build.left"
    """Somebody wants it no longer; it goes on for others."""
    BUILD_RETRIED = "build.retried"
    PREBUILD_REQUESTED = "request.made"
    PREBUILD_CANCELLED = "request.cancelled"
    TOKEN_CREATED = "token.created"  # noqa: S105 - the name of an action
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - the name of an action
    WHEEL_YANKED = "wheel.yanked"
    WHEEL_UNYANKED = "wheel.unyanked"
    WHEEL_PROMOTED = "wheel.promoted"
    WHEEL_DELETED = "wheel.deleted"
    WHEEL_MENDED = "wheel.mended"
    BACKUP_RESTORED = "backup.restored"
    SESSION_OPENED = "session.opened"
    SESSION_CLOSED = "session.closed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Something that somebody did, before it is written down."""

    actor: str
    """Who did it: a token by name and id, or a user of the host."""
    action: str
    """One of ``Action``, or an action of a part that has its own."""
    object: str
    """The id of what it was done to."""
    details: Mapping[str, str] = field(default_factory=dict)
    """What else is worth knowing; never a secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """A change as the audit log has it."""

    id: int
    at: datetime
    change: Change


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """Which entries a list shows, newest first."""

    object: str | None = None
    actor: str | None = None
    before: int | None = None
    """Show what was written before this entry (keyset paging)."""
    limit: int = 50
