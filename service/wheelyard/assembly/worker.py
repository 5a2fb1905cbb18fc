"""A worker process: takes builds from the queue and runs them, and sweeps up after workers that are gone."""

import asyncio
import contextlib
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from wheelyard.adapters.host.worker_life import WorkerLife
from wheelyard.adapters.images.host_metrics import HostWatch
from wheelyard.adapters.images.refresh import ImageRefreshes
from wheelyard.adapters.store.lease_keeper import LeaseKeeper
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.domain.builds.queue import WorkerRegistration, WorkerState
from wheelyard.domain.catalogue.status import EngineImages
from wheelyard.errors import OperatorError
from wheelyard.interfaces import Engine, FleetStore, MetricStore, WorkQueue
from wheelyard.logs import get_logger
from wheelyard.metrics import CacheLookups
from wheelyard.usecases.check_index import RegularCheck
from wheelyard.usecases.periodic_work import PeriodicWork, repeat
from wheelyard.usecases.take_builds import TakeBuilds

_SWEEP_SECONDS: Final = 1.0
_REPORT_SECONDS: Final = 5.0
_PERIODIC_SECONDS: Final = 60.0
_IMAGES_SECONDS: Final = 60.0
_PACK_SECONDS: Final = 5.0
_HOST_SECONDS: Final = 30.0
_REFRESH_POLL_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 5.0
_log = get_logger(__name__)

WORKER_LABEL: Final = "org.wheelyard.worker"


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """Everything that one worker runs on."""

    registration: WorkerRegistration
    folder: Path
    """Where its attempts work."""
    keeper: LeaseKeeper
    """Keeps its leases while its loop is held up."""
    life: WorkerLife
    """Tells how the former worker of this name ended."""
    calls: BuildQueue
    """Wakes it up."""
    queue: WorkQueue
    fleet: FleetStore
    engine: Engine
    look_at_images: Callable[[], Awaitable[EngineImages]]
    """Lists the images that its engine has."""
    host: HostWatch
    figures: MetricStore
    lookups: CacheLookups
    """What it has looked for in its caches since it told the others."""
    take_builds: TakeBuilds
    periodic: PeriodicWork
    pack_logs: Callable[[], Awaitable[None]]
    """Compresses the logs of attempts that have ended."""
    index_check: RegularCheck
    refresh: ImageRefreshes
    refresh_interval_seconds: float
    """How often images are refreshed; 0 is never."""

    async def run(self) -> None:
        """Work until cancelled; what runs then is handed back."""
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
        await self._remove_leftovers()
        await self._note_former()
        lanes = [str(lane) for lane in self.registration.lanes]
        try:
            async with self.keeper, asyncio.TaskGroup() as tasks:
                tasks.create_task(repeat("sweep", self.queue.sweep, seconds=_SWEEP_SECONDS))
                tasks.create_task(repeat("periodic work", self.periodic, seconds=_PERIODIC_SECONDS))
                tasks.create_task(repeat("index check", self.index_check, seconds=_PERIODIC_SECONDS))
                tasks.create_task(repeat("report", self._report, seconds=_REPORT_SECONDS))
                tasks.create_task(repeat("images", self._report_images, seconds=_IMAGES_SECONDS))
                tasks.create_task(repeat("log packing", self.pack_logs, seconds=_PACK_SECONDS))
                tasks.create_task(repeat("host", self.host.look, seconds=_HOST_SECONDS))
                if self.refresh_interval_seconds > 0:
                    tasks.create_task(repeat("refresh", self._refresh, seconds=_REFRESH_POLL_SECONDS))
                tasks.create_task(self.take_builds.run(), name="builds")
                tasks.create_task(
                    self.calls.run(self.take_builds.wake, lanes=lanes, name=self.registration.name), name="calls"
                )
        finally:
            await self._say(WorkerState.STOPPED)
            self.life.end()

    async def drain(self, seconds: float) -> None:
        """Take nothing new from now on, and return when what runs has ended, or the time is over."""
        draining = asyncio.create_task(self.take_builds.drain(seconds))
        await self._say(WorkerState.DRAINING)
        _log.info("worker-drained", everything_ended=await draining)

    async def _remove_leftovers(self) -> None:
        """Remove containers that a former worker of this name left; an engine that is down is reported by builds."""
        with contextlib.suppress(OperatorError):
            count = await self.engine.remove_leftovers({WORKER_LABEL: self.registration.name})
            _log.info("leftovers-removed", count=count)

    async def _note_former(self) -> None:
        """Note builds with which the former worker died; whoever cannot be told now takes it for lost."""
        if (seconds := self.life.begin()) is not None:
            with contextlib.suppress(OperatorError):
                count = await self.queue.note_death(self.registration.name, seconds=seconds)
                _log.warning("worker-died", worker=self.registration.name, builds=count)

    async def _refresh(self) -> None:
        """Refresh images when it is time; builds go on beside it, because each knows its image by its id."""
        await self.refresh.run_if_due(self.refresh_interval_seconds)

    async def _report(self) -> None:
        await self.fleet.report_worker(
            self._card_as(self.registration.state if self.take_builds.is_open else WorkerState.DRAINING)
        )
        await self._hand_over_lookups()

    async def _hand_over_lookups(self) -> None:
        """Add what was looked up to the figures of all; what cannot be told now is told the next time."""
        tallies = self.lookups.take()
        if not tallies:
            return
        try:
            await self.figures.add(tallies)
        except OperatorError:
            self.lookups.put_back(tallies)
            raise

    async def _report_images(self) -> None:
        await self.fleet.report_images(await self.look_at_images())

    async def _say(self, state: WorkerState) -> None:
        """Tell the others what becomes of us; who cannot be told finds out."""
        with contextlib.suppress(OperatorError, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self.fleet.report_worker(self._card_as(state))

    def _card_as(self, state: WorkerState) -> WorkerRegistration:
        return replace(self.registration, state=state, host_figures=self.host.newest)
