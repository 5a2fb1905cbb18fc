"""Builds in PostgreSQL: what people asked for and what became of it. Must not run builds."""

import uuid
from collections.abc import Callable
from typing import Final

from psycopg.errors import InvalidTextRepresentation

from wheelyard.adapters.build_queue import BuildQueue
from wheelyard.adapters.database import CHANNEL, Connection, Database
from wheelyard.adapters.records import Row, build_of, order_columns, summary_of
from wheelyard.domain.build import Build, BuildOrder
from wheelyard.domain.ledger import MAX_PAGE_SIZE, BuildFilter, BuildPage, Submission
from wheelyard.errors import NotFoundError

_INSERT: Final = b"""
insert into builds (id, key, requirement, project, version, sdist, python, platform, builder, recipe_digest,
                    recipe, max_attempts)
values (%(id)s, %(key)s, %(requirement)s, %(project)s, %(version)s, %(sdist)s, %(python)s, %(platform)s, %(builder)s,
        %(recipe_digest)s, %(recipe)s, %(max_attempts)s)
on conflict (key) where status in ('queued', 'running', 'succeeded') do nothing
returning id
"""
_FIND_EQUAL: Final = b"select id from builds where key = %(key)s and status in ('queued', 'running', 'succeeded')"
_INSERT_REQUEST: Final = b"""
insert into requests (build_id, requirement, requested_by, joined)
values (%(id)s, %(requirement)s, %(by)s, %(joined)s)
"""
_SELECT: Final = b"select * from builds where id = %(id)s"
_SELECT_ATTEMPTS: Final = b"""
select build_id, number, worker, status, started_at, finished_at, timings, failure, log_size, log_truncated
from attempts where build_id = %(id)s order by number
"""
_LIST: Final = """
select id, project, version, python, platform, status, stage, created_at, finished_at, wheel, failure from builds
where (%(project)s::text is null or project = %(project)s)
  and (%(status)s::text is null or status = %(status)s)
  and (%(before)s::uuid is null or sequence < (select sequence from builds where id = %(before)s))
order by sequence desc limit %(limit)s
"""
# A build without an attempt ends at once; a running one is told by its next heartbeat; a finished one stays as it is.
_CANCEL: Final = b"""
update builds set cancel_requested = true,
       status = case when status = 'queued' then 'cancelled' else status end,
       finished_at = case when status = 'queued' then now() else finished_at end
where id = %(id)s and status in ('queued', 'running')
"""


class PostgresBuilds:
    """The BuildStore on PostgreSQL."""

    def __init__(
        self, database: Database, queue: BuildQueue, *, max_attempts: int, new_id: Callable[[], uuid.UUID] = uuid.uuid4
    ) -> None:
        self._database = database
        self._queue = queue
        self._max_attempts = max_attempts
        self._new_id = new_id

    async def submit(self, order: BuildOrder, *, requested_by: str) -> Submission:
        """Insert the build and its job, or join the equal build; the unique index decides, not a look before."""
        async with self._database.transaction() as connection:
            build_id, joined = await self._insert_or_join(connection, order)
            request = {"id": build_id, "requirement": order.requirement, "by": requested_by, "joined": joined}
            await connection.execute(_INSERT_REQUEST, request)
            return Submission(build=await _read(connection, build_id), joined=joined)

    async def _insert_or_join(self, connection: Connection, order: BuildOrder) -> tuple[str, bool]:
        while True:
            values = {**order_columns(order), "id": self._new_id(), "max_attempts": self._max_attempts}
            row = await (await connection.execute(_INSERT, values)).fetchone()
            if row is not None:
                await self._queue.defer(connection, str(row["id"]))
                return str(row["id"]), False
            # The equal build can fail between the two statements: then there is nothing to join, and we insert again.
            row = await (await connection.execute(_FIND_EQUAL, {"key": order.key})).fetchone()
            if row is not None:
                return str(row["id"]), True

    async def get(self, build_id: str) -> Build:
        """Read one build with its attempts."""
        async with self._database.transaction() as connection:
            return await _read(connection, build_id)

    async def list_builds(self, wanted: BuildFilter) -> BuildPage:
        """List builds, newest first; one row more than asked for tells whether there is a next page."""
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        parameters = {
            "project": wanted.project,
            "status": wanted.status.value if wanted.status else None,
            "before": wanted.before,
            "limit": limit + 1,
        }
        try:
            rows = await self._database.fetch_all(_LIST, parameters)
        except InvalidTextRepresentation as error:
            raise NotFoundError(kind="build", name=str(wanted.before)) from error
        shown = tuple(summary_of(row) for row in rows[:limit])
        return BuildPage(builds=shown, next_before=shown[-1].id if len(rows) > limit else None)

    async def request_cancel(self, build_id: str) -> Build:
        """Cancel at once if nobody works on it, else ask the worker to stop."""
        async with self._database.transaction() as connection:
            await _read(connection, build_id)
            await connection.execute(_CANCEL, {"id": build_id})
            await notify(connection, build_id)
            return await _read(connection, build_id)

    async def ping(self) -> None:
        """Ask the database for an answer."""
        await self._database.fetch_one("select 1", {})


async def notify(connection: Connection, build_id: str) -> None:
    """Wake whoever watches a build, when the transaction commits."""
    await connection.execute(b"select pg_notify(%s, %s)", (CHANNEL, build_id))


async def _read(connection: Connection, build_id: str) -> Build:
    try:
        wanted: Row = {"id": uuid.UUID(build_id)}
    except ValueError as error:
        raise NotFoundError(kind="build", name=build_id) from error
    row = await (await connection.execute(_SELECT, wanted)).fetchone()
    if row is None:
        raise NotFoundError(kind="build", name=build_id)
    return build_of(row, await (await connection.execute(_SELECT_ATTEMPTS, wanted)).fetchall())
