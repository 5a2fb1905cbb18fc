"""Tokens, sessions and the audit log."""

from datetime import datetime
from typing import Protocol

from wheelyard.domain.access import AuditEntry, AuditFilter, Change, Scope
from wheelyard.domain.builds.records import Token


class TokenStore(Protocol):
    """API tokens, and sessions of people who signed in with one; only a digest of each secret is stored.

    Changes are in the audit log, in the same transaction.
    """

    async def create(  # noqa: PLR0913  (the facts of a token)
        self,
        *,
        name: str,
        scope: Scope,
        publishes: tuple[str, ...],
        secret_digest: str,
        expires_at: datetime | None,
        created_by: str,
    ) -> Token:
        """Store a token."""
        ...

    async def find(self, secret_digest: str) -> Token | None:
        """Return the live token with this digest and note its use; None if it is unknown, expired or revoked."""
        ...

    async def list_tokens(self) -> tuple[Token, ...]:
        """Return every token, newest first."""
        ...

    async def revoke(self, token_id: str, *, revoked_by: str) -> Token:
        """Revoke a token and its sessions; raise NotFoundError."""
        ...

    async def open_session(self, secret_digest: str, *, token: Token, expires_at: datetime) -> None:
        """Store a session of a token; beyond ``MOST_SESSIONS``, the session that would end first is closed."""
        ...

    async def find_session(self, secret_digest: str) -> Token | None:
        """Return the session's token and note its use; None if the session or the token is unknown or over."""
        ...

    async def close_session(self, secret_digest: str) -> None:
        """Close a session; a session that does not exist is no error."""
        ...


class AuditStore(Protocol):
    """Who changed what, and when. Stores that change something write it here in the same transaction."""

    async def record(self, change: Change) -> None:
        """Record a change that no store makes by itself."""
        ...

    async def list_entries(self, wanted: AuditFilter) -> tuple[AuditEntry, ...]:
        """Return entries, newest first."""
        ...
