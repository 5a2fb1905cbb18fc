"""What workers write to PostgreSQL, fenced by the attempt's number, and the sweep that finds lost workers.

A lease runs by the database's clock alone. Must not decide what an attempt does.
"""

import asyncio
import gzip
from typing import Final

from wheelyard.adapters.build_queue import QUEUE, TASK, BuildQueue
from wheelyard.adapters.database import Connection, Database
from wheelyard.adapters.postgres_builds import notify
from wheelyard.adapters.records import failure_json, order_of, timings_json, wheel_json
from wheelyard.domain.build import Failure, Stage, Status
from wheelyard.domain.ledger import Beat, Claim, Outcome
from wheelyard.errors import AttemptsExhaustedError, WorkerLostError

_CLAIM: Final = b"""
update builds set status = 'running', stage = null, attempt = attempt + 1, worker = %(worker)s,
       lease_until = now() + make_interval(secs => %(lease)s), started_at = coalesce(started_at, now())
where id = %(id)s and attempt < max_attempts and not cancel_requested
  and (status = 'queued' or (status = 'running' and lease_until < now()))
returning *
"""
_OPEN_ATTEMPT: Final = b"insert into attempts (build_id, number, worker) values (%(id)s, %(number)s, %(worker)s)"
_LOST_ATTEMPTS: Final = b"select number, worker from attempts where build_id = %(id)s and finished_at is null"
_CLOSE_ATTEMPT: Final = b"""
update attempts set status = %(status)s, finished_at = now(), timings = coalesce(%(timings)s, timings),
       failure = %(failure)s, log_truncated = %(truncated)s, log_gzip = %(log)s
where build_id = %(id)s and number = %(number)s and finished_at is null
"""
_BEAT: Final = """
update builds set lease_until = now() + make_interval(secs => %(lease)s)
where id = %(id)s and attempt = %(number)s and status = 'running' returning cancel_requested
"""
_ENTER_STAGE: Final = b"""
update builds set stage = %(stage)s where id = %(id)s and attempt = %(number)s and status = 'running' returning id
"""
_FINISH: Final = b"""
update builds set status = %(status)s, stage = null, finished_at = now(), lease_until = null,
       failure = %(failure)s, wheel = %(wheel)s
where id = %(id)s and attempt = %(number)s and status = 'running' returning id
"""
_APPEND_LOG: Final = b"""
with held as (
    update attempts set log_size = log_size + octet_length(%(data)s::bytea)
    where build_id = %(id)s and number = %(number)s and exists (
        select from builds where id = %(id)s and attempt = %(number)s and status = 'running')
    returning log_size - octet_length(%(data)s::bytea) as start
)
insert into log_chunks (build_id, attempt, start, data)
select %(id)s, %(number)s, start, %(data)s from held returning start
"""
_CHUNKS: Final = b"select data from log_chunks where build_id = %(id)s and attempt = %(number)s order by start"
_DROP_CHUNKS: Final = b"delete from log_chunks where build_id = %(id)s and attempt = %(number)s"

_SWEEP_LOCK: Final = b"select pg_try_advisory_xact_lock(hashtext('wheelyard-sweep')) as mine"
_OVERDUE: Final = b"""
select id, attempt, max_attempts, cancel_requested from builds
where status = 'running' and lease_until < now() for update skip locked
"""
_GIVE_UP: Final = b"""
update builds set status = %(status)s, stage = null, finished_at = now(), lease_until = null, failure = %(failure)s
where id = %(id)s
"""
# Jobs of workers that procrastinate has pruned would stay "doing" for ever.
_DROP_DEAD_JOBS: Final = b"delete from procrastinate_jobs where status = 'doing' and worker_id is null"
_WITHOUT_JOB: Final = b"""
select id from builds b where (status = 'queued' or (status = 'running' and lease_until < now())) and not exists (
    select from procrastinate_jobs j where j.args->>'build_id' = b.id::text and j.task_name = %(task)s
    and j.queue_name = %(queue)s and (j.status = 'todo' or (j.status = 'doing' and b.status = 'queued')))
"""


class PostgresAttempts:
    """The AttemptStore on PostgreSQL."""

    def __init__(self, database: Database, queue: BuildQueue) -> None:
        self._database = database
        self._queue = queue

    async def claim(self, build_id: str, *, worker: str, lease_seconds: float) -> Claim | None:
        """Take the build and open an attempt; the former attempt, if it is still open, was lost."""
        async with self._database.transaction() as connection:
            values = {"id": build_id, "worker": worker, "lease": lease_seconds}
            row = await (await connection.execute(_CLAIM, values)).fetchone()
            if row is None:
                return None
            await _close_lost(connection, build_id)
            await connection.execute(_OPEN_ATTEMPT, {"id": build_id, "number": row["attempt"], "worker": worker})
            await notify(connection, build_id)
            return Claim(build_id=build_id, attempt=row["attempt"], worker=worker, order=order_of(row))

    async def beat(self, claim: Claim, *, lease_seconds: float) -> Beat:
        """Extend the lease if it is still ours."""
        row = await self._database.fetch_one(_BEAT, {**_fence(claim), "lease": lease_seconds})
        return Beat(holds_lease=row is not None, cancel_requested=row is not None and bool(row["cancel_requested"]))

    async def enter_stage(self, claim: Claim, stage: Stage) -> bool:
        """Record the stage that begins."""
        async with self._database.transaction() as connection:
            values = {**_fence(claim), "stage": stage.value}
            row = await (await connection.execute(_ENTER_STAGE, values)).fetchone()
            await notify(connection, claim.build_id)
            return row is not None

    async def append_log(self, claim: Claim, data: bytes) -> bool:
        """Add a chunk where the log ends."""
        async with self._database.transaction() as connection:
            values = {**_fence(claim), "data": data}
            row = await (await connection.execute(_APPEND_LOG, values)).fetchone()
            await notify(connection, claim.build_id)
            return row is not None

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """End the attempt and the build in one transaction, the log compressed."""
        async with self._database.transaction() as connection:
            values = {
                **_fence(claim),
                "status": outcome.status.value,
                "failure": failure_json(outcome.failure),
                "wheel": wheel_json(outcome.wheel),
            }
            row = await (await connection.execute(_FINISH, values)).fetchone()
            if row is None:
                return False
            await _close(connection, claim.build_id, claim.attempt, outcome)
            await notify(connection, claim.build_id)
            return True

    async def sweep(self) -> int:
        """Give up or requeue builds whose worker is gone, and queued ones without a job; return how many it touched.

        Every worker calls it each second; an advisory lock lets one of them do it.
        """
        async with self._database.transaction() as connection:
            row = await (await connection.execute(_SWEEP_LOCK)).fetchone()
            if row is None or not row["mine"]:
                return 0
            given_up = await _give_up_overdue(connection)
            await connection.execute(_DROP_DEAD_JOBS)
            cursor = await connection.execute(_WITHOUT_JOB, {"task": TASK, "queue": QUEUE})
            rows = await cursor.fetchall()
            for row in rows:
                await self._queue.defer(connection, str(row["id"]))
            return given_up + len(rows)


def _fence(claim: Claim) -> dict[str, object]:
    return {"id": claim.build_id, "number": claim.attempt}


async def _give_up_overdue(connection: Connection) -> int:
    """End overdue builds that nobody may take over: cancelled ones, and those with no attempt left."""
    count = 0
    for row in await (await connection.execute(_OVERDUE)).fetchall():
        if not row["cancel_requested"] and row["attempt"] < row["max_attempts"]:
            continue
        error = AttemptsExhaustedError(attempts=row["attempt"])
        failure = None if row["cancel_requested"] else Failure.of(error, stage=None)
        status = Status.CANCELLED if row["cancel_requested"] else Status.FAILED
        values = {"id": row["id"], "status": status.value, "failure": failure_json(failure)}
        await connection.execute(_GIVE_UP, values)
        await _close_lost(connection, str(row["id"]))
        await notify(connection, str(row["id"]))
        count += 1
    return count


async def _close_lost(connection: Connection, build_id: str) -> None:
    cursor = await connection.execute(_LOST_ATTEMPTS, {"id": build_id})
    for row in await cursor.fetchall():
        failure = Failure.of(WorkerLostError(worker=row["worker"]), stage=None)
        await _close(connection, build_id, row["number"], Outcome(status=Status.FAILED, failure=failure))


async def _close(connection: Connection, build_id: str, number: int, outcome: Outcome) -> None:
    place = {"id": build_id, "number": number}
    chunks = await (await connection.execute(_CHUNKS, place)).fetchall()
    log = await asyncio.to_thread(gzip.compress, b"".join(bytes(chunk["data"]) for chunk in chunks), 6)
    values = {
        **place,
        "status": outcome.status.value,
        "timings": timings_json(outcome.timings) if outcome.timings else None,
        "failure": failure_json(outcome.failure),
        "truncated": outcome.log_truncated,
        "log": log,
    }
    await connection.execute(_CLOSE_ATTEMPT, values)
    await connection.execute(_DROP_CHUNKS, place)
