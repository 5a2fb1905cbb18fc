"""Builds and the requests for them in PostgreSQL."""

import contextlib
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Final

from psycopg.errors import UniqueViolation

from wheelyard.adapters.store.access import check_token, record_change
from wheelyard.adapters.store.database import Connection, Database, cancel_topic, hold_caller, notify, prefer_order
from wheelyard.adapters.store.dependencies import forget_dependencies
from wheelyard.adapters.store.rows import Row, build_of, order_columns, readable, reading, summary_of
from wheelyard.adapters.store.subscribers import LIVE, leave, leave_cancelled, leave_for_all, want_again
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.domain.access import NO_LIMITS, OpenLimits
from wheelyard.domain.builds.audit_entries import cancellation_of, request_of, retry_of
from wheelyard.domain.builds.build import Build, BuildOrder, BuildSummary
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import MAX_PAGE_SIZE, BuildFilter, BuildPage, Submission
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.errors import NotFoundError, NotYoursError, RequestCancelledError

_INSERT: Final = b"""
insert into builds (id, key, requirement, project, version, sdist, python, platform, builder, recipe_digest,
                    recipe, need_cpus, need_memory_bytes, max_attempts, priority, queued_for, turn, request_id,
                    trace_id)
values (%(id)s, %(key)s, %(requirement)s, %(project)s, %(version)s, %(sdist)s, %(python)s, %(platform)s, %(builder)s,
        %(recipe_digest)s, %(recipe)s, %(need_cpus)s, %(need_memory_bytes)s, %(max_attempts)s, %(priority)s, %(by)s,
        %(turn)s, %(request_id)s, %(trace_id)s)
on conflict (key) where status in ('queued', 'running', 'succeeded') do nothing
returning id
"""
# A requester's next build comes after his queued builds, and never before the turn that is served now.
_TURN: Final = b"""
select greatest(
    coalesce((select turn from builds where lane = %(lane)s and priority = %(priority)s and status = 'queued'
              and not_before is null and not waiting order by turn limit 1), 0),
    coalesce((select turn + 1 from builds where lane = %(lane)s and priority = %(priority)s and status = 'queued'
              and queued_for = %(by)s order by turn desc limit 1), 0)) as turn
"""
_RAISE_PRIORITY: Final = b"""
update builds set priority = %(priority)s, turn = %(turn)s, queued_for = %(by)s
where id = %(id)s and status = 'queued' and (priority, turn) > (%(priority)s, %(turn)s)
"""
_COUNT_QUEUED: Final = b"select count(*) as count from builds where queued_for = %(by)s and status = 'queued'"
_FIND_EQUAL: Final = b"select id from builds where key = %(key)s and status in ('queued', 'running', 'succeeded')"
# The lock keeps a cancellation of unwanted builds waiting until our request is recorded.
_HOLD_EQUAL: Final = _FIND_EQUAL + b" for key share"
# The builds that it depends on move forward with it.
_RAISE_DEPENDENCIES: Final = b"""
with recursive needed(id) as (
    select for_build_id from build_waits where build_id = %(id)s and for_build_id is not null and released_at is null
    union
    select w.for_build_id from build_waits w join needed n on w.build_id = n.id
    where w.for_build_id is not null and w.released_at is null
)
update builds set priority = %(priority)s
where id in (select id from needed) and status = 'queued' and priority > %(priority)s
"""
_INSERT_REQUEST: Final = b"""
insert into requests (build_id, requirement, requested_by, joined, prebuild_id, request_id, trace_id)
values (%(id)s, %(requirement)s, %(by)s, %(joined)s, %(prebuild_id)s, %(request_id)s, %(trace_id)s)
"""
# The lock makes the end of a prebuild wait for us, so that it sees this build.
_IS_CANCELLED: Final = b"select cancelled from prebuilds where id = %(prebuild_id)s for share"
_SELECT: Final = b"select * from builds where id = %(id)s"
_SELECT_ATTEMPTS: Final = b"""
select build_id, number, worker, status, started_at, finished_at, timings, failure, log_size, log_truncated,
       healing
from attempts where build_id = %(id)s order by number
"""
_SELECT_WAITS: Final = b"""
select project, version, for_build_id from build_waits where build_id = %(id)s and released_at is null
order by project, version
"""
_READ: Final = (_SELECT, _SELECT_ATTEMPTS, _SELECT_WAITS)
# A requester is written as "name (id of the token)".
_LIST: Final = """
select id, project, version, python, platform, status, stage, created_at, finished_at, wheel, failure, priority,
       not_before, waiting
from builds
where (%(project)s::text is null or project = %(project)s)
  and (%(status)s::text is null or status = %(status)s)
  and (%(first)s::uuid is null or id between %(first)s::uuid and %(last)s::uuid)
  and (%(code)s::text is null or failure->>'code' = %(code)s)
  and (%(python)s::text is null or python = %(python)s)
  and (%(platform)s::text is null or platform = %(platform)s)
  and (%(by)s::text is null or queued_for = %(by)s or starts_with(queued_for, %(by)s || ' (') or exists (
      select from requests r where r.build_id = builds.id
      and (r.requested_by = %(by)s or starts_with(r.requested_by, %(by)s || ' ('))))
  and (not %(newest)s or not exists (
      select from builds n where n.project = builds.project and n.version = builds.version
      and n.python = builds.python and n.platform = builds.platform and n.sequence > builds.sequence))
  and (%(before)s::uuid is null or sequence < (select sequence from builds where id = %(before)s))
order by sequence desc limit %(limit)s
"""
# One look-up for each project: the cost does not depend on the number of builds.
_NEWEST: Final = """
select b.* from unnest(%(projects)s::text[]) as p(name) cross join lateral (
    select id, project, version, python, platform, status, stage, created_at, finished_at, wheel, failure, priority,
           not_before, waiting
    from builds where project = p.name and (not %(final)s or status in ('succeeded', 'failed', 'cancelled'))
    order by sequence desc limit 1) as b
"""
_TYPICAL: Final = """
select project, percentile_cont(0.5) within group (order by extract(epoch from finished_at - started_at)) as seconds
from builds where project = any(%(projects)s) and status = 'succeeded' and started_at is not null group by project
"""
_FIND_COMMIT: Final = """
select sdist->'git'->>'commit' as commit from builds
where sdist->'git'->>'url' = %(url)s and sdist->'git'->>'tag' = %(tag)s order by sequence desc limit 1
"""
# A build without an attempt ends at once. A running one learns of it by its next heartbeat. A finished one stays as it
# is.
_CANCEL: Final = b"""
update builds set cancel_requested = true,
       status = case when status = 'queued' then 'cancelled' else status end,
       finished_at = case when status = 'queued' then now() else finished_at end, not_before = null, waiting = false
where id = %(id)s and status in ('queued', 'running')
"""
# Earlier tries no longer count. If an equal build was inserted meanwhile, it is joined instead.
_RETRY: Final = b"""
update builds b set status = 'queued', finished_at = null, failure = null, cancel_requested = false,
       uncounted = attempt, deaths = 0, turn = %(turn)s, queued_for = %(by)s,
       request_id = %(request_id)s, trace_id = %(trace_id)s
where id = %(id)s and status in ('failed', 'cancelled') and not exists (
    select from builds o where o.key = b.key and o.status in ('queued', 'running', 'succeeded'))
returning id
"""
_END_PAUSE: Final = b"update builds set not_before = null where id = %(id)s and not_before is not null returning id"
_IS_WANTED: Final = """
select 1 from requests where build_id = %(id)s and requested_by = %(by)s and not withdrawn limit 1
"""
_FIND_ACTIVE_EQUAL: Final = b"""
select o.id from builds b join builds o on o.key = b.key and o.status in ('queued', 'running', 'succeeded')
where b.id = %(id)s
"""


class PostgresBuilds:
    """Store builds in PostgreSQL."""

    def __init__(
        self,
        database: Database,
        queue: BuildQueue,
        *,
        max_attempts: int,
        limits: OpenLimits = NO_LIMITS,
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
    ) -> None:
        self._database = database
        self._queue = queue
        self._max_attempts = max_attempts
        self._limits = limits
        self._new_id = new_id

    async def submit(  # noqa: PLR0913  what the protocol takes
        self,
        order: BuildOrder,
        *,
        requested_by: str,
        priority: Priority = Priority.INTERACTIVE,
        prebuild_id: str | None = None,
        token_id: str | None = None,
        trace: Trace = NO_TRACE,
    ) -> Submission:
        """Insert the build and its job, or join the equal build. The unique index decides, not a look-up before it."""
        async with self._database.transaction() as connection:
            await check_token(connection, token_id)
            if prebuild_id is not None:
                await _refuse_if_cancelled(connection, prebuild_id)
            return await self.request_on(
                connection, order, requested_by=requested_by, priority=priority, prebuild_id=prebuild_id, trace=trace
            )

    async def request_on(  # noqa: PLR0913  what submit takes
        self,
        connection: Connection,
        order: BuildOrder,
        *,
        requested_by: str,
        priority: Priority = Priority.INTERACTIVE,
        prebuild_id: str | None = None,
        trace: Trace = NO_TRACE,
    ) -> Submission:
        """Queue or join a build in the caller's transaction, and record the request."""
        await self._begin_count(connection, requested_by)
        build_id, joined = await self.submit_on(
            connection, order, requested_by=requested_by, priority=priority, trace=trace
        )
        if not joined:
            await self._check_count(connection, requested_by, for_prebuild=prebuild_id is not None)
        request: Row = {"id": build_id, "requirement": order.requirement, "by": requested_by, "joined": joined}
        request |= _columns(trace)
        await connection.execute(_INSERT_REQUEST, {**request, "prebuild_id": prebuild_id})
        return Submission(build=await _read(connection, build_id), joined=joined)

    async def _begin_count(self, connection: Connection, requested_by: str) -> None:
        """Make other transactions that add builds of this caller wait for ours. Take this lock before any other."""
        if self._limits.builds:
            await hold_caller(connection, requested_by)

    async def _check_count(self, connection: Connection, requested_by: str, *, for_prebuild: bool) -> None:
        if self._limits.builds:
            row = await (await connection.execute(_COUNT_QUEUED, {"by": requested_by})).fetchone()
            self._limits.check_builds(row["count"] if row else 0, for_prebuild=for_prebuild)

    async def submit_on(
        self,
        connection: Connection,
        order: BuildOrder,
        *,
        requested_by: str,
        priority: Priority,
        trace: Trace = NO_TRACE,
    ) -> tuple[str, bool]:
        """Queue or join a build in the caller's transaction. The caller records the request."""
        place: Row = {"lane": str(order.lane), "priority": priority.rank, "by": requested_by, **_columns(trace)}
        place["turn"] = await _turn(connection, place)
        build_id, joined = await self._insert_or_join(connection, order, place)
        if joined:
            await connection.execute(_RAISE_PRIORITY, {**place, "id": build_id})
            await connection.execute(_RAISE_DEPENDENCIES, {**place, "id": build_id})
        await record_change(connection, request_of(build_id, order, by=requested_by, joined=joined))
        return build_id, joined

    async def _insert_or_join(self, connection: Connection, order: BuildOrder, place: Row) -> tuple[str, bool]:
        while True:
            values = {**order_columns(order), **place, "id": self._new_id(), "max_attempts": self._max_attempts}
            row = await (await connection.execute(_INSERT, values)).fetchone()
            if row is not None:
                await self._queue.wake(connection, str(order.lane))
                return str(row["id"]), False
            # The equal build can fail between the two statements. Then there is nothing to join, and we insert again.
            row = await (await connection.execute(_HOLD_EQUAL, {"key": order.key})).fetchone()
            if row is not None:
                return str(row["id"]), True

    async def get(self, build_id: str) -> Build:
        """Return a build with its attempts; raise NotFoundError."""
        wanted: Row = {"id": _id_of(build_id)}
        async with self._database.one_exchange() as connection:
            found = [await connection.execute(statement, wanted) for statement in _READ]
        build, attempts, waits = [await cursor.fetchall() for cursor in found]
        return _build_of(build_id, build, attempts, waits)

    async def find_equal(self, key: str) -> Build | None:
        """Return the build with this key that has not failed and was not cancelled; None if there is none."""
        async with self._database.transaction() as connection:
            row = await (await connection.execute(_FIND_EQUAL, {"key": key})).fetchone()
            return None if row is None else await _read(connection, str(row["id"]))

    async def list_builds(self, wanted: BuildFilter) -> BuildPage:
        """Return a page of builds, newest first. One row more than the limit shows whether there is a next page."""
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        parameters = {
            "project": wanted.project,
            "status": wanted.status.value if wanted.status else None,
            "first": wanted.ids and wanted.ids.first,
            "last": wanted.ids and wanted.ids.last,
            "code": wanted.failure_code,
            "python": wanted.python,
            "platform": wanted.platform,
            "by": wanted.requested_by,
            "newest": wanted.is_newest,
            "before": None if wanted.before is None else _id_of(wanted.before),
            "limit": limit + 1,
        }
        rows = await self._database.fetch_all(_LIST, parameters)
        shown = readable("build", rows[:limit], summary_of)
        return BuildPage(builds=shown, next_before=str(rows[limit - 1]["id"]) if len(rows) > limit else None)

    async def newest_of(self, projects: Collection[str], *, is_final: bool = False) -> Mapping[str, BuildSummary]:
        """Return the newest build of each project, or the newest final one."""
        rows = await self._database.fetch_all(_NEWEST, {"projects": list(projects), "final": is_final})
        return {build.project: build for build in readable("build", rows, summary_of)}

    async def request_cancel(self, build_id: str, *, requested_by: str) -> Build:
        """Cancel the build at once if no worker holds it, else ask its worker to stop."""
        async with self._database.transaction() as connection:
            build = await _read(connection, build_id)
            if (await connection.execute(_CANCEL, {"id": build_id})).rowcount:
                await record_change(connection, cancellation_of(build, requested_by))
                await leave_for_all(connection, build_id)
                await leave_cancelled(connection, build_id, statuses=LIVE, by=requested_by)
            await notify(connection, build_id)
            await notify(connection, cancel_topic(build_id))
            return await _read(connection, build_id)

    async def leave(self, build_id: str, *, requested_by: str) -> Build:
        """Withdraw a caller's requests for a build. Cancel the build if there are no others."""
        async with self._database.transaction() as connection:
            await _read(connection, build_id)
            if not await leave(connection, build_id, by=requested_by):
                raise NotYoursError(kind="build", name=build_id)
            return await _read(connection, build_id)

    async def is_wanted_by(self, build_id: str, requested_by: str) -> bool:
        """Return whether this caller has a request for the build that was not withdrawn."""
        wanted = {"id": _id_of(build_id), "by": requested_by}
        return await self._database.fetch_one(_IS_WANTED, wanted) is not None

    async def retry(self, build_id: str, *, requested_by: str, trace: Trace = NO_TRACE) -> Submission:
        """Queue the build again, or join an equal one. The unique index decides."""
        while True:
            with contextlib.suppress(UniqueViolation):
                async with self._database.transaction() as connection:
                    return await self._retry(connection, build_id, requested_by, trace)

    async def _retry(self, connection: Connection, build_id: str, requested_by: str, trace: Trace) -> Submission:
        await self._begin_count(connection, requested_by)
        build = await _read(connection, build_id)
        lane = str(build.order.lane)
        place: Row = {"lane": lane, "priority": build.priority.rank, "by": requested_by, "id": build_id}
        place |= _columns(trace)
        place["turn"] = await _turn(connection, place)
        for statement in (_RETRY, _END_PAUSE):
            if await (await connection.execute(statement, place)).fetchone() is not None:
                await forget_dependencies(connection, build_id)
                await want_again(connection, build_id, place)
                if statement is _RETRY:
                    await self._check_count(connection, requested_by, for_prebuild=False)
                await self._queue.wake(connection, lane)
                await notify(connection, build_id)
                await record_change(connection, retry_of(build, requested_by))
                return Submission(build=await _read(connection, build_id), joined=False)
        equal = await (await connection.execute(_FIND_ACTIVE_EQUAL, {"id": build_id})).fetchone()
        joined_id = str(equal["id"]) if equal else build_id
        if joined_id != build_id:
            await want_again(connection, joined_id, place)
        return Submission(build=await _read(connection, joined_id), joined=True)

    async def find_commit(self, url: str, *, tag: str) -> str | None:
        """Return the commit of the newest build of a repository's tag; None if there is none."""
        row = await self._database.fetch_one(_FIND_COMMIT, {"url": url, "tag": tag})
        return None if row is None else row["commit"]

    async def typical_seconds(self, projects: Collection[str]) -> Mapping[str, float]:
        """Return the median duration in seconds of each project's builds."""
        rows = await self._database.fetch_all(_TYPICAL, {"projects": list(projects)})
        return {row["project"]: float(row["seconds"]) for row in rows}

    async def ping(self) -> None:
        """Raise DatabaseUnavailableError if the database does not answer."""
        await self._database.fetch_one("select 1", {})


async def _refuse_if_cancelled(connection: Connection, prebuild_id: str) -> None:
    row = await (await connection.execute(_IS_CANCELLED, {"prebuild_id": prebuild_id})).fetchone()
    if row is not None and row["cancelled"]:
        raise RequestCancelledError(request=prebuild_id)


def _columns(trace: Trace) -> Row:
    return {"request_id": trace.request_id, "trace_id": trace.trace_id}


async def _turn(connection: Connection, place: Row) -> int:
    await prefer_order(connection)
    row = await (await connection.execute(_TURN, place)).fetchone()
    return int(row["turn"]) if row else 0


def _id_of(build_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(build_id)
    except ValueError as error:
        raise NotFoundError(kind="build", name=build_id) from error


async def _read(connection: Connection, build_id: str) -> Build:
    wanted: Row = {"id": _id_of(build_id)}
    build, attempts, waits = [await (await connection.execute(statement, wanted)).fetchall() for statement in _READ]
    return _build_of(build_id, build, attempts, waits)


def _build_of(build_id: str, rows: list[Row], attempts: list[Row], waits: list[Row]) -> Build:
    if not rows:
        raise NotFoundError(kind="build", name=build_id)
    with reading("build", build_id):
        return build_of(rows[0], attempts, waits)
