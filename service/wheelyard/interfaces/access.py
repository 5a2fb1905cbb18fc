"""Tokens, sessions and the audit log. Must not import what implements it."""

from datetime import datetime
from typing import Protocol

from wheelyard.domain.access import AuditEntry, AuditFilter, Change, Scope
from wheelyard.domain.builds.records import Token


class TokenStore(Protocol):
    """API tokens, and sessions of people who signed in with one; only a digest of each secret is kept.

    Changes are in the audit log, in the same transaction.
    """

    async def create(
        self, *, name: str, scope: Scope, secret_digest: str, expires_at: datetime | None, created_by: str
    ) -> Token:
        """Record a token."""
        ...

    async def find(self, secret_digest: str) -> Token | None:
        """Find the live token with this digest and note its use; None if it is unknown, expired or revoked."""
        ...

    async def list_tokens(self) -> tuple[Token, ...]:
        """List every token, newest first."""
        ...

    async def revoke(self, token_id: str, *, revoked_by: str) -> Token:
        """End a token and its sessions; raises NotFoundError."""
        ...

    async def open_session(self, secret_digest: str, *, token: Token, expires_at: datetime) -> None:
        """Record a session of a token; of more than ``MOST_SESSIONS``, the one that would end first is over."""
        ...

    async def find_session(self, secret_digest: str) -> Token | None:
        """Find the session's token and note its use; None if the session or the token is unknown or over."""
        ...

    async def close_session(self, secret_digest: str) -> None:
        """End a session; one that is not there is no error."""
        ...


class AuditStore(Protocol):
    """Who changed what, and when. Stores that change something write it here in the same transaction."""

    async def record(self, change: Change) -> None:
        """Write down a change that no store makes by itself."""
        ...

    async def list_entries(self, wanted: AuditFilter) -> tuple[AuditEntry, ...]:
        """List entries, newest first."""
        ...
