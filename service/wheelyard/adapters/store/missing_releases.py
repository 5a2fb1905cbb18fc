"""Releases that builds depend on, in PostgreSQL, until their builds are ordered."""

from typing import Final

from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Connection, Database, notify
from wheelyard.adapters.store.dependencies import fail, go_on, read_graph
from wheelyard.adapters.store.rows import Row, reading, trace_of
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.build_events import note_needed
from wheelyard.domain.builds.build import BuildOrder, Failure, MissingRelease, Status
from wheelyard.domain.builds.graph import BrokenChain, DependencyGraph, Need
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import RecordUnreadableError, WheelyardError

_OPEN: Final = """
select w.build_id, w.project, w.version, b.python, b.platform, b.priority, b.queued_for
from build_waits w join builds b on b.id = w.build_id
where w.for_build_id is null and w.released_at is null and b.status = 'queued' order by w.sequence limit 100
"""
# Without the lock, two builds that begin to wait for each other at the same time would not see it.
_ONE_AT_A_TIME: Final = b"select pg_advisory_xact_lock(hashtext('wheelyard-waits'))"
_LOCK: Final = b"""
select b.id, b.project || ' ' || b.version as name, b.request_id, b.trace_id
from build_waits w join builds b on b.id = w.build_id
where w.build_id = %(id)s and w.project = %(project)s and w.version = %(version)s
  and w.for_build_id is null and w.released_at is null and b.status = 'queued' and b.waiting
for update of b
"""
# It cannot end before this transaction does. The transaction that ends it afterwards sees the dependent.
_HOLD: Final = b"select status, project || ' ' || version as name from builds where id = %(id)s for share"
_TIE: Final = b"""
update build_waits set for_build_id = %(needed)s, released_at = case when %(done)s then now() end
where build_id = %(id)s and project = %(project)s and version = %(version)s
"""


class PostgresMissingReleases:
    """Store missing releases in PostgreSQL."""

    def __init__(self, database: Database, queue: BuildQueue, builds: PostgresBuilds) -> None:
        self._database = database
        self._queue = queue
        self._builds = builds

    async def open_dependencies(self) -> tuple[Need, ...]:
        """Return what is not ordered yet. Fail a build whose record cannot be read."""
        needs: list[Need] = []
        for row in await self._database.fetch_all(_OPEN, {}):
            try:
                with reading("build", row["build_id"]):
                    needs.append(_need_of(row))
            except RecordUnreadableError as error:
                async with self._database.transaction() as connection:
                    await fail(connection, str(row["build_id"]), Failure.of(error, stage=None))
        return tuple(needs)

    async def supply(self, need: Need, order: BuildOrder) -> None:
        """Submit or join the build of a release, and make the dependent build wait for it."""
        async with self._database.transaction() as connection:
            await connection.execute(_ONE_AT_A_TIME)
            waiting = await (await connection.execute(_LOCK, _place(need))).fetchone()
            if waiting is not None:
                needed_id, joined = await self._builds.submit_on(
                    connection,
                    order,
                    requested_by=need.requested_by,
                    priority=need.priority,
                    trace=trace_of(waiting),
                )
                note_needed(needed_id, needed_by=need.build_id, joined=joined)
                await self._tie(connection, need, waiting["name"], needed_id)

    async def _tie(self, connection: Connection, need: Need, name: str, needed_id: str) -> None:
        needed = await (await connection.execute(_HOLD, {"id": needed_id})).fetchone()
        if needed is None or needed["status"] in {Status.FAILED.value, Status.CANCELLED.value}:
            return  # it has just ended; the dependency stays open
        graph = await read_graph(connection)
        names = {**graph.names, need.build_id: name, needed_id: needed["name"]}
        cycle = DependencyGraph(waits=graph.waits, names=names).refuse_cycle(need.build_id, needed_id)
        if cycle is not None:
            await fail(connection, need.build_id, Failure.of(cycle, stage=None))
            return
        done = needed["status"] == Status.SUCCEEDED.value
        await connection.execute(_TIE, {**_place(need), "needed": needed_id, "done": done})
        await go_on(connection, self._queue, [need.build_id])
        await notify(connection, need.build_id)

    async def give_up(self, need: Need, error: WheelyardError) -> None:
        """Fail the build that waits."""
        async with self._database.transaction() as connection:
            waiting = await (await connection.execute(_LOCK, _place(need))).fetchone()
            if waiting is not None:
                chain = BrokenChain.unorderable(str(need.release), reason=error.summary).needed_by(waiting["name"])
                await fail(connection, need.build_id, chain.failure())


def _place(need: Need) -> Row:
    return {"id": need.build_id, "project": need.release.project, "version": need.release.version}


def _need_of(row: Row) -> Need:
    return Need(
        build_id=str(row["build_id"]),
        release=MissingRelease(project=row["project"], version=row["version"]),
        target=Target.stored(python=row["python"], platform=row["platform"]),
        priority=list(Priority)[row["priority"]],
        requested_by=row["queued_for"],
    )
