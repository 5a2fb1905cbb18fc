"""Periodic work that all workers share, in PostgreSQL: which worker does it, and what is deleted."""

import gzip
from typing import Final

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.rows import Row
from wheelyard.domain.builds.log_text import LogNote

_BATCH: Final = 200
# A start in the future comes from a clock that was ahead. Without this, the work would not be due before that time. Do
# not use now(): a transaction that waited for another's update would find that update later than its own start.
_BEGIN: Final = """
insert into periodic_work (name) values (%(name)s)
on conflict (name) do update set begun_at = now()
    where periodic_work.begun_at <= now() - make_interval(secs => %(seconds)s)
       or periodic_work.begun_at > clock_timestamp()
returning name
"""
# The order does not matter, but the steps are bounded: a year's logs in one statement would block everything else.
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
    """Take turns at periodic work through PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, name: str, *, interval_seconds: float) -> bool:
        """Return whether this worker does the work now. One statement decides, so that only one worker does it."""
        return await self._database.fetch_one(_BEGIN, {"name": name, "seconds": interval_seconds}) is not None

    async def drop_logs(self, *, days: float) -> int:
        """Replace old logs by a note; return how many."""
        return await self._drop(_DROP_LOGS, {"seconds": days * _DAY_SECONDS, "note": _NOTE})

    async def drop_builds(self, *, days: float) -> int:
        """Delete old builds without a wheel; return how many."""
        return await self._drop(_DROP_BUILDS, {"seconds": days * _DAY_SECONDS})

    async def drop_workers(self, *, days: float) -> int:
        """Delete workers that have been lost for long; return how many."""
        return await self._drop(_DROP_WORKERS, {"seconds": days * _DAY_SECONDS})

    async def _drop(self, statement: str, values: Row) -> int:
        count = 0
        while rows := await self._database.fetch_all(statement, {**values, "limit": _BATCH}):
            count += len(rows)
        return count
