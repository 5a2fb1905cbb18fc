"""API tokens, sessions and the audit log in PostgreSQL.

Only digests of secrets are stored. A token is looked up by the digest of its secret. The time of the look-up depends on
the digest alone, so a comparison in constant time would add nothing.
"""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Final

from psycopg.types.json import Jsonb

from wheelyard.adapters.store.database import Connection, Database, Row
from wheelyard.adapters.store.rows import token_of
from wheelyard.domain.access import MAX_AUDIT_ENTRIES, MOST_SESSIONS, Action, AuditEntry, AuditFilter, Change, Scope
from wheelyard.domain.builds.audit_entries import creation_of, revocation_of
from wheelyard.domain.builds.records import Token
from wheelyard.errors import DatabaseUnavailableError, NotFoundError, UnauthenticatedError

_INSERT: Final = b"""
insert into audit (actor, action, object, details) values (%(actor)s, %(action)s, %(object)s, %(details)s)
"""
_LIST_ENTRIES: Final = """
select * from audit
where (%(object)s::text is null or object = %(object)s)
  and (%(actor)s::text is null or actor = %(actor)s)
  and (%(before)s::bigint is null or id < %(before)s)
order by id desc limit %(limit)s
"""


class PostgresAudit:
    """Store the audit log in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, change: Change) -> None:
        """Record a change in a transaction of its own."""
        async with self._database.transaction() as connection:
            await record_change(connection, change)

    async def list_entries(self, wanted: AuditFilter) -> tuple[AuditEntry, ...]:
        """Return the entries that match, newest first."""
        parameters = {
            "object": wanted.object,
            "actor": wanted.actor,
            "before": wanted.before,
            "limit": min(wanted.limit, MAX_AUDIT_ENTRIES),
        }
        return tuple(_entry_of(row) for row in await self._database.fetch_all(_LIST_ENTRIES, parameters))


async def check_token(connection: Connection, token_id: str | None) -> None:
    """Raise UnauthenticatedError if a sender's token was revoked while its file was received, or has expired.

    It cannot be revoked any more before the caller's transaction ends.
    """
    if token_id is not None and await _one(connection, _VALID.encode(), {"token": token_id}) is None:
        raise UnauthenticatedError(reason="its token was revoked, or expired, while the file was sent")


async def record_change(connection: Connection, change: Change) -> None:
    """Record a change in the caller's transaction."""
    values = {
        "actor": change.actor,
        "action": change.action,
        "object": change.object,
        "details": Jsonb(dict(change.details)),
    }
    await connection.execute(_INSERT, values)


def _entry_of(row: Row) -> AuditEntry:
    change = Change(actor=row["actor"], action=row["action"], object=row["object"], details=row["details"])
    return AuditEntry(id=row["id"], at=row["at"], change=change)


LIVE: Final = "tokens.revoked_at is null and (tokens.expires_at is null or tokens.expires_at > now())"
# A lock that does not wait for notes of the token's use.
_VALID: Final = f"select id from tokens where id = %(token)s and {LIVE} for key share"  # noqa: S608  (constants)
LONG_AGO: Final = "(tokens.last_used_at is null or tokens.last_used_at < now() - interval '5 s')"
"""SQL condition: the last use was recorded so long ago that it is recorded again."""
_CREATE: Final = b"""
insert into tokens (id, name, scope, publishes, secret_digest, expires_at)
values (%(id)s, %(name)s, %(scope)s, %(publishes)s, %(digest)s, %(expires_at)s) returning *
"""
# Record the use of a token only every few seconds. A write for each request would make the requests of a token wait for
# one another, and each would hold a connection of the pool.
_FIND: Final = f"""
with found as (select * from tokens where secret_digest = %(digest)s and {LIVE}),
     used as (update tokens set last_used_at = now() from found where tokens.id = found.id and {LONG_AGO}
              returning tokens.*)
select * from used union all select * from found where not exists (select from used)
"""  # noqa: S608  (constants)
_LIST: Final = "select * from tokens order by created_at desc, id"
_SELECT: Final = b"select * from tokens where id = %(id)s for update"
_REVOKE: Final = b"update tokens set revoked_at = now() where id = %(id)s returning *"
_FORGET: Final = b"delete from sessions where expires_at < now()"
_FORGET_OLDEST: Final = b"""
delete from sessions where secret_digest in (
    select secret_digest from sessions where token_id = %(token)s
    order by expires_at desc, secret_digest offset %(most)s)
"""
_OPEN: Final = b"""
insert into sessions (secret_digest, token_id, expires_at) values (%(digest)s, %(token)s, %(expires_at)s)
"""
_FIND_SESSION: Final = f"""
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


class PostgresTokens:
    """Store tokens and sessions in PostgreSQL."""

    def __init__(self, database: Database, *, new_id: Callable[[], uuid.UUID] = uuid.uuid4) -> None:
        self._database = database
        self._new_id = new_id

    async def create(  # noqa: PLR0913  (the columns of a token)
        self,
        *,
        name: str,
        scope: Scope,
        publishes: tuple[str, ...],
        secret_digest: str,
        expires_at: datetime | None,
        created_by: str,
    ) -> Token:
        """Insert a token and return it."""
        new = {"id": self._new_id(), "name": name, "scope": scope.value, "publishes": list(publishes)}
        async with self._database.transaction() as connection:
            row = await _one(connection, _CREATE, {**new, "digest": secret_digest, "expires_at": expires_at})
            if row is None:
                raise DatabaseUnavailableError(reason="it returned no row for a new token")
            await record_change(connection, creation_of(token_of(row), created_by))
        return token_of(row)

    async def find(self, secret_digest: str) -> Token | None:
        """Return the live token with this digest and record its use; None if there is none."""
        row = await self._database.fetch_one(_FIND, {"digest": secret_digest})
        return None if row is None else token_of(row)

    async def list_tokens(self) -> tuple[Token, ...]:
        """Return every token, newest first."""
        return tuple(token_of(row) for row in await self._database.fetch_all(_LIST, {}))

    async def revoke(self, token_id: str, *, revoked_by: str) -> Token:
        """Revoke a token and return it. Revoking it again changes nothing."""
        try:
            wanted: Row = {"id": uuid.UUID(token_id)}
        except ValueError as error:
            raise NotFoundError(kind="token", name=token_id) from error
        async with self._database.transaction() as connection:
            held = await _one(connection, _SELECT, wanted)
            if held is None:
                raise NotFoundError(kind="token", name=token_id)
            if held["revoked_at"] is not None:
                return token_of(held)
            await record_change(connection, revocation_of(token_of(held), revoked_by))
            return token_of(await _one(connection, _REVOKE, wanted) or held)

    async def open_session(self, secret_digest: str, *, token: Token, expires_at: datetime) -> None:
        """Insert a session and delete expired ones."""
        values = {"digest": secret_digest, "token": uuid.UUID(token.id), "expires_at": expires_at}
        async with self._database.transaction() as connection:
            await connection.execute(_FORGET)
            await connection.execute(_OPEN, values)
            await connection.execute(_FORGET_OLDEST, {**values, "most": MOST_SESSIONS})
            change = Change(actor=token.actor, action=Action.SESSION_OPENED, object=token.id)
            await record_change(connection, change)

    async def find_session(self, secret_digest: str) -> Token | None:
        """Return the live token of a live session and record its use; None if there is none."""
        row = await self._database.fetch_one(_FIND_SESSION, {"digest": secret_digest})
        return None if row is None else token_of(row)

    async def close_session(self, secret_digest: str) -> None:
        """Delete a session."""
        async with self._database.transaction() as connection:
            row = await (await connection.execute(_CLOSE, {"digest": secret_digest})).fetchone()
            if row is not None:
                token = token_of(row)
                change = Change(actor=token.actor, action=Action.SESSION_CLOSED, object=token.id)
                await record_change(connection, change)


async def _one(connection: Connection, query: bytes, parameters: Row) -> Row | None:
    return await (await connection.execute(query, parameters)).fetchone()
