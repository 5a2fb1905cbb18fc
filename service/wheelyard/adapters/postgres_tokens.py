"""API tokens in PostgreSQL. Must not see secrets, only their digests."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Final

from wheelyard.adapters.database import Database
from wheelyard.adapters.records import token_of
from wheelyard.domain.ledger import Token
from wheelyard.errors import DatabaseUnavailableError, NotFoundError

_CREATE: Final = """
insert into tokens (id, name, secret_digest, expires_at) values (%(id)s, %(name)s, %(digest)s, %(expires_at)s)
returning *
"""
_FIND: Final = """
update tokens set last_used_at = now() where secret_digest = %(digest)s and revoked_at is null
and (expires_at is null or expires_at > now()) returning *
"""
_LIST: Final = "select * from tokens order by created_at desc, id"
_REVOKE: Final = "update tokens set revoked_at = coalesce(revoked_at, now()) where id = %(id)s returning *"


class PostgresTokens:
    """The TokenStore on PostgreSQL."""

    def __init__(self, database: Database, *, new_id: Callable[[], uuid.UUID] = uuid.uuid4) -> None:
        self._database = database
        self._new_id = new_id

    async def create(self, *, name: str, secret_digest: str, expires_at: datetime | None) -> Token:
        """Record a token."""
        values = {"id": self._new_id(), "name": name, "digest": secret_digest, "expires_at": expires_at}
        row = await self._database.fetch_one(_CREATE, values)
        if row is None:
            raise DatabaseUnavailableError(reason="it returned no row for a new token")
        return token_of(row)

    async def find(self, secret_digest: str) -> Token | None:
        """Find a live token and note its use."""
        row = await self._database.fetch_one(_FIND, {"digest": secret_digest})
        return None if row is None else token_of(row)

    async def list_tokens(self) -> tuple[Token, ...]:
        """List every token, newest first."""
        return tuple(token_of(row) for row in await self._database.fetch_all(_LIST, {}))

    async def revoke(self, token_id: str) -> Token:
        """End a token; ending it twice is no error."""
        try:
            wanted = uuid.UUID(token_id)
        except ValueError as error:
            raise NotFoundError(kind="token", name=token_id) from error
        row = await self._database.fetch_one(_REVOKE, {"id": wanted})
        if row is None:
            raise NotFoundError(kind="token", name=token_id)
        return token_of(row)
