"""Write the progress of attempts to PostgreSQL, fenced by the attempt's number.

A lease is measured by the database's clock only.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Final

from wheelyard.adapters.store.database import CHANNEL, Connection, Database, cancel_topic, notify
from wheelyard.adapters.store.dependencies import begin_waiting, release_dependents
from wheelyard.adapters.store.rows import (
    Row,
    failure_json,
    healing_json,
    order_columns,
    order_of,
    reading,
    timings_json,
    trace_of,
    wheel_json,
)
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.adapters.store.wheels import forget_uploads, record
from wheelyard.build_events import note_ended
from wheelyard.domain.builds.build import Failure, Stage, Status
from wheelyard.domain.builds.queue import MAX_DEATHS
from wheelyard.domain.builds.records import Beat, Claim, Outcome
from wheelyard.domain.index.wheels import IndexEntry
from wheelyard.errors import RecordUnreadableError, WorkerLostError

_CLAIM: Final = b"""
update builds set status = 'running', stage = null, attempt = attempt + 1, worker = %(worker)s,
       lease_until = now() + make_interval(secs => %(lease)s), started_at = coalesce(started_at, now())
where id = %(id)s and attempt - uncounted < max_attempts and not cancel_requested and deaths < %(most_deaths)s
  and ((status = 'queued' and not_before is null and not waiting) or (status = 'running' and lease_until < now()))
returning *
"""
_OPEN_ATTEMPT: Final = b"insert into attempts (build_id, number, worker) values (%(id)s, %(number)s, %(worker)s)"
_LOST_ATTEMPTS: Final = (
    b"select number, worker, worker_died from attempts where build_id = %(id)s and finished_at is null"
)
_CLOSE_ATTEMPT: Final = b"""
update attempts set status = %(status)s, finished_at = now(), timings = coalesce(%(timings)s, timings),
       failure = %(failure)s, log_truncated = %(truncated)s,
       healing = %(healing)s
where build_id = %(id)s and number = %(number)s and finished_at is null
"""
BEAT: Final = """
update builds set lease_until = now() + make_interval(secs => %(lease)s)
where id = %(id)s and attempt = %(number)s and status = 'running' returning cancel_requested
"""
_ENTER_STAGE: Final = b"""
update builds set stage = %(stage)s where id = %(id)s and attempt = %(number)s and status = 'running' returning id
"""
# A build that would be tried again is final if its cancellation was requested or if this was its last try.
_FINISH: Final = b"""
with next as (
    select id, case
        when %(status)s <> 'queued' then %(status)s
        when cancel_requested then 'cancelled'
        when %(counts)s and attempt - uncounted >= max_attempts then 'failed'
        else 'queued' end as status
    from builds where id = %(id)s and attempt = %(number)s and status = 'running' for update
)
update builds set status = next.status, stage = null, lease_until = null, wheel = %(wheel)s,
       finished_at = case when next.status = 'queued' then null else now() end,
       failure = case when next.status = 'failed' then %(failure)s::jsonb end,
       not_before = case when next.status = 'queued' and %(wait)s > 0 then now() + make_interval(secs => %(wait)s) end,
       uncounted = uncounted + case when %(counts)s then 0 else 1 end
from next where builds.id = next.id returning builds.status, builds.lane
"""
# What a commit's version and sdist turned out to be.
_SET_SOURCE: Final = b"update builds set version = %(version)s, sdist = %(sdist)s where id = %(id)s"
_FAIL_TAKEN: Final = b"""
update builds set status = 'failed', stage = null, lease_until = null, failure = %(failure)s, finished_at = now()
where id = %(id)s
"""
_STATUS: Final = b"select status from builds where id = %(id)s"
# This is one statement because it runs many times a second. It is fenced, and it notifies the readers of the log.
_APPEND_LOG: Final = """
with held as (
    update attempts set log_size = log_size + octet_length(%(data)s::bytea)
    where build_id = %(id)s and number = %(number)s and exists (
        select from builds where id = %(id)s and attempt = %(number)s and status = 'running')
    returning log_size - octet_length(%(data)s::bytea) as start
), chunk as (
    insert into log_chunks (build_id, attempt, start, data)
    select %(id)s, %(number)s, start, %(data)s from held returning build_id
)
select pg_notify(%(channel)s, build_id::text) from chunk
"""


class PostgresAttempts:
    """Store attempts in PostgreSQL and listen for cancel requests."""

    def __init__(self, database: Database, queue: BuildQueue) -> None:
        self._database = database
        self._queue = queue

    async def claim(self, build_id: str, *, worker: str, lease_seconds: float) -> Claim | None:
        """Take the build and open an attempt; None if it cannot be taken. Close an earlier open attempt as lost."""
        async with self._database.transaction() as connection:
            return await claim_on(connection, self._queue, build_id, worker=worker, lease_seconds=lease_seconds)

    async def beat(self, claim: Claim, *, lease_seconds: float) -> Beat:
        """Extend the lease; return whether the claim still holds it and whether cancellation was requested."""
        row = await self._database.fetch_one(BEAT, {**_fence(claim), "lease": lease_seconds})
        return Beat(holds_lease=row is not None, cancel_requested=row is not None and bool(row["cancel_requested"]))

    async def enter_stage(self, claim: Claim, stage: Stage) -> bool:
        """Record the stage that begins; return False if the lease was lost."""
        async with self._database.transaction() as connection:
            values = {**_fence(claim), "stage": stage.value}
            row = await (await connection.execute(_ENTER_STAGE, values)).fetchone()
            await notify(connection, claim.build_id)
            return row is not None

    async def append_log(self, claim: Claim, data: bytes) -> bool:
        """Append a chunk to the log; return False if the lease was lost."""
        return bool(await self._database.ask(_APPEND_LOG, {**_fence(claim), "data": data, "channel": CHANNEL}))

    async def finish(self, claim: Claim, outcome: Outcome) -> Status | None:
        """Finish the attempt and the build in one transaction; return the new status, None if the lease was lost."""
        async with self._database.transaction() as connection:
            values = {
                **_fence(claim),
                "status": outcome.status.value,
                "failure": failure_json(outcome.failure),
                "wheel": wheel_json(outcome.wheel),
                "wait": outcome.wait_seconds,
                "counts": outcome.counts,
            }
            row = await (await connection.execute(_FINISH, values)).fetchone()
            if row is None:
                return None
            await _close(connection, claim.build_id, claim.attempt, outcome)
            if outcome.order is not None:
                columns = order_columns(outcome.order)
                await connection.execute(
                    _SET_SOURCE, {key: columns[key] for key in ("version", "sdist")} | _fence(claim)
                )
            await _record_wheel(connection, claim, outcome)
            if row["status"] != Status.QUEUED.value:
                await release_dependents(connection, self._queue, claim.build_id)
            elif outcome.needs:
                await begin_waiting(connection, claim, outcome.needs)
                row = await (await connection.execute(_STATUS, _fence(claim))).fetchone() or row
            else:
                await self._queue.wake(connection, row["lane"])
            await notify(connection, claim.build_id)
            return Status(row["status"])

    def cancel_asked(self, build_id: str) -> AbstractAsyncContextManager[asyncio.Event]:
        """Yield an event that is set when the build is to be cancelled."""
        return self._database.event(cancel_topic(build_id))


async def claim_on(
    connection: Connection, queue: BuildQueue, build_id: str, *, worker: str, lease_seconds: float
) -> Claim | None:
    """Take a build in the caller's transaction. Fail the build if its record cannot be read."""
    values = {"id": build_id, "worker": worker, "lease": lease_seconds, "most_deaths": MAX_DEATHS}
    row = await (await connection.execute(_CLAIM, values)).fetchone()
    if row is None:
        return None
    await close_lost(connection, build_id)
    await connection.execute(_OPEN_ATTEMPT, {"id": build_id, "number": row["attempt"], "worker": worker})
    await notify(connection, build_id)
    try:
        with reading("build", build_id):
            order = order_of(row)
    except RecordUnreadableError as error:
        await _fail_unreadable(connection, queue, row, error)
        return None
    return Claim(
        build_id=build_id,
        attempt=row["attempt"],
        worker=worker,
        order=order,
        tries=row["attempt"] - row["uncounted"],
        trace=trace_of(row),
        alone=row["deaths"] > 0,
    )


async def _fail_unreadable(connection: Connection, queue: BuildQueue, row: Row, error: RecordUnreadableError) -> None:
    """Fail a build that was just taken, and its attempt, because its order cannot be read."""
    build_id = str(row["id"])
    outcome = Outcome(status=Status.FAILED, failure=Failure.of(error, stage=None))
    await connection.execute(_FAIL_TAKEN, {"id": build_id, "failure": failure_json(outcome.failure)})
    await _close(connection, build_id, row["attempt"], outcome)
    await release_dependents(connection, queue, build_id)
    note_ended(build_id, Status.FAILED, code=error.code)


def _fence(claim: Claim) -> dict[str, object]:
    return {"id": claim.build_id, "number": claim.attempt}


async def _record_wheel(connection: Connection, claim: Claim, outcome: Outcome) -> None:
    if outcome.wheel is not None and outcome.published is not None:
        now = datetime.now(UTC)
        entry = IndexEntry.of(
            outcome.order or claim.order,
            outcome.wheel,
            outcome.published,
            build_id=claim.build_id,
            now=now,
            provenance=outcome.provenance,
        )
        await record(connection, entry)
        await forget_uploads(connection, entry.wheel.filename)


async def close_lost(connection: Connection, build_id: str) -> None:
    """Close the open attempts of a build whose worker is gone."""
    cursor = await connection.execute(_LOST_ATTEMPTS, {"id": build_id})
    for row in await cursor.fetchall():
        failure = Failure.of(WorkerLostError(worker=row["worker"], died=row["worker_died"]), stage=None)
        await _close(connection, build_id, row["number"], Outcome(status=Status.FAILED, failure=failure))


async def _close(connection: Connection, build_id: str, number: int, outcome: Outcome) -> None:
    values = {
        "id": build_id,
        "number": number,
        "status": outcome.attempt_status.value,
        "timings": timings_json(outcome.timings) if outcome.timings else None,
        "failure": failure_json(outcome.failure),
        "truncated": outcome.log_truncated,
        "healing": healing_json(outcome.healing),
    }
    await connection.execute(_CLOSE_ATTEMPT, values)
