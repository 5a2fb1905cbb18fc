"""What a process makes once and passes on: its settings, the container engine, the catalogue of builders.

An engine may take 20 seconds to answer, so a service, a worker, a trial and a command each ask it once.
"""

import asyncio
import contextlib
import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from wheelyard.adapters.engine.agent import AgentProgram, pack_agent
from wheelyard.adapters.engine.command import EngineCommand, container_ulimits
from wheelyard.adapters.git.program import GitProgram
from wheelyard.adapters.git.repositories import GitOptions, GitRepositories
from wheelyard.adapters.host.emulation import check_emulator
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.recipes.checkout import RecipeCheckout
from wheelyard.adapters.recipes.folders import RecipeFolders
from wheelyard.adapters.upstream.index import SimpleSourceIndex, SourceIndexOptions, find_pip
from wheelyard.domain.builds.git_source import GitHosts
from wheelyard.domain.catalogue.catalogue import Catalogue, lay_over, parse_catalogue
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.recipes.source import parse_recipe_source
from wheelyard.domain.recipes.types import BOOK_SUITES
from wheelyard.errors import CatalogueInvalidError, EmulatorMissingError
from wheelyard.interfaces import ParserPool
from wheelyard.logs import get_logger
from wheelyard.metrics import CacheLookups
from wheelyard.resources import data_path
from wheelyard.settings import Settings

_log = get_logger(__name__)
_ENGINES: Final = ("docker", "podman")
_ANSWER_SECONDS: Final = 20


@dataclass(frozen=True)
class Parts:
    """The parts that the other modules of assembly share; each is made when it is first needed."""

    settings: Settings

    @cached_property
    def engine(self) -> EngineCommand:
        """The engine that the settings name, else the first that answers, else docker; blocks."""
        program = self.settings.engine or next((name for name in _ENGINES if _answers(name)), _ENGINES[0])
        limits = container_ulimits(program, open_files=self.settings.engine_open_files)
        return EngineCommand(program=program, ulimits=limits, runtime=self.settings.engine_runtime)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The built-in catalogue with the operator's changes; blocks, raises CatalogueInvalidError."""
        return read_catalogue(self.settings.catalogue)

    @property
    def default_python(self) -> str:
        """The Python of commands that name none and ask no service, which would know what can be had."""
        return self.settings.default_python or self.catalogue.default.python

    @cached_property
    def emulated(self) -> tuple[str, ...]:
        """The architectures that this host emulates for its builds; one that the kernel does not run is logged.

        Blocks for some milliseconds.
        """
        return tuple(filter(_runs, (one for one in self.settings.worker_emulates if one != platform.machine())))

    @cached_property
    def agent(self) -> AgentProgram:
        """The program that runs inside the containers, packed."""
        return pack_agent(data_path("builders") / "agent")


def _runs(architecture: str) -> bool:
    try:
        check_emulator(architecture)
    except EmulatorMissingError as error:
        _log.warning("emulator-missing", architecture=architecture, reason=error.reason)
        return False
    return True


async def make_parts(settings: Settings) -> Parts:
    """Make all parts in a thread, so that a slow engine does not block the event loop."""
    parts = Parts(settings)
    await asyncio.to_thread(lambda: (parts.engine, parts.catalogue))
    return parts


def read_catalogue(own: Path | None) -> Catalogue:
    """Read the built-in catalogue, and the operator's own laid over it if there is one; blocks.

    Raises:
        CatalogueInvalidError: names the operator's file and every key that is wrong in it.
    """
    text = (data_path("builders") / "builders.toml").read_text(encoding="utf-8")
    return lay_over(text, _read_own(own), source=str(own)) if own else parse_catalogue(text)


def _read_own(own: Path) -> str:
    try:
        return own.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CatalogueInvalidError(problems=[f"it cannot be read: {reason}"], source=str(own)) from error


def source_index(
    settings: Settings, lookups: CacheLookups | None = None, parsers: ParserPool | None = None
) -> SimpleSourceIndex:
    """Make the upstream index; it is an asynchronous context manager."""
    return SimpleSourceIndex(
        SourceIndexOptions(
            cache_dir=StateDir(settings.state_dir).file_cache,
            index_url=settings.upstream_index_url,
            own_projects=OwnProjects.of(settings.own_projects),
            ca_bundle=settings.ca_bundle,
            file_limit_bytes=settings.limit_sdist_bytes,
            disk_floor_bytes=settings.disk_floor_bytes,
        ),
        lookups=lookups,
        parsers=parsers,
    )


def git_repositories(settings: Settings) -> GitRepositories:
    """Make the repositories on the hosts that the operator lists."""
    options = GitOptions(
        hosts=GitHosts.of(settings.git_hosts),
        root=StateDir(settings.state_dir).git,
        limit_bytes=settings.limit_sdist_bytes,
        disk_floor_bytes=settings.disk_floor_bytes,
    )
    return GitRepositories(options, GitProgram(ca_bundle=settings.ca_bundle))


def pip_wheel(settings: Settings) -> Path:
    """Return the pinned pip's wheel, fetched if it is not in the cache yet."""

    async def fetch() -> Path:
        async with source_index(settings) as source:
            return await source.fetch(await find_pip(source))

    return asyncio.run(fetch())


def recipe_registry(parts: Parts, *further: Path) -> RecipeFolders:
    """Make the registry of recipes: the built-in ones, then the operator's places, then further folders."""
    settings = parts.settings
    root = StateDir(settings.state_dir).recipes
    sources = [parse_recipe_source(text) for text in settings.recipes]
    places = [one if isinstance(one, Path) else RecipeCheckout(one, root=root) for one in sources]
    return RecipeFolders((data_path("recipes"), *places, *further), suites=known_suites(parts.catalogue))


def known_suites(catalogue: Catalogue) -> frozenset[str]:
    """Return the suites that a recipe may name: the catalogue's, and those of built-in recipes."""
    return BOOK_SUITES | catalogue.suite.keys()


def _answers(program: str) -> bool:
    if shutil.which(program) is None:
        return False
    with contextlib.suppress(subprocess.TimeoutExpired):
        command = [program, "version"]
        return subprocess.run(command, capture_output=True, check=False, timeout=_ANSWER_SECONDS).returncode == 0
    return False
