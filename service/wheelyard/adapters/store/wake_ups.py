"""Wake-up calls for workers: procrastinate on our PostgreSQL.

A job is only a wake-up call. The worker that is woken claims the next build, and the builds' rows decide which one
(docs/decisions/0013).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import procrastinate
from procrastinate.exceptions import ProcrastinateException
from psycopg_pool import PoolTimeout

from wheelyard.adapters.store.database import Connection
from wheelyard.logs import get_logger

TASK: Final = "take_builds"
ENOUGH_CALLS: Final = 32
"""How many wake-up calls a lane holds at most. More would wake no worker sooner."""
_PREFIX: Final = "builds/"
_POLL_SECONDS: Final = 1.0
_RESTART_SECONDS: Final = 1.0
_CONNECTION_SECONDS: Final = 3.0
_WAITING: Final = b"""
select count(*) as calls from (
    select from procrastinate_jobs where queue_name = %(queue)s and status = 'todo' limit %(limit)s) waiting
"""

Wake = Callable[[], Awaitable[None]]
"""Called at each wake-up call. The next call is not taken before it returns."""
_log = get_logger(__name__)


class BuildQueue:
    """Send and answer wake-up calls, one queue for each lane."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        # Jobs are always deferred on the caller's connection, so this app's own connector is never opened.
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=conninfo))

    async def wake(self, connection: Connection, lane: str) -> None:
        """Wake a worker that serves the lane when the caller's transaction commits."""
        queue = _PREFIX + lane
        row = await (await connection.execute(_WAITING, {"queue": queue, "limit": ENOUGH_CALLS})).fetchone()
        if row is None or row["calls"] < ENOUGH_CALLS:
            await self._app.configure_task(TASK, queue=queue, connection=connection).defer_async()

    async def run(self, wake: Wake, *, lanes: Sequence[str], name: str) -> None:
        """Answer calls until cancelled. Start the loop again if it ends because the database went away."""
        while True:
            try:
                await self._run_once(wake, lanes=lanes, name=name)
            except (ProcrastinateException, PoolTimeout, OSError) as error:
                _log.warning("queue-interrupted", reason=str(error))
            except Exception:  # noqa: BLE001  a fault in the calls must not end the builds that run beside them
                _log.exception("queue-interrupted")
            _raise_if_cancelled()
            await asyncio.sleep(_RESTART_SECONDS)

    async def _run_once(self, wake: Wake, *, lanes: Sequence[str], name: str) -> None:
        # The pool's default of 30 seconds would delay a stop while the database is down: the worker signs off there.
        connector = procrastinate.PsycopgConnector(
            conninfo=self._conninfo, min_size=1, max_size=4, timeout=_CONNECTION_SECONDS
        )
        app = procrastinate.App(connector=connector)

        @app.task(name=TASK)
        async def take() -> None:
            # procrastinate cancels the tasks of coroutine functions only, and an object with an async __call__ is none:
            # https://github.com/procrastinate-org/procrastinate/pull/1190
            await wake()

        async with app.open_async():
            await app.run_worker_async(
                queues=[_PREFIX + lane for lane in lanes],
                concurrency=1,
                name=name,
                fetch_job_polling_interval=_POLL_SECONDS,
                delete_jobs="always",
                install_signal_handlers=False,
                shutdown_graceful_timeout=0.0,
            )


def _raise_if_cancelled() -> None:
    """Raise CancelledError if this task was cancelled: a loop that also lost its database reports only the loss."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
