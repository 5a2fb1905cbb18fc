"""Assembly of the images, and of the facts about builders."""

import platform
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from wheelyard.adapters.engine.users import ContainerUsers
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.builder import ImageBuilder, LoggedImages
from wheelyard.adapters.images.contents import read_sbom
from wheelyard.adapters.images.fallback import Fallbacks
from wheelyard.adapters.images.inventory import ImageInventory
from wheelyard.adapters.images.optimised import OptimisedPythons
from wheelyard.adapters.images.prune import ImagePruning
from wheelyard.adapters.images.python_sources import PythonSources
from wheelyard.adapters.images.refresh import ImageRefreshes, ImageUpkeep
from wheelyard.adapters.images.sources import ImageSources
from wheelyard.assembly.parts import Parts
from wheelyard.domain.catalogue.definition import builder_definition
from wheelyard.domain.catalogue.sbom import ImageContent, read_sbom_content
from wheelyard.domain.catalogue.upkeep import PruneRules
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import SettingsInvalidError
from wheelyard.metrics import CacheLookups
from wheelyard.resources import data_path
from wheelyard.settings import Settings
from wheelyard.usecases.request_build import BuilderFacts

_CONTAINERS: Final = 3
"""The containers of one build, one after the other: to build, to repair and to verify."""


def container_users(settings: Settings) -> ContainerUsers:
    """Reserve user ids for containers that no other worker of this engine uses at the same time."""
    return ContainerUsers(_engine_dir(settings).container_users)


def _engine_dir(settings: Settings) -> StateDir:
    """Return the directory of the notes about the engine's images."""
    return StateDir(settings.engine_dir or settings.state_dir)


def image_options(settings: Settings, lookups: CacheLookups | None = None) -> ImageOptions:
    """Return how images are built on this host."""
    return ImageOptions(
        lock_dir=_engine_dir(settings).image_locks,
        apt_mirror=settings.apt_mirror,
        apt_security_mirror=settings.apt_security_mirror,
        python_mirror=settings.python_mirror,
        base_image=settings.base_image,
        ca_bundle=settings.ca_bundle,
        proxy=settings.image_proxy.get_secret_value() if settings.image_proxy else None,
        build_network=settings.image_network,
        index_url=settings.upstream_index_url,
        optimised=settings.optimised_python,
        disk_floor_bytes=settings.disk_floor_bytes,
        lookups=lookups or CacheLookups(),
    )


def image_builder(parts: Parts, lookups: CacheLookups | None = None) -> ImageBuilder:
    """Make the image builder."""
    return ImageBuilder(
        engine=parts.engine,
        catalogue=parts.catalogue,
        builders_dir=data_path("builders"),
        cache_dir=StateDir(parts.settings.state_dir).image_cache,
        options=image_options(parts.settings, lookups),
    )


def python_sources(parts: Parts) -> PythonSources:
    """Make the object that knows which Pythons this host can have."""
    return PythonSources(
        images=image_builder(parts),
        catalogue=parts.catalogue,
        sources=image_sources(parts),
        architectures=architectures_of(parts),
    )


def image_sources(parts: Parts) -> ImageSources:
    """Make the object that fetches what images contain from outside."""
    return ImageSources(cache_dir=StateDir(parts.settings.state_dir).image_cache, options=image_options(parts.settings))


def image_upkeep(parts: Parts, architecture: str) -> ImageUpkeep:
    """Make the object that refreshes this host's images of an architecture."""
    images = image_builder(parts).on(architecture)
    return ImageUpkeep(images=images, folder=_image_folder(parts, architecture), pruning=image_pruning(parts))


def _longest_build_seconds(settings: Settings) -> float:
    times = settings.emulation_time_factor if settings.worker_emulates else 1.0
    return longest_stage_seconds(settings) * _CONTAINERS * times


def image_refreshes(parts: Parts) -> tuple[ImageRefreshes, ...]:
    """Make the scheduled refreshes of this host's images, one for each architecture."""
    return tuple(
        ImageRefreshes(
            image_upkeep(parts, architecture),
            suites=tuple(parts.catalogue.on(architecture).buildable_suites),
            folder=_image_folder(parts, architecture),
        )
        for architecture in architectures_of(parts)
    )


def architectures_of(parts: Parts) -> tuple[str, ...]:
    """Return the architectures that this host has images of: its own, then those that it emulates."""
    return (platform.machine(), *parts.emulated)


def _image_folder(parts: Parts, architecture: str) -> Path:
    folder = _engine_dir(parts.settings).images
    return folder if architecture == platform.machine() else folder / architecture


def optimised_pythons(parts: Parts) -> OptimisedPythons:
    """Make what compiles this host's Pythons with a profile: the default target's suite first."""
    settings = parts.settings
    target = Target.parse(python=parts.default_python, platform=settings.default_platform)
    first = (parts.catalogue.builder_for(target).suite,)
    suites = dict.fromkeys((*first, *parts.catalogue.on(platform.machine()).buildable_suites))
    return OptimisedPythons(
        images=image_builder(parts),
        upkeep=image_upkeep(parts, platform.machine()),
        suites=tuple(suites),
        folder=_engine_dir(settings).images,
    )


def image_pruning(parts: Parts) -> ImagePruning:
    """Make the object that removes unneeded images from this host."""
    rules = PruneRules(
        budget_bytes=parts.settings.environment_budget_bytes,
        longest_build=timedelta(seconds=_longest_build_seconds(parts.settings)),
    )

    async def current() -> dict[str, str]:
        images, found = image_builder(parts), dict[str, str]()
        for architecture in architectures_of(parts):
            suites = parts.catalogue.on(architecture).buildable_suites
            found |= await images.on(architecture).definitions_of(suites)
        return found

    return ImagePruning(
        engine=parts.engine,
        folder=_engine_dir(parts.settings).images,
        rules=rules,
        current=current,
    )


def logged_images(parts: Parts, lookups: CacheLookups | None = None) -> LoggedImages:
    """Make the object that finds or builds the images of builds."""
    fallbacks = Fallbacks(engine=parts.engine, folder=_engine_dir(parts.settings).images)
    return LoggedImages(image_builder(parts, lookups), fallbacks=fallbacks, note_use=image_pruning(parts).note_use)


def image_inventory(parts: Parts) -> ImageInventory:
    """Make the inventory of builders."""
    return ImageInventory(
        engine=parts.engine,
        images=image_builder(parts),
        catalogue=parts.catalogue,
        folder=_engine_dir(parts.settings).images,
        emulated=parts.emulated,
    )


def image_reader(parts: Parts) -> Callable[[str], Awaitable[ImageContent]]:
    """Make the reader of images' contents on this host's engine."""
    engine = parts.engine

    async def read(image: str) -> ImageContent:
        return read_sbom_content(await read_sbom(engine, image))

    return read


async def builder_facts(parts: Parts) -> BuilderFacts:
    """Collect what determines a build besides its request."""
    facts = await image_builder(parts).definition_facts()
    settings = parts.settings
    catalogue = parts.catalogue.on(*(settings.architectures or (facts.architecture, *settings.worker_emulates)))
    if not any(catalogue.builders()):
        raise SettingsInvalidError(problems=["WHEELYARD_ARCHITECTURES names none that the catalogue has a suite for"])
    definitions = {
        (choice.policy.architecture, choice.suite, choice.python): builder_definition(
            catalogue,
            replace(facts, architecture=choice.policy.architecture),
            suite=choice.suite,
            python=choice.python,
        )
        for choice in catalogue.builders()
    }
    return BuilderFacts(
        catalogue=catalogue,
        definitions=definitions,
        agent_digest=parts.agent.digest,
        build_number=parts.settings.build_number,
        network_for_recipes=parts.settings.recipe_network is not None,
        own_projects=OwnProjects.of(parts.settings.own_projects),
    )


def longest_stage_seconds(settings: Settings) -> int:
    """Return the longest time that a stage may take, whatever its recipe says."""
    return max(settings.ceiling_time_seconds, settings.limit_time_seconds)
