"""Assembly of a worker and of what its attempts use."""

import hashlib
import platform
import socket
import ssl
from dataclasses import replace
from pathlib import Path

from uv import find_uv_bin

from wheelyard.adapters.devpi.own_wheels import MixedSource, OwnWheels
from wheelyard.adapters.engine.containers import ContainerEngine
from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.host.worker_life import WorkerLife
from wheelyard.adapters.images.host_metrics import HostWatch
from wheelyard.adapters.resolver.sdists import read_sdist_pyproject
from wheelyard.adapters.resolver.wheels import UvWheelResolver
from wheelyard.adapters.store.attempts import BEAT, PostgresAttempts
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.fleet import PostgresFleet
from wheelyard.adapters.store.lease_keeper import LeaseKeeper
from wheelyard.adapters.store.logs import PostgresLogPacking
from wheelyard.adapters.store.metrics import PostgresMetrics
from wheelyard.adapters.store.periodic import PostgresPeriodic
from wheelyard.adapters.store.queue import NOTE_DEATH, PostgresQueue
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.adapters.store.wheels import PostgresWheels
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.adapters.upstream.crates import CrateArchives
from wheelyard.assembly.images import (
    agent_program,
    catalogue,
    container_users,
    engine_command,
    image_inventory,
    image_refreshes,
    logged_images,
    longest_stage_seconds,
)
from wheelyard.assembly.index import IndexBackends, own_wheels, regular_check, worker_index
from wheelyard.assembly.prebuilds import resolver_pages, uv_options
from wheelyard.assembly.worker import WORKER_LABEL, Worker
from wheelyard.domain.builds.queue import Capacity, Lane, ResourceRequest, WorkerRegistration, WorkerState
from wheelyard.errors import SettingsInvalidError
from wheelyard.interfaces import Limits, ParserPool, SourceIndex
from wheelyard.metrics import CacheLookups
from wheelyard.pipeline.job import Tools
from wheelyard.pipeline.limits import LimitRules
from wheelyard.pipeline.publish import publish_on
from wheelyard.pipeline.steps import steps_to
from wheelyard.settings import Settings
from wheelyard.usecases.periodic_work import PeriodicWork, Retention
from wheelyard.usecases.run_build import AttemptOptions, RunBuild
from wheelyard.usecases.take_builds import TakeBuilds, TakeOptions


def worker_name(settings: Settings) -> str:
    """Name this worker: the same at each start on one host and state directory, so that it finds its leavings."""
    place = hashlib.sha256(str(settings.state_dir.resolve()).encode()).hexdigest()[:8]
    return f"{socket.gethostname()}-{place}"


def make_worker(  # noqa: PLR0913  (assembly has many parts)
    settings: Settings,
    *,
    database: Database,
    source: SourceIndex,
    parsers: ParserPool,
    index: IndexBackends,
    lookups: CacheLookups,
    uv_slots: FairSlots,
) -> Worker:
    """Assemble a worker."""
    name = worker_name(settings)
    queue = BuildQueue(database.conninfo)
    attempts = PostgresAttempts(database, queue)
    tools = attempt_tools(
        settings,
        name,
        source=source,
        parsers=parsers,
        own=own_wheels(settings, database, index),
        lookups=lookups,
        uv_slots=uv_slots,
    )
    options = attempt_options(settings, name)
    keeper = LeaseKeeper(
        conninfo=database.conninfo,
        worker=name,
        lease_seconds=settings.lease_seconds,
        statements={"beat": BEAT.encode(), "note_death": NOTE_DEATH},
    )
    steps = steps_to(publish_on(worker_index(settings, database, index), PostgresWheels(database)))
    run_build = RunBuild(store=attempts, steps=steps, tools=tools, options=options, keeper=keeper)
    registration = worker_registration(settings)
    figures = PostgresMetrics(database)
    work = PostgresQueue(database, queue, lease_seconds=settings.lease_seconds)
    take = TakeOptions(
        worker=name,
        lease_seconds=settings.lease_seconds,
        lanes=registration.lanes,
        capacity=registration.capacity,
        default=ResourceRequest(cpus=settings.limit_cpus, memory_bytes=settings.limit_memory_bytes),
    )
    return Worker(
        registration=registration,
        folder=options.folder,
        keeper=keeper,
        life=WorkerLife(settings.state_dir / "worker.alive"),
        calls=queue,
        queue=work,
        fleet=PostgresFleet(database),
        engine=tools.engine,
        look_at_images=image_inventory(settings).look,
        host=HostWatch(engine=engine_command(settings), state_dir=settings.state_dir),
        figures=figures,
        lookups=lookups,
        take_builds=TakeBuilds(queue=work, run_build=run_build, options=take),
        index_check=regular_check(database, index),
        periodic=PeriodicWork(PostgresPeriodic(database), figures, _retention(settings)),
        refresh=image_refreshes(settings),
        pack_logs=PostgresLogPacking(database),
        refresh_interval_seconds=settings.refresh_interval_hours * 3600,
    )


def attempt_tools(  # noqa: PLR0913  (assembly has many parts)
    settings: Settings,
    name: str,
    *,
    source: SourceIndex,
    parsers: ParserPool,
    own: OwnWheels | None,
    uv_slots: FairSlots,
    lookups: CacheLookups | None = None,
) -> Tools:
    """Gather what the stages of attempts use; without wheels of our own, they build with upstream's alone."""
    return Tools(
        source=MixedSource(source, own) if own else source,
        resolver=UvWheelResolver(uv_options(settings, uv_slots), resolver_pages(settings, source, own, parsers)),
        engine=ContainerEngine(
            engine_command(settings),
            prefetch_network=settings.prefetch_network,
            recipe_network=settings.recipe_network,
            users=container_users(settings),
        ),
        images=logged_images(settings, lookups),
        crates=CrateArchives(
            ContentCache(root=settings.state_dir / "cache" / "crates", floor_bytes=settings.disk_floor_bytes),
            lookups=lookups,
        ),
        parsers=parsers,
        read_pyproject=read_sdist_pyproject,
        agent=agent_program().data,
        installer=Path(find_uv_bin()),
        limits=_limit_rules(settings),
        output_bytes=settings.limit_wheel_bytes,
        build_number=settings.build_number,
        labels={WORKER_LABEL: name},
        network_for_recipes=settings.recipe_network is not None,
        ca_bundle=_certificates(settings),
    )


def attempt_options(settings: Settings, name: str) -> AttemptOptions:
    """Say how a worker of this name runs attempts."""
    return AttemptOptions(
        worker=name,
        folder=settings.state_dir / "attempts" / name,
        lease_seconds=settings.lease_seconds,
        log_bytes=settings.limit_log_bytes,
        log_ceiling_bytes=max(settings.ceiling_log_bytes, settings.limit_log_bytes),
        log_bytes_per_second=settings.log_bytes_per_second,
        retry_seconds=settings.retry_seconds,
    )


def worker_registration(settings: Settings) -> WorkerRegistration:
    """Say what this worker is, where it can build and what it can give."""
    architecture = platform.machine()
    choices = tuple(catalogue(settings).on(architecture).builders())
    wanted = settings.worker_suites or {choice.suite for choice in choices}
    lanes = {
        Lane(architecture=architecture, suite=choice.suite, python=choice.python)
        for choice in choices
        if choice.suite in wanted
    }
    if not lanes:
        raise SettingsInvalidError(problems=[f"WHEELYARD_WORKER_SUITES names no suite that {architecture} can build"])
    return WorkerRegistration(
        name=worker_name(settings),
        host=socket.gethostname(),
        lanes=tuple(sorted(lanes, key=str)),
        capacity=_capacity(settings),
        state=WorkerState.ACTIVE,
    )


def _capacity(settings: Settings) -> Capacity:
    """Say what a worker can give; unless the settings say so, all its slots fit beside each other."""
    return Capacity(
        slots=settings.worker_slots,
        cpus=settings.worker_cpus or settings.worker_slots * settings.limit_cpus,
        memory_bytes=settings.worker_memory_bytes or settings.worker_slots * settings.limit_memory_bytes,
    )


def _retention(settings: Settings) -> Retention:
    return Retention(logs_days=settings.retain_logs_days, builds_days=settings.retain_builds_days)


def _certificates(settings: Settings) -> Path | None:
    """Say which certificates to trust: the operator's, else this host's, if it has them in one file."""
    if settings.ca_bundle is not None:
        return settings.ca_bundle
    system = ssl.get_default_verify_paths().cafile
    return Path(system) if system else None


def _limit_rules(settings: Settings) -> LimitRules:
    """Say what builds get; the most is what the worker can give to all of its builds together."""
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
