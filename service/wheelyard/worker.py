"""A worker process: takes builds from the queue and runs them, and sweeps up after workers that are gone."""

import asyncio
import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.adapters.build_queue import BuildQueue
from wheelyard.adapters.image_refreshes import ImageRefreshes
from wheelyard.adapters.postgres_attempts import PostgresAttempts
from wheelyard.errors import OperatorError
from wheelyard.interfaces import Engine
from wheelyard.logs import get_logger
from wheelyard.usecases.run_build import RunBuild

_SWEEP_SECONDS: Final = 1.0
_REFRESH_POLL_SECONDS: Final = 60.0
_log = get_logger(__name__)

WORKER_LABEL: Final = "org.wheelyard.worker"


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """Everything that one worker runs on."""

    name: str
    slots: int
    folder: Path
    """Where its attempts work."""
    queue: BuildQueue
    attempts: PostgresAttempts
    engine: Engine
    run_build: RunBuild
    refresh: ImageRefreshes
    refresh_interval_seconds: float
    """How often images are refreshed; 0 is never."""

    async def run(self) -> None:
        """Work until cancelled."""
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
        await self._remove_leftovers()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sweep_often(), name="sweep")
            tasks.create_task(self._refresh_often(), name="refresh")
            tasks.create_task(self.queue.run(self.run_build, slots=self.slots, name=self.name), name="queue")

    async def _remove_leftovers(self) -> None:
        """Remove containers that a former worker of this name left; an engine that is down is reported by builds."""
        with contextlib.suppress(OperatorError):
            count = await self.engine.remove_leftovers({WORKER_LABEL: self.name})
            _log.info("leftovers-removed", count=count)

    async def _refresh_often(self) -> None:
        """Refresh images when it is time; builds go on beside it, because each knows its image by its id."""
        while self.refresh_interval_seconds > 0:
            await self.refresh.run_if_due(self.refresh_interval_seconds)
            await asyncio.sleep(_REFRESH_POLL_SECONDS)

    async def _sweep_often(self) -> None:
        while True:
            try:
                touched = await self.attempts.sweep()
            except OperatorError as error:
                _log.warning("sweep-failed", reason=error.summary)
            else:
                if touched:
                    _log.info("builds-requeued", count=touched)
            await asyncio.sleep(_SWEEP_SECONDS)
