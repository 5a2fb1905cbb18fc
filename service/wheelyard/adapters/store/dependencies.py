"""Builds in PostgreSQL that depend on other builds: how they are blocked, released, and failed.

Everything happens in the transaction that causes it. Rows that other transactions hold are skipped, so that no two
transactions wait for each other. The sweep handles them later (``repair``).
"""

from typing import Final

from wheelyard.adapters.store.database import Connection, notify
from wheelyard.adapters.store.rows import Row, failure_json, failure_of
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.build_events import note_ended, note_rested
from wheelyard.domain.builds.build import Failure, MissingRelease, Status
from wheelyard.domain.builds.graph import BrokenChain, DependencyGraph, refuse_needs
from wheelyard.domain.builds.records import Claim

_SATISFIED: Final = b"select project, version from build_waits where build_id = %(id)s and released_at is not null"
_WAIT: Final = b"insert into build_waits (build_id, project, version) values (%(id)s, %(project)s, %(version)s)"
_BEGIN: Final = b"update builds set waiting = true where id = %(id)s"
_GRAPH: Final = b"""
select w.build_id, w.for_build_id, a.project || ' ' || a.version as name, b.project || ' ' || b.version as needed
from build_waits w join builds a on a.id = w.build_id join builds b on b.id = w.for_build_id
where w.released_at is null
"""
_ENDED: Final = b"""
select id, project || ' ' || version as name, status, failure from builds
where id = %(id)s and status in ('succeeded', 'failed', 'cancelled')
"""
_DEPENDENTS: Final = b"""
select id, project || ' ' || version as name from builds
where status = 'queued' and waiting and id in (
    select build_id from build_waits where for_build_id = %(id)s and released_at is null)
order by id for update skip locked
"""
_RELEASE: Final = b"""
update build_waits set released_at = now()
where build_id = any(%(ids)s) and for_build_id = %(needed)s and released_at is null
"""
_GO_ON: Final = b"""
update builds b set waiting = false where id = any(%(ids)s) and status = 'queued' and waiting and not exists (
    select from build_waits w where w.build_id = b.id and w.released_at is null)
returning id, lane
"""
_FAIL: Final = b"""
update builds set status = 'failed', waiting = false, not_before = null, finished_at = now(), failure = %(failure)s
where id = %(id)s
"""
_FORGET: Final = b"delete from build_waits where build_id = %(id)s and released_at is null returning for_build_id"
_FORGET_ALL: Final = b"delete from build_waits where build_id = %(id)s"
_OVERLOOKED: Final = b"""
select distinct w.for_build_id as id from build_waits w join builds b on b.id = w.for_build_id
where w.released_at is null and b.status in ('succeeded', 'failed', 'cancelled') limit 100
"""
_STUCK: Final = b"""
select id from builds b where waiting and not exists (
    select from build_waits w where w.build_id = b.id and w.released_at is null)
limit 100 for update skip locked
"""


async def begin_waiting(connection: Connection, claim: Claim, needs: tuple[MissingRelease, ...]) -> None:
    """Block a build that was just queued again until releases are built, or fail it if it may not wait."""
    values = {"id": claim.build_id}
    rows = await (await connection.execute(_SATISFIED, values)).fetchall()
    release = f"{claim.order.project} {claim.order.version}"
    error = refuse_needs(
        release,
        needs,
        satisfied=[MissingRelease(project=row["project"], version=row["version"]) for row in rows],
        line_above=(await read_graph(connection)).line_above(claim.build_id),
    )
    if error is not None:
        await fail(connection, claim.build_id, Failure.of(error, stage=None))
        return
    for need in needs:
        await connection.execute(_WAIT, {**values, "project": need.project, "version": need.version})
    await connection.execute(_BEGIN, values)


async def read_graph(connection: Connection) -> DependencyGraph:
    """Return which builds wait for which now."""
    rows = await (await connection.execute(_GRAPH)).fetchall()
    names = {str(row["build_id"]): row["name"] for row in rows}
    names |= {str(row["for_build_id"]): row["needed"] for row in rows}
    return DependencyGraph(waits=[(str(row["build_id"]), str(row["for_build_id"])) for row in rows], names=names)


async def release_dependents(connection: Connection, queue: BuildQueue, build_id: str) -> int:
    """Release or fail the builds that depend on a build which has ended; return how many changed."""
    row = await (await connection.execute(_ENDED, {"id": build_id})).fetchone()
    if row is None or row["status"] != Status.SUCCEEDED.value:
        return await fail_dependents(connection, build_id)
    dependents = [one["id"] for one in await _dependents(connection, build_id)]
    if dependents:
        await connection.execute(_RELEASE, {"ids": dependents, "needed": build_id})
    return await go_on(connection, queue, dependents)


async def fail_dependents(connection: Connection, build_id: str) -> int:
    """Fail the builds that depend on a build which has ended without a wheel; return how many."""
    row = await (await connection.execute(_ENDED, {"id": build_id})).fetchone()
    if row is None or row["status"] == Status.SUCCEEDED.value:
        return 0
    status, failure = Status(row["status"]), failure_of(row)
    chain = BrokenChain.at(row["name"], build_id=build_id, status=status, failure=failure)
    return await _fail_dependents(connection, build_id, chain)


async def fail(connection: Connection, build_id: str, failure: Failure) -> None:
    """Fail a build that waits or was about to, and those that depend on it."""
    await _end_failed(connection, build_id, failure)
    await fail_dependents(connection, build_id)


async def go_on(connection: Connection, queue: BuildQueue, build_ids: list[object]) -> int:
    """Queue those of the builds again that wait for nothing more; return how many."""
    if not build_ids:
        return 0
    rows = await (await connection.execute(_GO_ON, {"ids": build_ids})).fetchall()
    for row in rows:
        await queue.wake(connection, row["lane"])
        await notify(connection, str(row["id"]))
        note_rested(str(row["id"]))
    return len(rows)


async def stop_waiting(connection: Connection, build_id: str) -> tuple[str, ...]:
    """Delete what an ended build was waiting for; return the builds that were ordered for it."""
    rows = await (await connection.execute(_FORGET, {"id": build_id})).fetchall()
    return tuple(sorted(str(row["for_build_id"]) for row in rows if row["for_build_id"] is not None))


async def forget_dependencies(connection: Connection, build_id: str) -> None:
    """Delete all dependencies of a build that starts afresh."""
    await connection.execute(_FORGET_ALL, {"id": build_id})


async def repair(connection: Connection, queue: BuildQueue) -> int:
    """Handle the rows that were skipped; return how many builds changed."""
    overlooked = await (await connection.execute(_OVERLOOKED)).fetchall()
    count = 0
    for row in overlooked:
        count += await release_dependents(connection, queue, str(row["id"]))
    stuck = await (await connection.execute(_STUCK)).fetchall()
    return count + await go_on(connection, queue, [row["id"] for row in stuck])


async def _fail_dependents(connection: Connection, needed_id: str, chain: BrokenChain) -> int:
    count = 0
    for row in await _dependents(connection, needed_id):
        longer = chain.needed_by(row["name"])
        await _end_failed(connection, str(row["id"]), longer.failure())
        count += 1 + await _fail_dependents(connection, str(row["id"]), longer)
    return count


async def _dependents(connection: Connection, needed_id: str) -> list[Row]:
    return await (await connection.execute(_DEPENDENTS, {"id": needed_id})).fetchall()


async def _end_failed(connection: Connection, build_id: str, failure: Failure) -> None:
    await connection.execute(_FAIL, {"id": build_id, "failure": failure_json(failure)})
    await stop_waiting(connection, build_id)
    await notify(connection, build_id)
    note_ended(build_id, Status.FAILED, code=failure.code)
