"""Sessions of signed-in people in memory: the twin of the PostgreSQL ones."""

from dataclasses import replace
from datetime import datetime

from tests.fakes.access import is_live
from tests.fakes.records import MemoryState

from wheelyard.domain.access import MOST_SESSIONS, Action, Change
from wheelyard.domain.builds.records import Token


class MemorySessions:
    """The SessionStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def open(self, secret_digest: str, *, token: Token, expires_at: datetime) -> None:
        """Record a session."""
        sessions = self._state.sessions
        sessions[secret_digest] = (token.id, expires_at)
        own = sorted(
            (digest for digest in sessions if sessions[digest][0] == token.id), key=lambda one: sessions[one][1]
        )
        for digest in own[:-MOST_SESSIONS]:
            del sessions[digest]
        self._state.record_change(Change(actor=token.actor, action=Action.SESSION_OPENED, object=token.id))

    async def find(self, secret_digest: str) -> Token | None:
        """Find the live token of a live session and note its use."""
        token_id, expires_at = self._state.sessions.get(secret_digest, ("", self._state.clock()))
        digest, token = self._state.tokens.get(token_id, ("", None))
        if token is None or expires_at <= self._state.clock() or not is_live(token, self._state.clock()):
            return None
        used = replace(token, last_used_at=self._state.clock())
        self._state.tokens[token.id] = (digest, used)
        return used

    async def close(self, secret_digest: str) -> None:
        """End a session."""
        token_id, _ = self._state.sessions.pop(secret_digest, ("", None))
        if token_id:
            _, token = self._state.tokens[token_id]
            self._state.record_change(Change(actor=token.actor, action=Action.SESSION_CLOSED, object=token.id))
