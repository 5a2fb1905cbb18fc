"""Assembly of the API: its use cases, and the web pages on it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final

from fastapi import FastAPI

from wheelyard import __version__
from wheelyard.adapters.engine.containers import ContainerEngine
from wheelyard.adapters.host.disk import check_free_space, measure_disk
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.recipes.folders import RecipeFolders, fetch_first
from wheelyard.adapters.recipes.stored import StoredRecipes
from wheelyard.adapters.resolver.sdists import read_brought_sdist
from wheelyard.adapters.resolver.source_archives import read_identity_texts
from wheelyard.adapters.store.access import PostgresAudit
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.fleet import PostgresFleet
from wheelyard.adapters.store.logs import PostgresLogs
from wheelyard.adapters.store.metrics import PostgresMetrics
from wheelyard.adapters.store.missing_releases import PostgresMissingReleases
from wheelyard.adapters.store.prebuilds import PostgresPrebuilds
from wheelyard.adapters.store.queue import PostgresQueue
from wheelyard.adapters.store.recipes import PostgresRecipes
from wheelyard.adapters.store.signing.records import PostgresSigning
from wheelyard.adapters.store.uploads import PostgresUploads
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.adapters.store.wheels import PostgresWheels
from wheelyard.api.app import create_app
from wheelyard.api.request_context import random_request_id
from wheelyard.api.services import ApiServices, Check, IndexAccess, IndexServices, UploadServices
from wheelyard.assembly.access import access_of, open_limits, sessions_of, tokens_of
from wheelyard.assembly.archives import suite_archives
from wheelyard.assembly.backends import Backends
from wheelyard.assembly.images import builder_facts, image_inventory, image_reader
from wheelyard.assembly.index import IndexBackends, check_index, copies_on_disk, publish_sdists
from wheelyard.assembly.parts import Parts, git_repositories, known_suites, recipe_registry
from wheelyard.assembly.prebuilds import make_campaigns, make_prebuilds
from wheelyard.assembly.signing import authority_of, issue_and_attest
from wheelyard.assembly.worker import worker_name
from wheelyard.domain.catalogue.status import BuilderStatus, describe_builders
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import Listing
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.target import Target
from wheelyard.metrics import HttpMetrics
from wheelyard.settings import Settings
from wheelyard.usecases.browse_index import BrowseIndex, WheelBytes
from wheelyard.usecases.builders.reach import FIRST_REPORT_SECONDS, LOOK_SECONDS, FollowReach
from wheelyard.usecases.follow_log import FollowLog
from wheelyard.usecases.manage_wheels import ManageWheels, PublishSdists
from wheelyard.usecases.order_dependencies import OrderDependencies
from wheelyard.usecases.periodic_work import repeat
from wheelyard.usecases.prebuild import Prebuilds
from wheelyard.usecases.queue import RetryBuilds, ShowQueue
from wheelyard.usecases.recipes import ManageRecipes
from wheelyard.usecases.request_build import PlanBuild, RequestBuild
from wheelyard.usecases.simple_pages import SimplePages
from wheelyard.usecases.uploads.bring_file import BringFile
from wheelyard.usecases.uploads.build_source import BuildSource
from wheelyard.usecases.uploads.disown import DisownProject
from wheelyard.usecases.uploads.limits import UploadLimits, receive_file
from wheelyard.usecases.uploads.sdists import ReadSdists
from wheelyard.web.app import add_pages
from wheelyard.web.rendering import error_page

_SDISTS_SECONDS: Final = 2.0
"""How often brought sdists are looked for that have a wheel by now."""


async def api_services(backends: Backends, *, stopping: asyncio.Event, builds_here: bool) -> ApiServices:
    """Make the services of the API; its host's engine matters only if a worker builds there."""
    parts, database, settings = backends.parts, backends.database, backends.parts.settings
    queue = BuildQueue(database.conninfo)
    builds = PostgresBuilds(database, queue, max_attempts=settings.max_attempts, limits=open_limits(settings))
    logs, workers = PostgresLogs(database), PostgresFleet(database)
    folders = recipe_registry(parts)
    await fetch_first(folders)
    recipes = StoredRecipes(PostgresRecipes(database), folders, suites=known_suites(parts.catalogue))
    await recipes.refresh()
    facts = await builder_facts(parts)
    reach = FollowReach(workers.list_engines, wait_seconds=FIRST_REPORT_SECONDS if builds_here else 0)
    await reach.look()
    request_build = RequestBuild(
        source=backends.source,
        store=builds,
        recipes=recipes,
        facts=facts,
        repositories=git_repositories(settings),
        reach=reach,
    )
    supply = OrderDependencies(store=PostgresMissingReleases(database, queue, builds), request_build=request_build)
    sdists = publish_sdists(database, backends.index, backends.source)
    prebuilds = make_prebuilds(backends, builds=builds, request_build=request_build, settle_reach=reach.settle)
    access = access_of(settings, tokens := tokens_of(database))
    authority = await authority_of(settings, PostgresSigning(database))

    return ApiServices(
        request_build=request_build,
        prebuilds=prebuilds,
        campaigns=make_campaigns(backends, prebuilds),
        follow_log=FollowLog(builds=builds, logs=logs),
        parsers=backends.parsers,
        tokens=tokens,
        access=access,
        sessions=sessions_of(settings, database, access),
        audit=PostgresAudit(database),
        builds=builds,
        retries=RetryBuilds(builds=builds),
        logs=logs,
        figures=PostgresMetrics(database),
        http_metrics=HttpMetrics(version=__version__),
        disk=lambda: asyncio.to_thread(measure_disk, settings.state_dir),
        queue=ShowQueue(
            queue=PostgresQueue(database, queue), workers=workers, builds=builds, now=lambda: datetime.now(UTC)
        ),
        recipes=recipes,
        manage_recipes=_manage_recipes(backends, recipes, builds=builds, plan=request_build),
        upkeep=lambda: _keep_up(
            settings,
            folders,
            recipes,
            supply,
            sdists,
            reach=reach,
            signing=issue_and_attest(settings, database, builds, authority, f"{worker_name(settings)}-api"),
        ),
        default_target=lambda: _default_target(settings, request_build),
        readiness=_readiness(backends, builds, builds_here=builds_here),
        stopping=stopping,
        uploads=_upload_services(backends, builds, logs, prebuilds=prebuilds, stopping=stopping),
        index=index_services(settings, database, backends.index, targets=request_build.targets()),
        builders=image_inventory(parts).describe if builds_here else _reported_builders(parts, database),
        image_content=image_reader(parts) if builds_here else None,
        workers=workers,
        archives=suite_archives(parts, database, reads=False),
    )


def _manage_recipes(
    backends: Backends, recipes: StoredRecipes, *, builds: PostgresBuilds, plan: RequestBuild
) -> ManageRecipes:
    return ManageRecipes(
        store=PostgresRecipes(backends.database),
        registry=recipes,
        refresh=recipes.refresh,
        builds=builds,
        plan=plan,
        parsers=backends.parsers,
        suites=known_suites(backends.parts.catalogue),
    )


def _upload_services(
    backends: Backends, builds: PostgresBuilds, logs: PostgresLogs, *, prebuilds: Prebuilds, stopping: asyncio.Event
) -> UploadServices:
    """Make what takes files, on the disk of this process until they are in the database."""
    settings, database = backends.parts.settings, backends.database
    open_work = open_limits(settings)
    store = PostgresUploads(database, builds, PostgresPrebuilds(database, limits=open_work), limits=open_work)
    folder = StateDir(settings.state_dir).received

    def check_room(wanted_bytes: int) -> None:
        check_free_space(settings.state_dir, settings.disk_floor_bytes, wanted_bytes=wanted_bytes)

    limits = UploadLimits(
        per_minute=settings.uploads_per_minute,
        bytes_per_minute=settings.upload_bytes_per_minute,
        at_once=settings.concurrent_uploads,
    )

    return UploadServices(
        bring=BringFile(
            plan=prebuilds.advance.request_build,
            store=store,
            builds=builds,
            logs=logs,
            read_sdist=ReadSdists(prebuilds, backends.parsers, read_brought_sdist),
            stopping=stopping,
        ),
        build_source=BuildSource(
            plan=prebuilds.advance.request_build, store=store, builds=builds, read_texts=read_identity_texts
        ),
        disown=DisownProject(store=store, patterns=OwnProjects.of(settings.own_projects)),
        store=store,
        receive=lambda caller: receive_file(
            folder, limits, caller, limit_bytes=settings.limit_upload_bytes, check_room=check_room
        ),
        receive_seconds=settings.upload_receive_seconds,
        limit_bytes=settings.limit_upload_bytes,
        wait_seconds=settings.upload_wait_seconds,
    )


def _readiness(backends: Backends, builds: PostgresBuilds, *, builds_here: bool) -> dict[str, Check]:
    """Return what must answer before the API is ready."""
    checks: dict[str, Check] = {"database": builds.ping, "index": backends.index.indexes[Level.PROD].ping}
    return checks | ({"engine": ContainerEngine(backends.parts.engine).ping} if builds_here else {})


def _reported_builders(parts: Parts, database: Database) -> Callable[[], Awaitable[Sequence[BuilderStatus]]]:
    """Return the builders that workers have reported."""
    fleet, catalogue = PostgresFleet(database), parts.catalogue

    async def describe() -> Sequence[BuilderStatus]:
        return describe_builders(catalogue, await fleet.list_engines())

    return describe


def _default_target(settings: Settings, plan: PlanBuild) -> Target:
    """Return the target of a request without a Python or a platform: with the newest Python that can be had."""
    platform = settings.default_platform
    return Target.parse(python=settings.default_python or plan.default_python(platform), platform=platform)


def listens_here_alone(host: str) -> bool:
    """Return whether only programs on this host reach what listens on an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def index_services(
    settings: Settings, database: Database, index: IndexBackends, *, targets: Sequence[Target]
) -> IndexServices:
    """Make the use cases of our index, whose wheels are for these targets."""
    wheels, own = PostgresWheels(database), OwnProjects.of(settings.own_projects)
    listing = Listing(targets=tuple(targets))
    pages = SimplePages(wheels, listing=listing, own=own, public_url=settings.public_url)
    staged_pages = SimplePages(
        wheels, listing=replace(listing, level=Level.STAGING), own=own, public_url=settings.public_url
    )
    own_pages = SimplePages(wheels, listing=replace(listing, own_only=True), own=own, public_url=settings.public_url)
    files, copies = WheelBytes(store=wheels), copies_on_disk(settings, index)

    def doubt_pages() -> None:
        for one in (pages, staged_pages, own_pages, files):
            one.doubt()

    edits = PostgresWheels(database, on_change=doubt_pages)
    local = listens_here_alone(settings.host)
    alone = local and settings.index_url is None and settings.public_url is None
    return IndexServices(
        pages=pages,
        staged_pages=staged_pages,
        own_pages=own_pages,
        files=files,
        copies=copies,
        sender=settings.file_sender,
        browse=BrowseIndex(store=wheels),
        manage=ManageWheels(store=edits, storage=index.storage, indexes=index.indexes),
        check=check_index(database, index, edits, copies),
        access=IndexAccess(anonymous=settings.anonymous_read, this_host=alone, local=local),
        authorities=PostgresSigning(database).list_authorities,
        public_url=settings.public_url,
    )


def make_app(services: ApiServices, *, new_request_id: Callable[[], str] = random_request_id) -> FastAPI:
    """Make the application that answers all requests: the REST API, the web pages and the guide."""
    app = create_app(services, error_page=error_page, new_request_id=new_request_id)
    add_pages(app)
    return app


async def _keep_up(  # noqa: PLR0913  (each is one kind of background work)
    settings: Settings,
    folders: RecipeFolders,
    recipes: StoredRecipes,
    supply: OrderDependencies,
    sdists: PublishSdists,
    *,
    reach: FollowReach,
    signing: Coroutine[Any, Any, None],
) -> None:
    """Run the API's background work: update recipes, request missing releases, publish brought sdists, sign files."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(repeat("recipes", folders.update, seconds=settings.recipes_interval_seconds))
        tasks.create_task(repeat("stored-recipes", recipes.follow, seconds=1.0))
        tasks.create_task(repeat("reach", reach.look, seconds=LOOK_SECONDS))
        tasks.create_task(repeat("sdists", sdists.once, seconds=_SDISTS_SECONDS))
        tasks.create_task(supply.run())
        tasks.create_task(signing)
