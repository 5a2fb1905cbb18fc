"""API tokens in memory: the twin of the PostgreSQL store. Must not see secrets, only their digests."""

from dataclasses import replace
from datetime import datetime

from wheelyard.adapters.memory_state import MemoryState
from wheelyard.domain.ledger import Token
from wheelyard.errors import NotFoundError


class MemoryTokens:
    """The TokenStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def create(self, *, name: str, secret_digest: str, expires_at: datetime | None) -> Token:
        """Record a token."""
        token = Token(id=str(self._state.new_id()), name=name, created_at=self._state.clock(), expires_at=expires_at)
        self._state.tokens[token.id] = (secret_digest, token)
        return token

    async def find(self, secret_digest: str) -> Token | None:
        """Find a live token and note its use."""
        for digest, token in self._state.tokens.values():
            if digest == secret_digest and _is_live(token, self._state.clock()):
                return self._replace(replace(token, last_used_at=self._state.clock()))
        return None

    async def list_tokens(self) -> tuple[Token, ...]:
        """List every token, newest first."""
        return tuple(token for _, token in reversed(self._state.tokens.values()))

    async def revoke(self, token_id: str) -> Token:
        """End a token; ending it twice is no error."""
        if token_id not in self._state.tokens:
            raise NotFoundError(kind="token", name=token_id)
        _, token = self._state.tokens[token_id]
        return self._replace(replace(token, revoked_at=token.revoked_at or self._state.clock()))

    def _replace(self, token: Token) -> Token:
        digest, _ = self._state.tokens[token.id]
        self._state.tokens[token.id] = (digest, token)
        return token


def _is_live(token: Token, now: datetime) -> bool:
    return token.revoked_at is None and (token.expires_at is None or token.expires_at > now)
