"""The queue: procrastinate on our PostgreSQL. A job is only a wake-up call; the build's row and its lease decide.

Must not read or write builds: whoever is called claims the build first.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import procrastinate
from procrastinate.exceptions import ProcrastinateException
from psycopg_pool import PoolTimeout

from wheelyard.adapters.database import Connection
from wheelyard.logs import get_logger

TASK: Final = "run_build"
QUEUE: Final = "builds"
_POLL_SECONDS: Final = 1.0
_RESTART_SECONDS: Final = 1.0
_CONNECTION_SECONDS: Final = 3.0

RunBuild = Callable[[str], Awaitable[None]]
_log = get_logger(__name__)


class BuildQueue:
    """Defers and runs wake-up calls for builds."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        # Deferring always happens on the caller's connection, so this app's own connector is never opened.
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=conninfo))

    async def defer(self, connection: Connection, build_id: str) -> None:
        """Put a build into the queue, inside the caller's transaction."""
        job = self._app.configure_task(TASK, queue=QUEUE, connection=connection)
        await job.defer_async(build_id=build_id)

    async def run(self, run_build: RunBuild, *, slots: int, name: str) -> None:
        """Run builds until cancelled; a loop that ends because the database went away is begun anew."""
        while True:
            try:
                await self._run_once(run_build, slots=slots, name=name)
            except (ProcrastinateException, PoolTimeout, OSError) as error:
                _log.warning("queue-interrupted", reason=str(error))
            _heed_cancellation()
            await asyncio.sleep(_RESTART_SECONDS)

    async def _run_once(self, run_build: RunBuild, *, slots: int, name: str) -> None:
        # The pool's own 30 seconds would hold up a stop while the database is away: the worker signs off there.
        connector = procrastinate.PsycopgConnector(
            conninfo=self._conninfo, min_size=1, max_size=4, timeout=_CONNECTION_SECONDS
        )
        app = procrastinate.App(connector=connector)

        @app.task(name=TASK, queue=QUEUE)
        async def run(build_id: str) -> None:
            # procrastinate cancels coroutine functions only, and an object with an async __call__ is none.
            await run_build(build_id)

        async with app.open_async():
            await app.run_worker_async(
                queues=[QUEUE],
                concurrency=slots,
                name=name,
                fetch_job_polling_interval=_POLL_SECONDS,
                delete_jobs="always",
                install_signal_handlers=False,
                # A cancelled worker hands its builds back by letting their leases run out.
                shutdown_graceful_timeout=0.0,
            )


def _heed_cancellation() -> None:
    """End if we were asked to: a loop that loses its database while it is being cancelled reports only the loss."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
