"""Access: scopes, limits and sessions of tokens, and entries of the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from wheelyard.errors import TooMuchOpenError

MAX_AUDIT_ENTRIES: Final = 500
MOST_SESSIONS: Final = 50
"""The maximum per token; a further sign-in ends the session that would expire first."""


class Scope(StrEnum):
    """What a token allows; each scope includes those before it."""

    READ = "read"
    """View builds, logs, targets and builders."""
    REQUEST = "request"
    """Request wheels, and cancel requests made with the same token."""
    PUBLISH = "publish"
    """Upload files of the projects that the token names."""
    OPERATE = "operate"
    """Yank, promote and delete wheels, check the index, change recipes, and cancel requests of others."""
    ADMIN = "admin"
    """Create and revoke tokens, and read the audit log."""

    def allows(self, needed: "Scope") -> bool:
        """Return whether this scope includes the needed one."""
        ladder = list(Scope)
        return ladder.index(self) >= ladder.index(needed)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLimits:
    """Limits of one token's unfinished work; 0 is no limit."""

    requests: int = 0
    """Unfinished requests for applications."""
    items: int = 0
    """Unfinished items of these requests."""
    builds: int = 0
    """Builds in the queue."""

    def check_requests(self, requests: int, items: int) -> None:
        """Raise TooMuchOpenError if these are too many, the new one included."""
        _check("open requests", requests, self.requests, "WHEELYARD_OPEN_REQUESTS_PER_TOKEN")
        _check("unfinished items of requests", items, self.items, "WHEELYARD_OPEN_ITEMS_PER_TOKEN")

    def check_builds(self, builds: int, *, for_prebuild: bool) -> None:
        """Raise TooMuchOpenError if these are too many, the new one included.

        Prebuilds may only use three quarters, so that a single wheel can still be requested beside a large one.
        """
        limit = max(1, self.builds * 3 // 4) if for_prebuild and self.builds else self.builds
        _check("builds in the queue", builds, limit, "WHEELYARD_QUEUED_BUILDS_PER_TOKEN")


NO_LIMITS: Final = OpenLimits()


def _check(what: str, count: int, limit: int, setting: str) -> None:
    if limit and count > limit:
        raise TooMuchOpenError(what=what, limit=limit, setting=setting)


class Action(StrEnum):
    """The actions in the audit log, as OBJECT.VERB."""

    BUILD_REQUESTED = "build.requested"
    BUILD_CANCELLED = "build.cancelled"
    BUILD_LEFT = "build.left"
    """A requester no longer wants the build, which continues for others."""
    BUILD_RETRIED = "build.retried"
    PREBUILD_REQUESTED = "request.made"
    PREBUILD_CANCELLED = "request.cancelled"
    TOKEN_CREATED = "token.created"  # noqa: S105 - the name of an action
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - the name of an action
    FILE_UPLOADED = "file.uploaded"
    WHEEL_YANKED = "wheel.yanked"
    WHEEL_UNYANKED = "wheel.unyanked"
    WHEEL_PROMOTED = "wheel.promoted"
    WHEEL_DELETED = "wheel.deleted"
    WHEEL_MENDED = "wheel.mended"
    RECIPE_SAVED = "recipe.saved"
    RECIPE_ADOPTED = "recipe.adopted"
    RECIPE_REMOVED = "recipe.removed"
    BACKUP_RESTORED = "backup.restored"
    SESSION_OPENED = "session.opened"
    SESSION_CLOSED = "session.closed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """An action to be written into the audit log."""

    actor: str
    """A token by name and id, or a user of the host."""
    action: str
    """One of ``Action``, or an action of another part."""
    object: str
    """The id of the object of the action."""
    details: Mapping[str, str] = field(default_factory=dict)
    """Further facts; never a secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """An entry of the audit log."""

    id: int
    at: datetime
    change: Change


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """Which entries a list shows, newest first."""

    object: str | None = None
    actor: str | None = None
    before: int | None = None
    """Show entries before this one (keyset paging)."""
    limit: int = 50
