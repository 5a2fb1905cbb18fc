"""The order of builds in PostgreSQL: which build a worker takes next, and what happens to builds of lost workers.

The cost of a claim does not depend on how many builds wait: it reads the beginning of an index.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from wheelyard.adapters.store.attempts import claim_on, close_lost
from wheelyard.adapters.store.database import Connection, Database, notify, prefer_order
from wheelyard.adapters.store.dependencies import release_dependents, repair
from wheelyard.adapters.store.fleet import SILENT_SECONDS
from wheelyard.adapters.store.rows import Row, failure_json, readable, summary_of
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.build_events import note_lost, note_rested
from wheelyard.domain.builds.build import Failure, Status
from wheelyard.domain.builds.estimate import LiveBuild, LiveQueue
from wheelyard.domain.builds.queue import MAX_DEATHS, Allocation, Lane, ResourceRequest
from wheelyard.domain.builds.records import Claim
from wheelyard.errors import AttemptsExhaustedError, WorkerKilledError
from wheelyard.logs import get_logger

_log = get_logger(__name__)

# Read a few from the beginning of each queue. Locking one shows whether another worker is taking it.
NEXT_BUILDS: Final = b"""
select first.id from unnest(%(lanes)s::text[]) as served(lane) cross join lateral (
    select id, priority, turn, sequence from builds
    where lane = served.lane and status = 'queued' and not_before is null and not waiting
      and coalesce(need_memory_bytes, 0) <= %(memory)s
    order by lane, priority, turn, sequence limit 16
) first
order by first.priority, first.turn, first.sequence limit 16
"""
# The conditions on "status" and "not_before" are written so that no index of queued builds matches them. With
# statistics of an empty queue, the planner would read all of such an index instead of looking up a few ids.
# https://postgresql.org/docs/9.5/planner-stats.html
LOCK_FIRST: Final = b"""
select id, need_cpus, need_memory_bytes, deaths from builds
where id = any(%(ids)s) and coalesce(status, '') = 'queued' and coalesce(not_before, '-infinity') = '-infinity'
  and not waiting
order by priority, turn, sequence limit 1 for update skip locked
"""
_NATIVE: Final = b"""
select distinct w.architecture || '/' || (served->>0) || '/' || (served->>1) as lane
from workers w cross join lateral jsonb_array_elements(w.builders) as served
where w.state = 'active' and w.seen_at >= now() - make_interval(secs => %(silent)s)
"""
SWEEP_LOCK: Final = b"select pg_try_advisory_xact_lock(hashtext('wheelyard-sweep')) as mine, now() as now"
# Grant one lease of grace to builds whose lease seems to be over, and limit to it those whose lease comes from a clock
# that was ahead. A live worker beats within a second.
_GRANT_GRACE: Final = b"""
update builds set lease_until = now() + make_interval(secs => %(grace)s) where status = 'running'
and (lease_until < now() or lease_until > now() + make_interval(secs => %(grace)s))
"""
_OVERDUE: Final = b"""
select id, lane, worker, attempt - uncounted as tries, max_attempts, cancel_requested, deaths,
       array(select worker from attempts a where a.build_id = builds.id and worker_died order by number) as dead
from builds
where status = 'running' and lease_until < now() order by lease_until limit 100 for update skip locked
"""
_END: Final = b"""
update builds set status = %(status)s, stage = null, lease_until = null, failure = %(failure)s,
       finished_at = case when %(status)s = 'queued' then null else now() end
where id = %(id)s
"""
# Includes attempts that were counted as lost before their worker's death was known: a host may take longer to start its
# worker again.
NOTE_DEATH: Final = b"""
with died as (
    update attempts a set worker_died = true from builds b
    where b.id = a.build_id and b.status in ('queued', 'running') and a.number > b.uncounted
      and a.worker = %(worker)s and a.started_at > now() - make_interval(secs => %(seconds)s) and not a.worker_died
      and (a.finished_at is null or a.failure->>'code' = 'worker-lost')
    returning a.build_id
)
update builds set deaths = deaths + 1 from died where builds.id = died.build_id returning builds.id
"""
_DOOMED: Final = b"""
select id, lane, worker, attempt - uncounted as tries, max_attempts, cancel_requested, deaths,
       array(select worker from attempts a where a.build_id = builds.id and worker_died order by number) as dead
from builds where id = any(%(ids)s) and status = 'queued' and deaths >= %(most_deaths)s for update
"""
_END_PAUSES: Final = b"""
update builds set not_before = null where status = 'queued' and not_before <= now() returning id, lane
"""
# When procrastinate prunes a worker, its jobs would stay "doing" for ever.
_DROP_DEAD_JOBS: Final = b"delete from procrastinate_jobs where status = 'doing' and worker_id is null"
_COLUMNS: Final = """
id, project, version, python, platform, status, stage, created_at, finished_at, wheel, failure, priority, not_before,
waiting, lane, started_at
"""
# Builds that pause come last. Those before them are taken first, whatever their turn.
_WAITING: Final = f"""
select {_COLUMNS} from builds where status = 'queued' and not waiting
order by not_before nulls first, priority, turn, sequence limit %(limit)s
"""  # noqa: S608  (a constant)
_RUNNING: Final = f"select {_COLUMNS} from builds where status = 'running' order by sequence limit 500"  # noqa: S608
_TOTAL: Final = """
select count(*) filter (where not waiting) as total, count(*) filter (where waiting) as blocked
from builds where status = 'queued'
"""


class PostgresQueue:
    """Serve the queue of builds from PostgreSQL."""

    def __init__(
        self,
        database: Database,
        queue: BuildQueue,
        *,
        lease_seconds: float = 20.0,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the lease of our own claims, and a monotonic clock."""
        self._database = database
        self._queue = queue
        self._lease_seconds = lease_seconds
        self._elapsed = elapsed
        self._ahead_seconds: float | None = None
        """How far the database's clock was ahead of ours at the last sweep."""

    async def claim_next(self, offer: Allocation) -> Claim | None:
        """Lock and take the first build in the queue that fits the allocation; None if there is none."""
        async with self._database.transaction() as connection:
            await prefer_order(connection)
            lanes = [*map(str, offer.lanes), *await _without_native(connection, offer)]
            values = {"lanes": lanes, "memory": offer.total.memory_bytes}
            first = [row["id"] for row in await (await connection.execute(NEXT_BUILDS, values)).fetchall()]
            if not first:
                return None
            row = await (await connection.execute(LOCK_FIRST, {"ids": first})).fetchone()
            if row is None or not _fits(row, offer):
                return None
            return await claim_on(
                connection, self._queue, str(row["id"]), worker=offer.worker, lease_seconds=offer.lease_seconds
            )

    async def sweep(self) -> int:
        """Handle overdue builds and ended pauses; return how many. An advisory lock admits one worker at a time."""
        async with self._database.transaction() as connection:
            row = await (await connection.execute(SWEEP_LOCK)).fetchone()
            if row is None:
                return 0
            jump = self._jump_seconds(row["now"])
            if not row["mine"]:
                return 0
            if abs(jump) > self._lease_seconds / 4:
                _log.warning("clock-jumped", seconds=round(jump, 1))
                await connection.execute(_GRANT_GRACE, {"grace": self._lease_seconds})
            await connection.execute(_DROP_DEAD_JOBS)
            overdue = await (await connection.execute(_OVERDUE)).fetchall()
            for row in overdue:
                await self._end_lost(connection, row)
            rested = await (await connection.execute(_END_PAUSES)).fetchall()
            for row in rested:
                await self._queue.wake(connection, row["lane"])
                await notify(connection, str(row["id"]))
                note_rested(str(row["id"]))
            return len(overdue) + len(rested) + await repair(connection, self._queue)

    async def note_death(self, worker: str, *, seconds: float) -> int:
        """Count a worker's death for each of its builds. End the waiting builds whose workers died too often."""
        async with self._database.transaction() as connection:
            values = {"worker": worker, "seconds": seconds}
            ids = [row["id"] for row in await (await connection.execute(NOTE_DEATH, values)).fetchall()]
            doomed = await connection.execute(_DOOMED, {"ids": ids, "most_deaths": MAX_DEATHS})
            for row in await doomed.fetchall():
                await self._end_lost(connection, row)
            return len(ids)

    async def read(self, *, limit: int) -> LiveQueue:
        """Return what runs and the first of what waits."""
        running = await self._database.fetch_all(_RUNNING, {})
        waiting = await self._database.fetch_all(_WAITING, {"limit": limit})
        counts = await self._database.fetch_one(_TOTAL, {}) or {}
        return LiveQueue(running=readable("build", running, _live), waiting=readable("build", waiting, _live), **counts)

    def _jump_seconds(self, now: datetime) -> float:
        """Return how far the database's clock has moved since the last sweep, beyond the time that has passed."""
        ahead = now.timestamp() - self._elapsed()
        former, self._ahead_seconds = self._ahead_seconds, ahead
        return 0.0 if former is None else ahead - former

    async def _end_lost(self, connection: Connection, row: Row) -> None:
        """Queue a build again whose worker is gone, or end it: cancelled, or with no attempt left."""
        status, failure = _status_of_lost(row)
        values = {"id": row["id"], "status": status.value, "failure": failure_json(failure)}
        await connection.execute(_END, values)
        await close_lost(connection, str(row["id"]))
        await notify(connection, str(row["id"]))
        note_lost(str(row["id"]), worker=row["worker"], status=status, failure=failure)
        if status is Status.QUEUED:
            await self._queue.wake(connection, row["lane"])
        else:
            await release_dependents(connection, self._queue, str(row["id"]))


async def _without_native(connection: Connection, offer: Allocation) -> list[str]:
    """Return the lanes that a worker may serve by emulation, because no active worker serves them natively."""
    if not offer.emulated:
        return []
    rows = await (await connection.execute(_NATIVE, {"silent": SILENT_SECONDS})).fetchall()
    native = {row["lane"] for row in rows}
    return [lane for lane in map(str, offer.emulated) if lane not in native]


def _fits(row: Row, offer: Allocation) -> bool:
    if row["deaths"]:
        return offer.free.covers(offer.total)
    resource_request = ResourceRequest(cpus=row["need_cpus"], memory_bytes=row["need_memory_bytes"])
    return offer.free.covers(offer.total.share(resource_request, offer.default))


def _status_of_lost(row: Row) -> tuple[Status, Failure | None]:
    if row["cancel_requested"]:
        return Status.CANCELLED, None
    if row["deaths"] >= MAX_DEATHS:
        return Status.FAILED, Failure.of(WorkerKilledError(workers=row["dead"][-row["deaths"] :]), stage=None)
    if row["tries"] < row["max_attempts"]:
        return Status.QUEUED, None
    return Status.FAILED, Failure.of(AttemptsExhaustedError(attempts=row["tries"]), stage=None)


def _live(row: Row) -> LiveBuild:
    architecture, suite, python = row["lane"].split("/")
    lane = Lane(architecture=architecture, suite=suite, python=python)
    return LiveBuild(build=summary_of(row), lane=lane, started_at=row["started_at"])
