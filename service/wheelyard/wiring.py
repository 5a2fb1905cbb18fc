"""Assembly: settings in, running parts out. The only module that knows both the use cases and the adapters."""

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from uv import find_uv_bin

from wheelyard.adapters.agent_program import AgentProgram, pack_agent
from wheelyard.adapters.build_queue import BuildQueue
from wheelyard.adapters.container_engine import ContainerEngine
from wheelyard.adapters.content_cache import ContentCache
from wheelyard.adapters.crate_cache import CrateArchives
from wheelyard.adapters.database import Database
from wheelyard.adapters.devpi_index import DevpiIndex
from wheelyard.adapters.embedded_postgres import EmbeddedPostgres
from wheelyard.adapters.engine_command import EngineCommand
from wheelyard.adapters.image_options import ImageOptions
from wheelyard.adapters.image_refreshes import ImageRefreshes
from wheelyard.adapters.image_shelf import ImageShelf
from wheelyard.adapters.image_upkeep import ImageUpkeep
from wheelyard.adapters.images import ImageBuilder
from wheelyard.adapters.logged_images import LoggedImages
from wheelyard.adapters.pinned_pip import find_pip
from wheelyard.adapters.postgres_attempts import PostgresAttempts
from wheelyard.adapters.postgres_builds import PostgresBuilds
from wheelyard.adapters.postgres_logs import PostgresLogs
from wheelyard.adapters.postgres_tokens import PostgresTokens
from wheelyard.adapters.recipe_folders import RecipeFolders
from wheelyard.adapters.source_index import SimpleSourceIndex, SourceIndexOptions
from wheelyard.adapters.wheel_resolver import UvResolverOptions, UvWheelResolver
from wheelyard.api.services import ApiServices
from wheelyard.domain.catalogue import Catalogue, parse_catalogue
from wheelyard.domain.definition import builder_definition
from wheelyard.domain.index import Credentials, IndexEndpoint
from wheelyard.domain.target import Target
from wheelyard.errors import SettingsInvalidError
from wheelyard.interfaces import Limits, SourceIndex
from wheelyard.pipeline.job import Tools
from wheelyard.pipeline.steps import STEPS
from wheelyard.resources import data_path
from wheelyard.settings import Settings
from wheelyard.usecases.follow_log import FollowLog
from wheelyard.usecases.request_build import BuilderFacts, RequestBuild
from wheelyard.usecases.run_build import AttemptOptions, RunBuild
from wheelyard.usecases.tokens import Tokens
from wheelyard.worker import WORKER_LABEL, Worker

_ENGINES: Final = ("docker", "podman")
_SECRET_BYTES: Final = 32


def engine_command(settings: Settings) -> EngineCommand:
    """Choose the engine: the one that the settings name, else the first that answers, else docker."""
    program = settings.engine or next((name for name in _ENGINES if _answers(name)), _ENGINES[0])
    limit = settings.engine_open_files
    return EngineCommand(program=program, ulimits=(f"nofile={limit}:{limit}",))


def _answers(program: str) -> bool:
    if shutil.which(program) is None:
        return False
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run([program, "version"], capture_output=True, check=False, timeout=20).returncode == 0
    return False


def catalogue() -> Catalogue:
    """Read the catalogue of builders."""
    return parse_catalogue((data_path("builders") / "builders.toml").read_text(encoding="utf-8"))


def image_options(settings: Settings) -> ImageOptions:
    """Say how images are made on this host."""
    return ImageOptions(
        lock_dir=settings.state_dir / "locks",
        apt_mirror=settings.apt_mirror,
        base_image=settings.base_image,
        ca_bundle=settings.ca_bundle,
        index_url=settings.upstream_index_url,
        disk_floor_bytes=settings.disk_floor_bytes,
    )


def image_builder(settings: Settings) -> ImageBuilder:
    """Make the image builder."""
    return ImageBuilder(
        engine=engine_command(settings),
        catalogue=catalogue(),
        builders_dir=data_path("builders"),
        cache_dir=settings.state_dir / "cache" / "images",
        options=image_options(settings),
    )


def image_upkeep(settings: Settings) -> ImageUpkeep:
    """Make what refreshes and prunes this host's images."""
    return ImageUpkeep(
        engine=engine_command(settings),
        images=image_builder(settings),
        options=image_options(settings),
        folder=settings.state_dir / "images",
        budget_bytes=settings.environment_budget_bytes,
    )


def image_shelf(settings: Settings) -> ImageShelf:
    """Make what says which builders there are."""
    return ImageShelf(
        engine=engine_command(settings),
        images=image_builder(settings),
        catalogue=catalogue(),
        folder=settings.state_dir / "images",
    )


def source_index(settings: Settings) -> SimpleSourceIndex:
    """Make the upstream index; it is an asynchronous context manager."""
    return SimpleSourceIndex(
        SourceIndexOptions(
            cache_dir=settings.state_dir / "cache" / "files",
            index_url=settings.upstream_index_url,
            ca_bundle=settings.ca_bundle,
            file_limit_bytes=settings.limit_sdist_bytes,
            disk_floor_bytes=settings.disk_floor_bytes,
        )
    )


def pip_wheel(settings: Settings) -> Path:
    """Return the pinned pip's wheel, fetched if it is not in the cache yet."""

    async def fetch() -> Path:
        async with source_index(settings) as source:
            return await source.fetch(await find_pip(source))

    return asyncio.run(fetch())


def database_address(settings: Settings) -> str:
    """Say where the database is: as the settings name it, or where the embedded one is when it runs."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return EmbeddedPostgres(settings.state_dir).url


def tokens_of(database: Database) -> Tokens:
    """Make the use cases of tokens."""
    return Tokens(store=PostgresTokens(database), new_secret=lambda: secrets.token_urlsafe(_SECRET_BYTES))


@contextlib.asynccontextmanager
async def open_tokens(settings: Settings) -> AsyncIterator[Tokens]:
    """Open the database for the operator's token commands."""
    async with Database(database_address(settings), pool_size=2) as database:
        yield tokens_of(database)


def external_index(settings: Settings) -> tuple[str, Credentials]:
    """Say which index to publish on, if it is not the embedded one; raises SettingsInvalidError."""
    if settings.index_url is None or settings.index_password is None:
        problem = "WHEELYARD_INDEX_URL and WHEELYARD_INDEX_PASSWORD are needed where no embedded index runs"
        raise SettingsInvalidError(problems=[problem])
    url = f"{settings.index_url.rstrip('/')}/{settings.index_name}"
    return url, Credentials(user=settings.index_user, password=settings.index_password.get_secret_value())


def embedded_index(endpoint: IndexEndpoint) -> tuple[str, Credentials]:
    """Say which index of an embedded devpi to publish on."""
    return endpoint.prod_url, endpoint.promoter


async def api_services(
    settings: Settings, *, database: Database, source: SourceIndex, index: DevpiIndex, stopping: asyncio.Event
) -> ApiServices:
    """Assemble what the API answers with."""
    builds = PostgresBuilds(database, BuildQueue(database.conninfo), max_attempts=settings.max_attempts)
    logs = PostgresLogs(database)
    recipes = RecipeFolders((data_path("recipes"), *settings.recipes))
    engine = ContainerEngine(engine_command(settings))
    return ApiServices(
        request_build=RequestBuild(source=source, store=builds, recipes=recipes, facts=await builder_facts(settings)),
        follow_log=FollowLog(builds=builds, logs=logs),
        tokens=tokens_of(database),
        builds=builds,
        logs=logs,
        defaults=Target.parse(python=settings.default_python, platform=settings.default_platform),
        readiness={"database": builds.ping, "index": index.ping, "engine": engine.ping},
        stopping=stopping,
        builders=image_shelf(settings).describe,
    )


async def builder_facts(settings: Settings) -> BuilderFacts:
    """Gather what determines a build besides its request."""
    facts = await image_builder(settings).definition_facts()
    book = catalogue().on(facts.architecture)
    definitions = {
        (choice.suite, choice.python): builder_definition(book, facts, suite=choice.suite, python=choice.python)
        for choice in book.builders()
    }
    return BuilderFacts(
        catalogue=book,
        definitions=definitions,
        agent_digest=agent_program().digest,
        build_number=settings.build_number,
    )


def agent_program() -> AgentProgram:
    """Pack the agent."""
    return pack_agent(data_path("builders") / "agent")


def worker_name(settings: Settings) -> str:
    """Name this worker: the same at each start on one host and state directory, so that it finds its leavings."""
    place = hashlib.sha256(str(settings.state_dir.resolve()).encode()).hexdigest()[:8]
    return f"{socket.gethostname()}-{place}"


def make_worker(settings: Settings, *, database: Database, source: SourceIndex, index: DevpiIndex) -> Worker:
    """Assemble a worker."""
    name = worker_name(settings)
    engine = ContainerEngine(engine_command(settings), prefetch_network=settings.prefetch_network)
    queue = BuildQueue(database.conninfo)
    attempts = PostgresAttempts(database, queue)
    upkeep = image_upkeep(settings)
    tools = Tools(
        source=source,
        resolver=_resolver(settings),
        engine=engine,
        images=LoggedImages(image_builder(settings), note_use=upkeep.note_use),
        index=index,
        crates=CrateArchives(
            ContentCache(root=settings.state_dir / "cache" / "crates", floor_bytes=settings.disk_floor_bytes)
        ),
        agent=agent_program().data,
        installer=Path(find_uv_bin()),
        limits=_limits(settings),
        output_bytes=settings.limit_wheel_bytes,
        build_number=settings.build_number,
        labels={WORKER_LABEL: name},
        ca_bundle=_certificates(settings),
    )
    options = AttemptOptions(
        worker=name,
        folder=settings.state_dir / "attempts" / name,
        lease_seconds=settings.lease_seconds,
        log_bytes=settings.limit_log_bytes,
    )
    run_build = RunBuild(store=attempts, steps=STEPS, tools=tools, options=options)
    return Worker(
        name=name,
        slots=settings.worker_slots,
        folder=options.folder,
        queue=queue,
        attempts=attempts,
        engine=engine,
        run_build=run_build,
        refresh=ImageRefreshes(upkeep, suites=tuple(catalogue().own_suites), folder=settings.state_dir / "images"),
        refresh_interval_seconds=settings.refresh_interval_hours * 3600,
    )


def _resolver(settings: Settings) -> UvWheelResolver:
    options = UvResolverOptions(
        cache_dir=settings.state_dir / "cache" / "uv",
        environment=os.environ,
        index_url=settings.upstream_index_url,
        ca_bundle=settings.ca_bundle,
    )
    return UvWheelResolver(options)


def _certificates(settings: Settings) -> Path | None:
    """Say which certificates to trust: the operator's, else this host's, if it has them in one file."""
    if settings.ca_bundle is not None:
        return settings.ca_bundle
    system = ssl.get_default_verify_paths().cafile
    return Path(system) if system else None


def _limits(settings: Settings) -> Limits:
    return Limits(
        memory_bytes=settings.limit_memory_bytes,
        cpus=settings.limit_cpus,
        processes=settings.limit_processes,
        scratch_bytes=settings.limit_scratch_bytes,
        time_seconds=settings.limit_time_seconds,
    )
