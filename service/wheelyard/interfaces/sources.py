"""Where sources, requirements and recipes come from. Must not import what implements it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from packaging.utils import NormalizedName

from wheelyard.domain.dependencies.files import ResolvedRelease, StatedRelease
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.recipe import Recipe
from wheelyard.domain.recipes.source import RecipeStatus, SourceStatus


class SourceIndex(Protocol):
    """The upstream index that sdists come from."""

    async def project(self, name: NormalizedName) -> ProjectFiles:
        """Read a project's page; raises UnknownProjectError or IndexUnavailableError."""
        ...

    async def fetch(self, file: IndexFile) -> Path:
        """Bring a file into the content cache and return its path, its sha256 checked.

        Raises HashMismatchError, DownloadFailedError or DiskFullError; nothing half-written stays behind.
        """
        ...


class WheelResolver(Protocol):
    """Finds the wheels that a set of requirements comes down to, without running any project's code."""

    async def resolve(
        self, requirements: Sequence[str], *, target: Target, constraints: Sequence[str] = ()
    ) -> tuple[IndexFile, ...]:
        """Choose one wheel for each project that the requirements need on the target.

        Raises BuildRequirementsError with the resolver's own explanation if there is no such set of wheels, and
        IndexUnavailableError if the index does not answer.
        """
        ...


class ReleaseResolver(Protocol):
    """Finds the releases that an application's requirements come down to, without running any project's code."""

    async def resolve(
        self,
        requirements: Sequence[str],
        *,
        constraints: Sequence[str],
        stated: Sequence[StatedRelease],
        target: Target,
        asked_by: str,
    ) -> tuple[ResolvedRelease, ...]:
        """Choose one release of each project that the requirements need on the target; callers get their turns fairly.

        ``stated`` are releases that have no wheel, and what their sdists say that they need. Raises
        RequirementsUnsatisfiableError with the resolver's own explanation if there is no such set,
        IndexUnavailableError, and ResolverBusyError.
        """
        ...


class RecipeRegistry(Protocol):
    """Where recipes are found."""

    def find(self, project: NormalizedName) -> Recipe | None:
        """Return the project's recipe, None if it needs none.

        Raises RecipeInvalidError if it cannot be used, and RecipesUnavailableError if a place cannot be looked into.
        """
        ...

    def describe(self, project: NormalizedName) -> RecipeStatus | None:
        """Say what the project's recipe is and what is wrong with it; None if it has none."""
        ...

    def list_recipes(self) -> tuple[RecipeStatus, ...]:
        """Describe every project's recipe, those that cannot be used too, sorted by project."""
        ...

    def list_sources(self) -> tuple[SourceStatus, ...]:
        """Say where recipes are looked for; later ones win."""
        ...


class CrateCache(Protocol):
    """Keeps archives of vendored crates, so that equal manifests are fetched once."""

    async def find(self, key: str) -> Path | None:
        """Return the archive that is kept under a key (a sha256 in hexadecimal), its content checked."""
        ...

    async def keep(self, key: str, archive: Path) -> Path:
        """Keep a copy of an archive; raises DiskFullError."""
        ...


T = TypeVar("T")


class ParserPool(Protocol):
    """Runs parsers apart from this process, each call with a limit of processor time and memory."""

    async def run(self, parse: Callable[..., T], *args: Any, what: str, caller: str = "") -> T:  # noqa: ANN401
        """Return what ``parse(*args)`` returns, or raise what it raises.

        Args:
            parse: A function of a module's top level, or a ``functools.partial`` of one. It, its arguments, its result
                and its errors are pickled.
            args: Its arguments.
            what: What is read, for the error: ``"the pyproject.toml of lxml 6.0"``.
            caller: Whose text it is. No caller has all of the processes at once.

        Raises RefusedTextError, a ValueError, if a limit was reached, and ParsersBusyError if others' texts take too
        long.
        """
        ...
