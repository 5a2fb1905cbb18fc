"""API tokens in memory: the fake of the PostgreSQL store. It gets digests, never secrets."""

import hmac
from dataclasses import replace
from datetime import datetime

from tests.fakes.records import MemoryState

from wheelyard.domain.access import MAX_AUDIT_ENTRIES, MOST_SESSIONS, Action, AuditEntry, AuditFilter, Change, Scope
from wheelyard.domain.builds.audit_entries import creation_of, revocation_of
from wheelyard.domain.builds.records import Token
from wheelyard.errors import NotFoundError


class MemoryTokens:
    """The TokenStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

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
        state = self._state
        now = state.clock()
        new_id = str(state.new_id())
        token = Token(id=new_id, name=name, scope=scope, publishes=publishes, created_at=now, expires_at=expires_at)
        state.tokens[token.id] = (secret_digest, token)
        state.record_change(creation_of(token, created_by))
        return token

    async def find(self, secret_digest: str) -> Token | None:
        """Return a live token and note its use."""
        for digest, token in self._state.tokens.values():
            if hmac.compare_digest(digest, secret_digest) and token.is_live(self._state.clock()):
                return self._replace(replace(token, last_used_at=self._state.clock()))
        return None

    async def list_tokens(self) -> tuple[Token, ...]:
        """Return every token, newest first."""
        return tuple(token for _, token in reversed(self._state.tokens.values()))

    async def revoke(self, token_id: str, *, revoked_by: str) -> Token:
        """Revoke a token; revoking it twice is no error, and changes nothing."""
        if token_id not in self._state.tokens:
            raise NotFoundError(kind="token", name=token_id)
        _, token = self._state.tokens[token_id]
        if token.revoked_at is not None:
            return token
        self._state.record_change(revocation_of(token, revoked_by))
        return self._replace(replace(token, revoked_at=self._state.clock()))

    async def open_session(self, secret_digest: str, *, token: Token, expires_at: datetime) -> None:
        """Store a session."""
        sessions = self._state.sessions
        sessions[secret_digest] = (token.id, expires_at)
        own = sorted(
            (digest for digest in sessions if sessions[digest][0] == token.id), key=lambda one: sessions[one][1]
        )
        for digest in own[:-MOST_SESSIONS]:
            del sessions[digest]
        self._state.record_change(Change(actor=token.actor, action=Action.SESSION_OPENED, object=token.id))

    async def find_session(self, secret_digest: str) -> Token | None:
        """Return the live token of a live session and note its use."""
        token_id, expires_at = self._state.sessions.get(secret_digest, ("", self._state.clock()))
        digest, token = self._state.tokens.get(token_id, ("", None))
        if token is None or expires_at <= self._state.clock() or not token.is_live(self._state.clock()):
            return None
        used = replace(token, last_used_at=self._state.clock())
        self._state.tokens[token.id] = (digest, used)
        return used

    async def close_session(self, secret_digest: str) -> None:
        """Close a session."""
        token_id, _ = self._state.sessions.pop(secret_digest, ("", None))
        if token_id:
            _, token = self._state.tokens[token_id]
            self._state.record_change(Change(actor=token.actor, action=Action.SESSION_CLOSED, object=token.id))

    def _replace(self, token: Token) -> Token:
        digest, _ = self._state.tokens[token.id]
        self._state.tokens[token.id] = (digest, token)
        return token


class MemoryAudit:
    """The AuditStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def record(self, change: Change) -> None:
        """Record a change."""
        self._state.record_change(change)

    async def list_entries(self, wanted: AuditFilter) -> tuple[AuditEntry, ...]:
        """Return entries, newest first."""
        fitting = [entry for entry in reversed(self._state.audit) if _fits(entry, wanted)]
        return tuple(fitting[: min(wanted.limit, MAX_AUDIT_ENTRIES)])


def _fits(entry: AuditEntry, wanted: AuditFilter) -> bool:
    return (
        wanted.object in {None, entry.change.object}
        and wanted.actor in {None, entry.change.actor}
        and (wanted.before is None or entry.id < wanted.before)
    )
