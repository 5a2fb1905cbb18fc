"""A worker process: takes builds from the queue and runs them, and cleans up after lost workers."""

import asyncio
import contextlib
import hashlib
import platform
import shutil
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from uv import find_uv_bin

from wheelyard.adapters.engine.containers import ContainerEngine
from wheelyard.adapters.host.disk import disk_full_error
from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.host.worker_life import WorkerLife
from wheelyard.adapters.images.host_metrics import HostWatch
from wheelyard.adapters.images.optimised import OptimisedPythons
from wheelyard.adapters.images.python_sources import PythonSources
from wheelyard.adapters.images.refresh import ImageRefreshes
from wheelyard.adapters.resolver.own_wheels import MixedSource, OwnWheels
from wheelyard.adapters.resolver.sdists import read_needs, read_sdist_pyproject
from wheelyard.adapters.resolver.wheels import UvWheelResolver
from wheelyard.adapters.store.attempts import BEAT, PostgresAttempts
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.fleet import PostgresFleet
from wheelyard.adapters.store.healings import PostgresHealings
from wheelyard.adapters.store.lease_keeper import LeaseKeeper
from wheelyard.adapters.store.logs import PostgresLogPacking
from wheelyard.adapters.store.metrics import PostgresMetrics
from wheelyard.adapters.store.periodic import PostgresPeriodic
from wheelyard.adapters.store.queue import NOTE_DEATH, PostgresQueue
from wheelyard.adapters.store.uploads import PostgresUploadBytes
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.adapters.store.wheels import PostgresSdists, PostgresWheels
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.adapters.upstream.crates import CrateArchives
from wheelyard.assembly.archives import suite_archives
from wheelyard.assembly.backends import Backends
from wheelyard.assembly.images import (
    container_users,
    image_inventory,
    image_refreshes,
    logged_images,
    longest_stage_seconds,
    optimised_pythons,
    python_sources,
)
from wheelyard.assembly.index import healed_index, own_wheels, regular_check, worker_index
from wheelyard.assembly.parts import Parts, git_repositories
from wheelyard.assembly.prebuilds import resolver_pages, uv_options
from wheelyard.assembly.signing import attesting_of, signing_key
from wheelyard.domain.builds.queue import Capacity, Lane, ResourceRequest, WorkerRegistration, WorkerState
from wheelyard.domain.catalogue.architectures import EMULATED
from wheelyard.domain.catalogue.optimisation import OptimisedMode
from wheelyard.domain.catalogue.reach import PythonReach, Reach
from wheelyard.domain.catalogue.status import EngineImages
from wheelyard.domain.healing.healing import Healing, HealMode, HealRules
from wheelyard.domain.packaging.target import python_order
from wheelyard.errors import OperatorError, SettingsInvalidError
from wheelyard.interfaces import (
    Engine,
    FleetStore,
    Limits,
    MetricStore,
    ParserPool,
    SdistStore,
    SourceIndex,
    SuiteArchives,
    WorkQueue,
)
from wheelyard.logs import get_logger
from wheelyard.metrics import CacheLookups
from wheelyard.pipeline.attest import attested
from wheelyard.pipeline.job import Tools, learn_nothing, no_sdists
from wheelyard.pipeline.limits import LimitRules
from wheelyard.pipeline.publish import publish_on
from wheelyard.pipeline.steps import steps_to
from wheelyard.settings import Settings
from wheelyard.usecases.builders.reach import FollowReach
from wheelyard.usecases.check_index import RegularCheck
from wheelyard.usecases.periodic_work import PeriodicWork, Retention, repeat
from wheelyard.usecases.run_build import AttemptOptions, RunBuild
from wheelyard.usecases.take_builds import TakeBuilds, TakeOptions

_SWEEP_SECONDS: Final = 1.0
_REPORT_SECONDS: Final = 5.0
_PERIODIC_SECONDS: Final = 60.0
_IMAGES_SECONDS: Final = 60.0
_PYTHONS_SECONDS: Final = 600.0
_ARCHIVES_SECONDS: Final = 10.0
_PACK_SECONDS: Final = 5.0
_KEY_SECONDS: Final = 2.0
_HOST_SECONDS: Final = 30.0
_REFRESH_POLL_SECONDS: Final = 60.0
_OPTIMISE_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 5.0
_log = get_logger(__name__)

WORKER_LABEL: Final = "org.wheelyard.worker"


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """Everything that one worker runs on."""

    registration: WorkerRegistration
    folder: Path
    """The directory of its attempts."""
    keeper: LeaseKeeper
    """Extends its leases while its loop is blocked."""
    life: WorkerLife
    """Knows how the former worker of this name ended."""
    calls: BuildQueue
    """Wakes it up when there is a new build."""
    queue: WorkQueue
    fleet: FleetStore
    engine: Engine
    look_at_images: Callable[[], Awaitable[EngineImages]]
    """Lists the images that its engine has."""
    pythons: PythonSources
    """Knows which Pythons its host can have."""
    reach: FollowReach
    """Knows which ones all engines together can have."""
    host: HostWatch
    metrics: MetricStore
    lookups: CacheLookups
    """Its cache look-ups since the last report."""
    take_builds: TakeBuilds
    periodic: PeriodicWork
    read_archives: Callable[[], Awaitable[None]]
    """Reads the suites' package archives that others ask for."""
    keep_key: Callable[[], Awaitable[None]]
    """Keeps its signing key certified."""
    pack_logs: Callable[[], Awaitable[None]]
    """Compresses the logs of attempts that have ended."""
    index_check: RegularCheck
    refreshes: tuple[ImageRefreshes, ...]
    """Of its images, one for each architecture."""
    refresh_interval_seconds: float
    """How often images are refreshed; 0 is never."""
    optimised: OptimisedPythons | None
    """Compiles Pythons with a profile while there is nothing to do; None if it must not."""

    async def run(self) -> None:
        """Work until cancelled; builds that run then go back into the queue."""
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
                tasks.create_task(repeat("python sources", self._look_for_pythons, seconds=_PYTHONS_SECONDS))
                tasks.create_task(repeat("archives", self.read_archives, seconds=_ARCHIVES_SECONDS))
                tasks.create_task(repeat("signing key", self.keep_key, seconds=_KEY_SECONDS))
                tasks.create_task(repeat("log packing", self.pack_logs, seconds=_PACK_SECONDS))
                tasks.create_task(repeat("host", self.host.look, seconds=_HOST_SECONDS))
                if self.refresh_interval_seconds > 0:
                    tasks.create_task(repeat("refresh", self._refresh, seconds=_REFRESH_POLL_SECONDS))
                if self.optimised is not None:
                    tasks.create_task(repeat("optimised Pythons", self._optimise, seconds=_OPTIMISE_SECONDS))
                tasks.create_task(self.take_builds.run(), name="builds")
                tasks.create_task(
                    self.calls.run(self.take_builds.wake, lanes=lanes, name=self.registration.name), name="calls"
                )
        finally:
            await self._report_state(WorkerState.STOPPED)
            self.life.end()

    async def drain(self, seconds: float) -> None:
        """Take nothing new from now on, and return when running builds have ended, or the time is over."""
        draining = asyncio.create_task(self.take_builds.drain(seconds))
        await self._report_state(WorkerState.DRAINING)
        _log.info("worker-drained", everything_ended=await draining)

    async def _remove_leftovers(self) -> None:
        """Remove containers that a former worker of this name left; builds report an engine that does not answer."""
        with contextlib.suppress(OperatorError):
            count = await self.engine.remove_leftovers({WORKER_LABEL: self.registration.name})
            _log.info("leftovers-removed", count=count)

    async def _note_former(self) -> None:
        """Record the builds with which the former worker died; without a database it counts as lost later."""
        if (seconds := self.life.begin()) is not None:
            with contextlib.suppress(OperatorError):
                count = await self.queue.note_death(self.registration.name, seconds=seconds)
                _log.warning("worker-died", worker=self.registration.name, builds=count)

    async def _refresh(self) -> None:
        """Refresh images when it is time; builds continue meanwhile, because each knows its image by its id."""
        for refresh in self.refreshes:
            await refresh.run_if_due(self.refresh_interval_seconds)

    async def _optimise(self) -> None:
        """Compile a Python with a profile if there is nothing else to do; it takes no slot of a build."""
        if self.optimised is not None:
            await self.optimised.run_if_idle(is_idle=self.take_builds.is_idle)

    async def _report(self) -> None:
        await self.fleet.report_worker(
            self._registration_as(self.registration.state if self.take_builds.is_open else WorkerState.DRAINING)
        )
        await self._report_lookups()

    async def _report_lookups(self) -> None:
        """Add this process's cache look-ups to the shared metrics; after an error they are added the next time."""
        counts = self.lookups.take()
        if not counts:
            return
        try:
            await self.metrics.add(counts)
        except OperatorError:
            self.lookups.put_back(counts)
            raise

    async def _report_images(self) -> None:
        pythons = await self.pythons.current()
        await self.fleet.report_images(replace(await self.look_at_images(), pythons=pythons))
        await self.reach.look()
        self._leave_to_others(pythons or ())

    async def _look_for_pythons(self) -> None:
        """Ask the mirrors which Pythons this host can have, and report it."""
        found = await self.pythons.look()
        lacking = sorted({one.python for one in found if not one.reachable}, key=python_order)
        _log.info("pythons-looked-for", unreachable=lacking)
        await self._report_images()

    def _leave_to_others(self, pythons: Iterable[PythonReach]) -> None:
        """Take no builds for Pythons that another engine can have, and this one cannot."""
        known = self.reach().known
        better = {one.key for one in pythons if not one.reachable and one.key in known and known[one.key].reachable}
        lanes = self.registration.served
        self.take_builds.leave_out(
            frozenset(lane for lane in lanes if (lane.architecture, lane.suite, lane.python) in better)
        )

    async def _report_state(self, state: WorkerState) -> None:
        """Report our state to the others; without a report they notice the missing heartbeats."""
        with contextlib.suppress(OperatorError, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self.fleet.report_worker(self._registration_as(state))

    def _registration_as(self, state: WorkerState) -> WorkerRegistration:
        return replace(self.registration, state=state, host_figures=self.host.newest)


def worker_name(settings: Settings) -> str:
    """Return this worker's name, which identifies its host and state directory, so that it finds its remains."""
    place = hashlib.sha256(str(settings.state_dir.resolve()).encode()).hexdigest()[:8]
    return f"{socket.gethostname()}-{place}"


def make_worker(backends: Backends) -> Worker:
    """Make a worker."""
    parts, database, settings = backends.parts, backends.database, backends.parts.settings
    registration, metrics, calls = worker_registration(parts), PostgresMetrics(database), BuildQueue(database.conninfo)
    queue = PostgresQueue(database, calls, lease_seconds=settings.lease_seconds)
    keeper = _lease_keeper(settings, database)
    archives = suite_archives(parts, database)
    pythons = python_sources(parts)
    tools, options = _worker_tools(backends, archives, pythons), attempt_options(settings, registration.name)
    keys = signing_key(database, registration.name)
    publish = attested(
        publish_on(
            worker_index(settings, database, backends.index),
            PostgresWheels(database),
            healed=healed_index(settings, database, backends.index),
        ),
        attesting_of(database, keys),
    )
    run_build = RunBuild(
        store=PostgresAttempts(database, calls), steps=steps_to(publish), tools=tools, options=options, keeper=keeper
    )
    return Worker(
        registration=registration,
        folder=options.folder,
        keeper=keeper,
        life=WorkerLife(StateDir(settings.state_dir).worker_life),
        calls=calls,
        queue=queue,
        fleet=PostgresFleet(database),
        engine=tools.engine,
        look_at_images=image_inventory(parts).look,
        pythons=pythons,
        reach=FollowReach(PostgresFleet(database).list_engines),
        host=HostWatch(engine=parts.engine, state_dir=settings.state_dir),
        metrics=metrics,
        lookups=backends.lookups,
        take_builds=TakeBuilds(queue=queue, run_build=run_build, options=_take_options(settings, registration)),
        index_check=regular_check(database, backends.index),
        periodic=PeriodicWork(PostgresPeriodic(database), metrics, PostgresUploadBytes(database), _retention(settings)),
        refreshes=image_refreshes(parts),
        read_archives=archives.read_asked,
        keep_key=keys.refresh,
        pack_logs=PostgresLogPacking(database),
        refresh_interval_seconds=settings.refresh_interval_hours * 3600,
        optimised=None if settings.optimised_python is OptimisedMode.OFF else optimised_pythons(parts),
    )


def _lease_keeper(settings: Settings, database: Database) -> LeaseKeeper:
    return LeaseKeeper(
        conninfo=database.conninfo,
        worker=worker_name(settings),
        lease_seconds=settings.lease_seconds,
        statements={"beat": BEAT.encode(), "note_death": NOTE_DEATH},
    )


def _worker_tools(backends: Backends, archives: SuiteArchives, pythons: PythonSources) -> Tools:
    settings = backends.parts.settings
    return attempt_tools(
        backends.parts,
        worker_name(settings),
        source=backends.source,
        parsers=backends.parsers,
        own=own_wheels(settings, backends.database, backends.index),
        sdists=PostgresSdists(backends.database),
        lookups=backends.lookups,
        uv_slots=backends.uv_slots,
        archives=archives,
        learnt=PostgresHealings(backends.database).newest_of,
        reach=lambda: pythons.newest,
    )


def _take_options(settings: Settings, registration: WorkerRegistration) -> TakeOptions:
    return TakeOptions(
        worker=registration.name,
        lease_seconds=settings.lease_seconds,
        lanes=registration.lanes,
        emulated=registration.emulated,
        capacity=registration.capacity,
        default=ResourceRequest(cpus=settings.limit_cpus, memory_bytes=settings.limit_memory_bytes),
    )


def attempt_tools(  # noqa: PLR0913  (assembly has many parts)
    parts: Parts,
    name: str,
    *,
    source: SourceIndex,
    parsers: ParserPool,
    own: OwnWheels | None,
    uv_slots: FairSlots,
    archives: SuiteArchives,
    sdists: SdistStore | None = None,
    lookups: CacheLookups | None = None,
    heal: HealMode | None = None,
    learnt: Callable[[str], Awaitable[tuple[str, Healing] | None]] = learn_nothing,
    reach: Callable[[], Reach] = Reach,
) -> Tools:
    """Make the tools of the stages; without wheels of our own, builds use only upstream's.

    ``heal`` replaces the operator's setting.
    """
    settings = parts.settings
    return Tools(
        source=MixedSource(source, own) if own else source,
        resolver=UvWheelResolver(
            uv_options(settings, uv_slots), resolver_pages(settings, source, own, parsers, sdists=sdists)
        ),
        engine=ContainerEngine(
            parts.engine,
            prefetch_network=settings.prefetch_network,
            recipe_network=settings.recipe_network,
            users=container_users(settings),
        ),
        images=logged_images(parts, lookups),
        crates=CrateArchives(
            ContentCache(root=StateDir(settings.state_dir).crate_cache, floor_bytes=settings.disk_floor_bytes),
            lookups=lookups,
        ),
        parsers=parsers,
        read_pyproject=read_sdist_pyproject,
        archives=archives,
        read_needs=read_needs,
        agent=parts.agent.data,
        installer=Path(find_uv_bin()),
        limits=_limit_rules(settings),
        emulated=frozenset(EMULATED) - {platform.machine()},
        emulation_time_factor=settings.emulation_time_factor,
        output_bytes=settings.limit_wheel_bytes,
        build_number=settings.build_number,
        labels={WORKER_LABEL: name},
        suites=tuple(parts.catalogue.suite),
        builders=tuple(parts.catalogue.builders()),
        reach=reach,
        heal=HealRules(mode=heal or settings.heal),
        learnt=learnt,
        sdists_of=sdists.sdists_of if sdists else no_sdists,
        denied_licenses=settings.deny_licenses,
        network_for_recipes=settings.recipe_network is not None,
        repositories=git_repositories(settings),
        ca_bundle=_certificates(settings),
    )


def attempt_options(settings: Settings, name: str) -> AttemptOptions:
    """Return how a worker of this name runs attempts."""
    return AttemptOptions(
        worker=name,
        folder=StateDir(settings.state_dir).attempts(name),
        disk_full=disk_full_error,
        lease_seconds=settings.lease_seconds,
        log_bytes=settings.limit_log_bytes,
        log_ceiling_bytes=max(settings.ceiling_log_bytes, settings.limit_log_bytes),
        log_bytes_per_second=settings.log_bytes_per_second,
        retry_seconds=settings.retry_seconds,
    )


def worker_registration(parts: Parts) -> WorkerRegistration:
    """Return the registration of this worker: where it can build and its capacity."""
    settings, architecture = parts.settings, platform.machine()
    choices = tuple(parts.catalogue.on(architecture).builders())
    wanted = settings.worker_suites or {choice.suite for choice in choices}
    lanes = {
        Lane(architecture=architecture, suite=choice.suite, python=choice.python)
        for choice in choices
        if choice.suite in wanted
    }
    if not lanes:
        raise SettingsInvalidError(problems=[f"WHEELYARD_WORKER_SUITES names no suite that {architecture} can build"])
    emulated = {
        Lane(architecture=other, suite=choice.suite, python=choice.python)
        for other in parts.emulated
        for choice in parts.catalogue.on(other).builders()
        if choice.suite in wanted
    }
    return WorkerRegistration(
        name=worker_name(settings),
        host=socket.gethostname(),
        lanes=tuple(sorted(lanes, key=str)),
        emulated=tuple(sorted(emulated, key=str)),
        capacity=_capacity(settings),
        state=WorkerState.ACTIVE,
    )


def _capacity(settings: Settings) -> Capacity:
    """Return a worker's capacity; unless the settings name it, builds in all slots fit beside each other."""
    return Capacity(
        slots=settings.worker_slots,
        cpus=settings.worker_cpus or settings.worker_slots * settings.limit_cpus,
        memory_bytes=settings.worker_memory_bytes or settings.worker_slots * settings.limit_memory_bytes,
    )


def _retention(settings: Settings) -> Retention:
    return Retention(logs_days=settings.retain_logs_days, builds_days=settings.retain_builds_days)


def _certificates(settings: Settings) -> Path | None:
    """Return the certificates to trust: the operator's, else this host's, if it has them in one file."""
    if settings.ca_bundle is not None:
        return settings.ca_bundle
    system = ssl.get_default_verify_paths().cafile
    return Path(system) if system else None


def _limit_rules(settings: Settings) -> LimitRules:
    """Return the limits of builds; the highest is what the worker can give to all of its builds together."""
    default, capacity = _limits(settings), _capacity(settings)
    ceiling = replace(
        default,
        memory_bytes=capacity.memory_bytes,
        cpus=capacity.cpus,
        scratch_bytes=max(capacity.memory_bytes, default.scratch_bytes),
        time_seconds=longest_stage_seconds(settings),
    )
    return LimitRules(default=default, ceiling=ceiling)


def _limits(settings: Settings) -> Limits:
    return Limits(
        memory_bytes=settings.limit_memory_bytes,
        cpus=settings.limit_cpus,
        processes=settings.limit_processes,
        scratch_bytes=settings.limit_scratch_bytes,
        time_seconds=settings.limit_time_seconds,
        open_files=settings.engine_open_files,
    )
