"""Access: scopes, limits and sessions of tokens, and entries of the audit log."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from packaging.utils import canonicalize_name

from wheelyard.errors import InvalidRequestError, TooMuchOpenError

MAX_AUDIT_ENTRIES: Final = 500
MOST_SESSIONS: Final = 50
"""The maximum per token; a further sign-in ends the session that would expire first."""
MOST_PUBLISHED: Final = 100
"""The maximum of names and prefixes of one token."""
LONGEST_PUBLISHED: Final = 200
"""The maximum length of each, in characters."""


class Scope(StrEnum):
    """What a token allows."""

    READ = "read"
    """View builds, logs, targets and builders."""
    PUBLISH = "publish"
    """Upload wheels and sdists of the token's own projects."""
    REQUEST = "request"
    """Request wheels, and cancel requests made with the same token."""
    OPERATE = "operate"
    """Yank, promote and delete wheels, check the index, change recipes, and cancel requests of others."""
    ADMIN = "admin"
    """Create and revoke tokens, and read the audit log."""

    def allows(self, needed: "Scope") -> bool:
        """Return whether this scope is the needed one, or includes it."""
        return needed is self or needed in _INCLUDED[self]


# A CI job that only uploads must not be able to start builds, and a token that requests wheels must not bring any. So
# neither of these two scopes includes the other.
_INCLUDED: Final[Mapping[Scope, frozenset[Scope]]] = {
    Scope.READ: frozenset(),
    Scope.PUBLISH: frozenset({Scope.READ}),
    Scope.REQUEST: frozenset({Scope.READ}),
    Scope.OPERATE: frozenset({Scope.READ, Scope.PUBLISH, Scope.REQUEST}),
    Scope.ADMIN: frozenset(Scope),
}

_PUBLISHED: Final = re.compile(r"\*|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?([._-]+\*)?")


def read_publishes(scope: Scope, patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the names and prefixes of a new token, normalised (PEP 503) and without duplicates.

    A prefix is a project name, a hyphen and ``*``, because a namespace ends at a hyphen (PEP 752): ``acme-*`` covers
    ``acme-tools``, but neither ``acme`` nor ``acmetools``. ``*`` covers every project.

    Raise InvalidRequestError if one is malformed, if there are too many, or if the scope needs some or must have none.
    """
    if problems := _problems_of(scope, patterns):
        raise InvalidRequestError(problems=problems)
    return tuple(dict.fromkeys(map(canonicalize_name, patterns)))


def _problems_of(scope: Scope, patterns: Sequence[str]) -> list[str]:
    if scope is not Scope.PUBLISH:
        return [f"only a token with the scope 'publish' has projects, not one with {scope.value!r}"] if patterns else []
    if not patterns:
        return ["the scope 'publish' needs a project name or a prefix such as 'acme-*'; '*' covers every project"]
    if len(patterns) > MOST_PUBLISHED:
        return [f"a token can have at most {MOST_PUBLISHED} project names and prefixes"]
    malformed = [text for text in patterns if len(text) > LONGEST_PUBLISHED or not _PUBLISHED.fullmatch(text)]
    return [
        f"{text[:LONGEST_PUBLISHED]!r} is no project name, no prefix such as 'acme-*', and not '*'"
        for text in malformed
    ]


def covers(pattern: str, project: str) -> bool:
    """Return whether a normalised name or prefix covers a project."""
    name = canonicalize_name(project)
    return name.startswith(pattern.removesuffix("*")) if pattern.endswith("*") else name == pattern


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLimits:
    """Limits of one token's unfinished work; 0 is no limit."""

    requests: int = 0
    """Unfinished requests for applications."""
    items: int = 0
    """Unfinished items of these requests."""
    builds: int = 0
    """Builds in the queue."""
    upload_bytes: int = 0
    """Bytes of uploads that wait for the end of their test."""

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

    def check_upload_bytes(self, size: int) -> None:
        """Raise TooMuchOpenError if this is too much, the new upload included."""
        _check("bytes of uploads in their test", size, self.upload_bytes, "WHEELYARD_OPEN_UPLOAD_BYTES_PER_TOKEN")


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
    PROJECT_DISOWNED = "project.disowned"
    """A name that sdists had made the organisation's own may be asked of upstream again."""
    WHEEL_YANKED = "wheel.yanked"
    WHEEL_UNYANKED = "wheel.unyanked"
    WHEEL_PROMOTED = "wheel.promoted"
    WHEEL_DELETED = "wheel.deleted"
    WHEEL_MENDED = "wheel.mended"
    RECIPE_SAVED = "recipe.saved"
    RECIPE_ADOPTED = "recipe.adopted"
    RECIPE_REMOVED = "recipe.removed"
    CERTIFICATE_REVOKED = "certificate.revoked"
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
