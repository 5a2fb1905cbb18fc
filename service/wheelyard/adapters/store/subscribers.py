"""The subscribers of builds in PostgreSQL, and the end of builds that have none left.

A build's subscribers are the requests for it that were not withdrawn, and the builds that wait for it.
"""

from collections.abc import Collection
from typing import Final

from wheelyard.adapters.store.access import record_change
from wheelyard.adapters.store.database import Connection, cancel_topic, notify
from wheelyard.adapters.store.dependencies import fail_dependents, stop_waiting
from wheelyard.adapters.store.rows import Row
from wheelyard.domain.access import Action, Change
from wheelyard.domain.builds.build import Status

LIVE: Final = (Status.QUEUED, Status.RUNNING)

# A transaction that joins a build locks it too. So either the request is seen here, or the joiner sees that the build
# has ended.
_LOCK: Final = b"""
select id from builds where id = any(%(builds)s) and status in ('queued', 'running') order by id for update
"""
_WITHDRAW: Final = b"""
update requests set withdrawn = true where prebuild_id = %(id)s and build_id = any(%(builds)s)
"""
_CANCEL: Final = b"""
update builds set cancel_requested = true, not_before = null, waiting = false,
       status = case when status = 'queued' then 'cancelled' else status end,
       finished_at = case when status = 'queued' then now() else finished_at end
where id = any(%(builds)s) and status = any(%(statuses)s)
  and not exists (select from requests where build_id = builds.id and not withdrawn)
  and not exists (select from build_waits where for_build_id = builds.id and released_at is null)
returning id, project
"""
_HAS_ASKED: Final = b"select from requests where build_id = %(id)s and requested_by = %(by)s limit 1"
_LEAVE: Final = b"""
update requests set withdrawn = true where build_id = %(id)s and requested_by = %(by)s and not withdrawn
"""
_LEAVE_FOR_ALL: Final = b"update requests set withdrawn = true where build_id = %(id)s and not withdrawn"
_HAND_ON: Final = b"""
update builds set queued_for = next.requested_by
from (select requested_by from requests where build_id = %(id)s and not withdrawn order by id limit 1) as next
where id = %(id)s and status = 'queued' and queued_for = %(by)s
"""
_LIVE_PROJECT: Final = b"select project from builds where id = %(id)s and status in ('queued', 'running')"
_WANT_AGAIN: Final = b"update requests set withdrawn = false where build_id = %(id)s and requested_by = %(by)s"
_WANT: Final = b"""
insert into requests (build_id, requirement, requested_by, joined, request_id, trace_id)
select id, requirement, %(by)s, true, %(request_id)s, %(trace_id)s from builds where id = %(id)s
"""
_WANTED: Final = b"select distinct build_id from requests where prebuild_id = %(id)s and not withdrawn"


async def wanted_builds(connection: Connection, prebuild_id: str) -> list[str]:
    """Return the builds that were started or joined for a prebuild."""
    rows = await (await connection.execute(_WANTED, {"id": prebuild_id})).fetchall()
    return [str(row["build_id"]) for row in rows]


async def withdraw(
    connection: Connection, prebuild_id: str, build_ids: Collection[str], *, statuses: Collection[Status], by: str
) -> tuple[str, ...]:
    """Withdraw a prebuild's requests for builds. Cancel and return those of some status without other subscribers."""
    values = {"id": prebuild_id, "builds": list(build_ids)}
    await connection.execute(_LOCK, values)
    await connection.execute(_WITHDRAW, values)
    return await _end_unwanted(connection, build_ids, statuses=statuses, by=by, request=prebuild_id)


async def leave(connection: Connection, build_id: str, *, by: str) -> bool:
    """Withdraw a caller's requests for a build; return False if there were none.

    Cancel the build if it has no other subscriber. Otherwise it takes the turn of those who remain.
    """
    values = {"builds": [build_id], "id": build_id, "by": by}
    await connection.execute(_LOCK, values)
    if (await (await connection.execute(_HAS_ASKED, values)).fetchone()) is None:
        return False
    left = (await connection.execute(_LEAVE, values)).rowcount
    if not await _end_unwanted(connection, [build_id], statuses=LIVE, by=by, request=""):
        handed_on = (await connection.execute(_HAND_ON, values)).rowcount
        row = await (await connection.execute(_LIVE_PROJECT, values)).fetchone()
        if row is not None and (left or handed_on):
            details = {"project": row["project"]}
            await record_change(
                connection, Change(actor=by, action=Action.BUILD_LEFT, object=build_id, details=details)
            )
    return True


async def leave_for_all(connection: Connection, build_id: str) -> None:
    """Withdraw all requests for a build, since it was cancelled for all: a retry is for its caller alone."""
    await connection.execute(_LEAVE_FOR_ALL, {"id": build_id})


async def want_again(connection: Connection, build_id: str, request: Row) -> None:
    """Record that the caller who retried a build wants it."""
    values = {**request, "id": build_id}
    if not (await connection.execute(_WANT_AGAIN, values)).rowcount:
        await connection.execute(_WANT, values)


async def leave_cancelled(
    connection: Connection, build_id: str, *, statuses: Collection[Status], by: str, request: str = ""
) -> None:
    """Fail what waits for a build that was just cancelled, and cancel what was built for it alone."""
    await fail_dependents(connection, build_id)
    awaited = await stop_waiting(connection, build_id)
    if awaited:
        await _end_unwanted(connection, awaited, statuses=statuses, by=by, request=request)


async def _end_unwanted(
    connection: Connection, build_ids: Collection[str], *, statuses: Collection[Status], by: str, request: str
) -> tuple[str, ...]:
    values = {"builds": list(build_ids), "statuses": [status.value for status in statuses]}
    await connection.execute(_LOCK, values)
    rows = await (await connection.execute(_CANCEL, values)).fetchall()
    for row in rows:
        details = {"project": row["project"], **({"request": request} if request else {})}
        change = Change(actor=by, action=Action.BUILD_CANCELLED, object=str(row["id"]), details=details)
        await record_change(connection, change)
        await leave_cancelled(connection, str(row["id"]), statuses=statuses, by=by, request=request)
        await notify(connection, str(row["id"]))
        await notify(connection, cancel_topic(str(row["id"])))
    return tuple(str(row["id"]) for row in rows)
