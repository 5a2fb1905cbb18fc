"""What is done in PostgreSQL once an interval for all workers: whose turn it is, and what is forgotten.

Must not know how often: whoever calls says so.
"""

import gzip
from typing import Final

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.rows import Row
from wheelyard.domain.builds.log_text import LogNote

_BATCH: Final = 200
# What was begun in the future was begun by a clock that was ahead, and would not be due before that time has come. Not
# now(): a transaction that waited for another's update would find it ahead of its own beginning.
_BEGIN: Final = """
insert into periodic_work (name) values (%(name)s)
on conflict (name) do update set begun_at = now()
    where periodic_work.begun_at <= now() - make_interval(secs => %(seconds)s)
       or periodic_work.begun_at > clock_timestamp()
returning name
"""
# Newest first is not needed, but bounded steps are: a year's logs in one statement would hold up everything else.
_DROP_LOGS: Final = """
with old as (
    select build_id, number from attempts
    where finished_at < now() - make_interval(secs => %(seconds)s) and log_gzip is distinct from %(note)s
    limit %(limit)s for update skip locked
), pieces as (
    delete from log_pieces p using old where p.build_id = old.build_id and p.attempt = old.number
), chunks as (
    delete from log_chunks c using old where c.build_id = old.build_id and c.attempt = old.number
)
update attempts set log_gzip = %(note)s, log_packed = true from old
where attempts.build_id = old.build_id and attempts.number = old.number returning attempts.number
"""
_DROP_BUILDS: Final = """
delete from builds where id in (
    select id from builds where status in ('failed', 'cancelled')
    and finished_at < now() - make_interval(secs => %(seconds)s) limit %(limit)s for update skip locked
) returning id
"""
_DROP_WORKERS: Final = """
delete from workers where name in (
    select name from workers where seen_at < now() - make_interval(secs => %(seconds)s) limit %(limit)s
) returning name
"""
_NOTE: Final = gzip.compress(
    LogNote.of("this log was kept for as long as the operator wants logs kept, and removed then").encode(), mtime=0
)
_DAY_SECONDS: Final = 86_400.0


class PostgresPeriodic:
    """The PeriodicStore on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, name: str, *, interval_seconds: float) -> bool:
        """Move the work's row on, if its interval is over: one statement decides who does it."""
        return await self._database.fetch_one(_BEGIN, {"name": name, "seconds": interval_seconds}) is not None

    async def drop_logs(self, *, days: float) -> int:
        """Put a note in the place of old logs."""
        return await self._drop(_DROP_LOGS, {"seconds": days * _DAY_SECONDS, "note": _NOTE})

    async def drop_builds(self, *, days: float) -> int:
        """Delete old builds without a wheel."""
        return await self._drop(_DROP_BUILDS, {"seconds": days * _DAY_SECONDS})

    async def drop_workers(self, *, days: float) -> int:
        """Delete workers that are gone for good."""
        return await self._drop(_DROP_WORKERS, {"seconds": days * _DAY_SECONDS})

    async def _drop(self, statement: str, values: Row) -> int:
        count = 0
        while rows := await self._database.fetch_all(statement, {**values, "limit": _BATCH}):
            count += len(rows)
        return count
