"""Assembly of the engine, the images and what is known of builders."""

import asyncio
import contextlib
import functools
import platform
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from wheelyard.adapters.engine.agent import AgentProgram, pack_agent
from wheelyard.adapters.engine.command import EngineCommand, container_ulimits
from wheelyard.adapters.engine.users import ContainerUsers
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.catalogue_file import read_catalogue
from wheelyard.adapters.images.contents import read_sbom
from wheelyard.adapters.images.fallback import Fallbacks
from wheelyard.adapters.images.inventory import ImageInventory
from wheelyard.adapters.images.options import ImageOptions
from wheelyard.adapters.images.outdated import current_definitions
from wheelyard.adapters.images.progress import LoggedImages
from wheelyard.adapters.images.prune import ImagePruning
from wheelyard.adapters.images.refresh import ImageRefreshes, ImageUpkeep
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.fleet import PostgresFleet
from wheelyard.domain.catalogue.catalogue import Catalogue
from wheelyard.domain.catalogue.definition import builder_definition
from wheelyard.domain.catalogue.sbom import ImageContent, read_sbom_content
from wheelyard.domain.catalogue.status import BuilderStatus, describe_builders
from wheelyard.domain.catalogue.upkeep import PruneRules
from wheelyard.errors import SettingsInvalidError
from wheelyard.metrics import CacheLookups
from wheelyard.resources import data_path
from wheelyard.settings import Settings
from wheelyard.usecases.request_build import BuilderFacts

_ENGINES: Final = ("docker", "podman")
_CONTAINERS: Final = 3
"""That one build starts, one after the other: to build, to repair and to verify."""


def engine_command(settings: Settings) -> EngineCommand:
    """Choose the engine: the one that the settings name, else the first that answers, else docker."""
    program = settings.engine or next((name for name in _ENGINES if _answers(name)), _ENGINES[0])
    limits = container_ulimits(program, open_files=settings.engine_open_files)
    return EngineCommand(program=program, ulimits=limits, runtime=settings.engine_runtime)


def container_users(settings: Settings) -> ContainerUsers:
    """Give containers users that no other worker of this engine gives out meanwhile."""
    return ContainerUsers(_engine_dir(settings) / "users")


async def with_engine(settings: Settings) -> Settings:
    """Return settings that name the engine: a process asks once who answers, and hands that down to all of its parts.

    The question takes up to 20 seconds, so a thread waits for the answer and not the event loop.
    """
    command = await asyncio.to_thread(engine_command, settings)
    return settings.model_copy(update={"engine": command.program})


def _answers(program: str) -> bool:
    if shutil.which(program) is None:
        return False
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run([program, "version"], capture_output=True, check=False, timeout=20).returncode == 0
    return False


def catalogue(settings: Settings) -> Catalogue:
    """Return the catalogue of builders, the operator's own laid over the built-in one; a process reads it once."""
    return _read_catalogue(settings.catalogue)


@functools.lru_cache(maxsize=8)
def _read_catalogue(own: Path | None) -> Catalogue:
    return read_catalogue(data_path("builders") / "builders.toml", own)


def _engine_dir(settings: Settings) -> Path:
    """Say where notes about the engine's images are kept."""
    return settings.engine_dir or settings.state_dir


def image_options(settings: Settings, lookups: CacheLookups | None = None) -> ImageOptions:
    """Say how images are made on this host."""
    return ImageOptions(
        lock_dir=_engine_dir(settings) / "locks",
        apt_mirror=settings.apt_mirror,
        apt_security_mirror=settings.apt_security_mirror,
        base_image=settings.base_image,
        ca_bundle=settings.ca_bundle,
        proxy=settings.image_proxy.get_secret_value() if settings.image_proxy else None,
        build_network=settings.image_network,
        index_url=settings.upstream_index_url,
        disk_floor_bytes=settings.disk_floor_bytes,
        lookups=lookups or CacheLookups(),
    )


def image_builder(settings: Settings, lookups: CacheLookups | None = None) -> ImageBuilder:
    """Make the image builder."""
    return ImageBuilder(
        engine=engine_command(settings),
        catalogue=catalogue(settings),
        builders_dir=data_path("builders"),
        cache_dir=settings.state_dir / "cache" / "images",
        options=image_options(settings, lookups),
    )


def image_upkeep(settings: Settings) -> ImageUpkeep:
    """Make what refreshes this host's images."""
    return ImageUpkeep(
        engine=engine_command(settings),
        images=image_builder(settings),
        options=image_options(settings),
        folder=_engine_dir(settings) / "images",
        pruning=image_pruning(settings),
    )


def image_refreshes(settings: Settings) -> ImageRefreshes:
    """Make what refreshes this host's images on a schedule: those of suites that its machine can build."""
    suites = tuple(catalogue(settings).on(platform.machine()).buildable_suites)
    return ImageRefreshes(image_upkeep(settings), suites=suites, folder=_engine_dir(settings) / "images")


def image_pruning(settings: Settings) -> ImagePruning:
    """Make what removes this host's images that nothing needs."""
    rules = PruneRules(
        budget_bytes=settings.environment_budget_bytes,
        longest_build=timedelta(seconds=longest_stage_seconds(settings) * _CONTAINERS),
    )
    suites = catalogue(settings).on(platform.machine()).buildable_suites
    return ImagePruning(
        engine=engine_command(settings),
        folder=_engine_dir(settings) / "images",
        rules=rules,
        current=functools.partial(current_definitions, image_builder(settings), suites),
    )


def logged_images(settings: Settings, lookups: CacheLookups | None = None) -> LoggedImages:
    """Make what finds or makes the images of builds."""
    fallbacks = Fallbacks(engine=engine_command(settings), folder=_engine_dir(settings) / "images")
    return LoggedImages(
        image_builder(settings, lookups), fallbacks=fallbacks, note_use=image_pruning(settings).note_use
    )


def image_inventory(settings: Settings) -> ImageInventory:
    """Make what says which builders there are."""
    return ImageInventory(
        engine=engine_command(settings),
        images=image_builder(settings),
        catalogue=catalogue(settings),
        folder=_engine_dir(settings) / "images",
    )


def image_reader(settings: Settings) -> Callable[[str], Awaitable[ImageContent]]:
    """Read what is in images of this host's engine."""
    engine = engine_command(settings)

    async def read(image: str) -> ImageContent:
        return read_sbom_content(await read_sbom(engine, image))

    return read


def reported_builders(settings: Settings, database: Database) -> Callable[[], Awaitable[Sequence[BuilderStatus]]]:
    """Say which builders there are from what workers tell."""
    fleet, book = PostgresFleet(database), catalogue(settings)

    async def describe() -> Sequence[BuilderStatus]:
        return describe_builders(book, await fleet.list_engines())

    return describe


async def builder_facts(settings: Settings) -> BuilderFacts:
    """Gather what determines a build besides its request."""
    facts = await image_builder(settings).definition_facts()
    book = catalogue(settings).on(*(settings.architectures or (facts.architecture,)))
    if not any(book.builders()):
        raise SettingsInvalidError(problems=["WHEELYARD_ARCHITECTURES names none that the catalogue has a suite for"])
    definitions = {
        (choice.policy.architecture, choice.suite, choice.python): builder_definition(
            book,
            replace(facts, architecture=choice.policy.architecture),
            suite=choice.suite,
            python=choice.python,
        )
        for choice in book.builders()
    }
    return BuilderFacts(
        catalogue=book,
        definitions=definitions,
        agent_digest=agent_program().digest,
        build_number=settings.build_number,
        network_for_recipes=settings.recipe_network is not None,
    )


def agent_program() -> AgentProgram:
    """Pack the agent."""
    return pack_agent(data_path("builders") / "agent")


def longest_stage_seconds(settings: Settings) -> int:
    """Say how long a stage may take at most, whatever its recipe says."""
    return max(settings.ceiling_time_seconds, settings.limit_time_seconds)
