"""The audit log in PostgreSQL. Entries are only ever added."""

from typing import Final

from psycopg.types.json import Jsonb

from wheelyard.adapters.store.database import Connection, Database, Row
from wheelyard.domain.access import MAX_AUDIT_ENTRIES, AuditEntry, AuditFilter, Change

_INSERT: Final = b"""
insert into audit (actor, action, object, details) values (%(actor)s, %(action)s, %(object)s, %(details)s)
"""
_LIST: Final = """
select * from audit
where (%(object)s::text is null or object = %(object)s)
  and (%(actor)s::text is null or actor = %(actor)s)
  and (%(before)s::bigint is null or id < %(before)s)
order by id desc limit %(limit)s
"""


class PostgresAudit:
    """The AuditStore on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, change: Change) -> None:
        """Write down a change in a transaction of its own."""
        async with self._database.transaction() as connection:
            await record_change(connection, change)

    async def list_entries(self, wanted: AuditFilter) -> tuple[AuditEntry, ...]:
        """List entries, newest first."""
        parameters = {
            "object": wanted.object,
            "actor": wanted.actor,
            "before": wanted.before,
            "limit": min(wanted.limit, MAX_AUDIT_ENTRIES),
        }
        return tuple(_entry_of(row) for row in await self._database.fetch_all(_LIST, parameters))


async def record_change(connection: Connection, change: Change) -> None:
    """Write down a change in the transaction that makes it."""
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
