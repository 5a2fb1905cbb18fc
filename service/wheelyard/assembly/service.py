"""Assembly of the API and of what most programs need: settings in, running parts out.

This module and its siblings (access_wiring, image_wiring, index_wiring, prebuild_wiring, worker_wiring) alone know both
the use cases and the adapters.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from wheelyard import __version__
from wheelyard.adapters.engine.containers import ContainerEngine
from wheelyard.adapters.host.disk_use import measure_disk
from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.recipes.checkout import RecipeCheckout
from wheelyard.adapters.recipes.folders import RecipeFolders, fetch_first
from wheelyard.adapters.store.access import PostgresAudit
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.fleet import PostgresWorkers
from wheelyard.adapters.store.logs import PostgresLogs
from wheelyard.adapters.store.metrics import PostgresMetrics, PostgresNames, PostgresStatistics
from wheelyard.adapters.store.missing_releases import PostgresMissingReleases
from wheelyard.adapters.store.prebuilds import PostgresPrebuildLists
from wheelyard.adapters.store.queue import PostgresLiveQueue
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.adapters.upstream.index import SimpleSourceIndex, SourceIndexOptions, find_pip
from wheelyard.api.services import ApiServices
from wheelyard.assembly.access import access_of, open_limits, sessions_of, tokens_of
from wheelyard.assembly.images import (
    builder_facts,
    catalogue,
    engine_command,
    image_inventory,
    image_reader,
    reported_builders,
)
from wheelyard.assembly.index import IndexBackends, index_services
from wheelyard.assembly.prebuilds import make_prebuilds
from wheelyard.domain.index.index import Level
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.source import parse_recipe_source
from wheelyard.domain.recipes.types import BOOK_SUITES
from wheelyard.interfaces import ParserPool, SourceIndex
from wheelyard.metrics import CacheLookups, HttpMetrics
from wheelyard.resources import data_path
from wheelyard.settings import Settings
from wheelyard.usecases.follow_log import FollowLog
from wheelyard.usecases.order_dependencies import OrderDependencies
from wheelyard.usecases.periodic_work import repeat
from wheelyard.usecases.request_build import RequestBuild
from wheelyard.usecases.retry_builds import RetryBuilds
from wheelyard.usecases.show_queue import ShowQueue


def source_index(
    settings: Settings, lookups: CacheLookups | None = None, parsers: ParserPool | None = None
) -> SimpleSourceIndex:
    """Make the upstream index; it is an asynchronous context manager."""
    return SimpleSourceIndex(
        SourceIndexOptions(
            cache_dir=settings.state_dir / "cache" / "files",
            index_url=settings.upstream_index_url,
            own_projects=OwnProjects.of(settings.own_projects),
            ca_bundle=settings.ca_bundle,
            file_limit_bytes=settings.limit_sdist_bytes,
            disk_floor_bytes=settings.disk_floor_bytes,
        ),
        lookups=lookups,
        parsers=parsers,
    )


def pip_wheel(settings: Settings) -> Path:
    """Return the pinned pip's wheel, fetched if it is not in the cache yet."""

    async def fetch() -> Path:
        async with source_index(settings) as source:
            return await source.fetch(await find_pip(source))

    return asyncio.run(fetch())


def recipe_registry(settings: Settings, *further: Path) -> RecipeFolders:
    """Say where recipes are: in the built-in book, then in the operator's own places, then in further folders."""
    root = settings.state_dir / "recipes"
    sources = [parse_recipe_source(text) for text in settings.recipes]
    places = [one if isinstance(one, Path) else RecipeCheckout(one, root=root) for one in sources]
    return RecipeFolders((data_path("recipes"), *places, *further), suites=known_suites(settings))


def known_suites(settings: Settings) -> frozenset[str]:
    """Say which suites a recipe may name: the catalogue's, and those of the book, which a catalogue may leave out."""
    return BOOK_SUITES | catalogue(settings).suite.keys()


async def api_services(  # noqa: PLR0913  (assembly has many parts)
    settings: Settings,
    *,
    database: Database,
    source: SourceIndex,
    parsers: ParserPool,
    index: IndexBackends,
    stopping: asyncio.Event,
    builds_here: bool,
    uv_slots: FairSlots,
) -> ApiServices:
    """Assemble what the API answers with; the engine of its own host matters to it only if a worker builds there."""
    queue = BuildQueue(database.conninfo)
    builds = PostgresBuilds(database, queue, max_attempts=settings.max_attempts, limits=open_limits(settings))
    logs = PostgresLogs(database)
    recipes = recipe_registry(settings)
    await fetch_first(recipes)
    access = access_of(settings, tokens := tokens_of(database))
    request_build = RequestBuild(
        source=source, store=builds, recipes=recipes, facts=await builder_facts(settings), equal_builds=builds
    )
    prebuilds = make_prebuilds(
        settings,
        database=database,
        source=source,
        parsers=parsers,
        index=index,
        builds=builds,
        request_build=request_build,
        uv_slots=uv_slots,
    )
    supply = OrderDependencies(store=PostgresMissingReleases(database, queue, builds), request_build=request_build)
    return ApiServices(
        request_build=request_build,
        prebuilds=prebuilds,
        follow_log=FollowLog(builds=builds, logs=logs),
        parsers=parsers,
        tokens=tokens,
        access=access,
        sessions=sessions_of(settings, database, access),
        audit=PostgresAudit(database),
        builds=builds,
        retries=RetryBuilds(builds=builds, store=builds),
        logs=logs,
        statistics=PostgresStatistics(database),
        figures=PostgresMetrics(database),
        http_metrics=HttpMetrics(version=__version__),
        disk=lambda: asyncio.to_thread(measure_disk, settings.state_dir),
        queue=ShowQueue(
            line=PostgresLiveQueue(database),
            workers=PostgresWorkers(database),
            times=builds,
            now=lambda: datetime.now(UTC),
        ),
        names=PostgresNames(database),
        prebuild_lists=PostgresPrebuildLists(database),
        recipes=recipes,
        upkeep=lambda: _keep_up(settings, recipes, supply),
        defaults=Target.parse(python=settings.default_python, platform=settings.default_platform),
        readiness={
            "database": builds.ping,
            "index": index.indexes[Level.PROD].ping,
            **({"engine": ContainerEngine(engine_command(settings)).ping} if builds_here else {}),
        },
        stopping=stopping,
        index=index_services(settings, database, index, targets=request_build.targets()),
        builders=image_inventory(settings).describe if builds_here else reported_builders(settings, database),
        image_content=image_reader(settings) if builds_here else None,
        workers=PostgresWorkers(database),
    )


async def _keep_up(settings: Settings, recipes: RecipeFolders, supply: OrderDependencies) -> None:
    """Do what is done beside the API: keep recipes up to date, order what builds wait for."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(repeat("recipes", recipes.update, seconds=settings.recipes_interval_seconds))
        tasks.create_task(supply.run())
