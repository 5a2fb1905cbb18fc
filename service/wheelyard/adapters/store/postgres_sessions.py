"""Sessions of signed-in people in PostgreSQL. Must not see secrets, only their digests."""

import uuid
from datetime import datetime
from typing import Final

from wheelyard.adapters.store.access import LIVE, LONG_AGO
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.postgres_audit import record_change
from wheelyard.adapters.store.rows import token_of
from wheelyard.domain.access import MOST_SESSIONS, Action, Change
from wheelyard.domain.builds.records import Token

_FORGET: Final = b"delete from sessions where expires_at < now()"
_FORGET_OLDEST: Final = b"""
delete from sessions where secret_digest in (
    select secret_digest from sessions where token_id = %(token)s
    order by expires_at desc, secret_digest offset %(most)s)
"""
_OPEN: Final = b"""
insert into sessions (secret_digest, token_id, expires_at) values (%(digest)s, %(token)s, %(expires_at)s)
"""
_FIND: Final = f"""
with found as (select tokens.* from sessions join tokens on tokens.id = sessions.token_id
               where sessions.secret_digest = %(digest)s and sessions.expires_at > now() and {LIVE}),
     used as (update tokens set last_used_at = now() from found where tokens.id = found.id and {LONG_AGO}
              returning tokens.*)
select * from used union all select * from found where not exists (select from used)
"""  # noqa: S608  (constants)
_CLOSE: Final = b"""
delete from sessions using tokens where sessions.secret_digest = %(digest)s and tokens.id = sessions.token_id
returning tokens.*
"""


class PostgresSessions:
    """The SessionStore on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, secret_digest: str, *, token: Token, expires_at: datetime) -> None:
        """Record a session, and forget those that are over."""
        values = {"digest": secret_digest, "token": uuid.UUID(token.id), "expires_at": expires_at}
        async with self._database.transaction() as connection:
            await connection.execute(_FORGET)
            await connection.execute(_OPEN, values)
            await connection.execute(_FORGET_OLDEST, {**values, "most": MOST_SESSIONS})
            change = Change(actor=token.actor, action=Action.SESSION_OPENED, object=token.id)
            await record_change(connection, change)

    async def find(self, secret_digest: str) -> Token | None:
        """Find the live token of a live session and note its use."""
        row = await self._database.fetch_one(_FIND, {"digest": secret_digest})
        return None if row is None else token_of(row)

    async def close(self, secret_digest: str) -> None:
        """End a session."""
        async with self._database.transaction() as connection:
            row = await (await connection.execute(_CLOSE, {"digest": secret_digest})).fetchone()
            if row is not None:
                token = token_of(row)
                change = Change(actor=token.actor, action=Action.SESSION_CLOSED, object=token.id)
                await record_change(connection, change)
