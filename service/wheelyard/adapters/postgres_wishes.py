"""Who wants a build, and the end of those that nobody wants any more. Must not decide what is wanted.

A build is wanted by every request for it that was not withdrawn, and by every build that waits for it.
"""

from collections.abc import Collection
from typing import Final

from wheelyard.adapters.database import Connection
from wheelyard.adapters.postgres_audit import record_change
from wheelyard.adapters.postgres_topics import cancel_topic, notify
from wheelyard.adapters.postgres_waits import fail_dependents, stop_waiting
from wheelyard.domain.access import Action, Change
from wheelyard.domain.build import Status

LIVE: Final = (Status.QUEUED, Status.RUNNING)

# Who joins a build locks it too: either the wish is seen here, or the joiner sees that the build has ended.
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
_WANTED: Final = b"select distinct build_id from requests where prebuild_id = %(id)s and not withdrawn"


async def wanted_builds(connection: Connection, prebuild_id: str) -> list[str]:
    """List the builds that were started or joined for a prebuild."""
    rows = await (await connection.execute(_WANTED, {"id": prebuild_id})).fetchall()
    return [str(row["build_id"]) for row in rows]


async def withdraw(
    connection: Connection, prebuild_id: str, build_ids: Collection[str], *, statuses: Collection[Status], by: str
) -> tuple[str, ...]:
    """Let a prebuild want builds no longer, and cancel those of some status that nobody else wants; return which."""
    values = {"id": prebuild_id, "builds": list(build_ids)}
    await connection.execute(_LOCK, values)
    await connection.execute(_WITHDRAW, values)
    return await _end_unwanted(connection, build_ids, statuses=statuses, by=by, request=prebuild_id)


async def leave_cancelled(
    connection: Connection, build_id: str, *, statuses: Collection[Status], by: str, request: str = ""
) -> None:
    """Let go of a build that was just cancelled: fail what waits for it, and cancel what was built for it alone."""
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
