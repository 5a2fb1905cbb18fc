"""Sources, requirements and recipes."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from packaging.utils import NormalizedName

from wheelyard.domain.builds.git_source import GitOrigin, GitRequest
from wheelyard.domain.dependencies.files import ResolvedRelease, StatedRelease
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.recipe import Recipe
from wheelyard.domain.recipes.revision import AdoptedOrder, NewRevision, RecipeRevision
from wheelyard.domain.recipes.source import RecipeStatus, SourceStatus


class SourceIndex(Protocol):
    """The upstream index, which has the sdists."""

    async def project(self, name: NormalizedName) -> ProjectFiles:
        """Return a project's page; raise UnknownProjectError or IndexUnavailableError."""
        ...

    async def fetch(self, file: IndexFile) -> Path:
        """Fetch a file into the content cache and return its path, after checking its sha256.

        Raises HashMismatchError, DownloadFailedError or DiskFullError; no partial file stays behind.
        """
        ...


class WheelResolver(Protocol):
    """Resolves requirements to wheels, without running any project's code."""

    async def resolve(
        self, requirements: Sequence[str], *, target: Target, constraints: Sequence[str] = ()
    ) -> tuple[IndexFile, ...]:
        """Return one wheel for each project that the requirements need on the target.

        Raises BuildRequirementsError with the resolver's own explanation if there is no such set of wheels, and
        IndexUnavailableError if the index does not answer.
        """
        ...


class ReleaseResolver(Protocol):
    """Resolves an application's requirements to releases, without running any project's code."""

    async def resolve(
        self,
        requirements: Sequence[str],
        *,
        constraints: Sequence[str],
        stated: Sequence[StatedRelease],
        target: Target,
        asked_by: str,
    ) -> tuple[ResolvedRelease, ...]:
        """Return one release of each project that the requirements need on the target; callers take turns fairly.

        ``stated`` are releases without a wheel, with the requirements in their sdists. Raises
        RequirementsUnsatisfiableError with the resolver's own explanation if there is no such set,
        IndexUnavailableError, and ResolverBusyError.
        """
        ...


class RecipeRegistry(Protocol):
    """All recipes."""

    def find(self, project: NormalizedName) -> Recipe | None:
        """Return the project's recipe, None if it needs none.

        Raises RecipeInvalidError if it cannot be used, and RecipesUnavailableError if a place cannot be read.
        """
        ...

    def describe(self, project: NormalizedName) -> RecipeStatus | None:
        """Return the project's recipe and its errors; None if it has none."""
        ...

    def list_recipes(self) -> tuple[RecipeStatus, ...]:
        """Return every project's recipe, also those that cannot be used, sorted by project."""
        ...

    def list_sources(self) -> tuple[SourceStatus, ...]:
        """Return the places of recipes; later ones take precedence."""
        ...


class RecipeStore(Protocol):
    """The recipes that the service keeps itself, with every revision of each.

    Changes are in the audit log, in the same transaction.
    """

    async def changes(self, *, after: int) -> tuple[RecipeRevision, ...]:
        """Return the newest revision of each project that has one after a sequence number; removals, too."""
        ...

    async def history(
        self, project: NormalizedName, *, before: int | None = None, limit: int
    ) -> tuple[RecipeRevision, ...]:
        """Return a project's revisions, newest first, from the one before a number on."""
        ...

    async def find_healed(self, project: NormalizedName) -> str | None:
        """Return the id of a project's newest succeeded build that comes with a recipe; None if there is none."""
        ...

    async def save(
        self, new: NewRevision, *, expected: int | None = None, counts_as: AdoptedOrder | None = None
    ) -> RecipeRevision:
        """Store a revision and return it, or the newest one if it has the same text; see ``number_after``.

        A build may count as another order from then on, in the same transaction; see ``count_as``.
        """
        ...

    async def count_as(self, adopted: AdoptedOrder) -> None:
        """Give a healed build the key and the recipe of another order, unless another build has this key."""
        ...

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Yield once at the beginning, whenever a recipe may have changed, and at least every second."""
        ...


class CrateCache(Protocol):
    """Stores archives of vendored crates, so that equal manifests are fetched once."""

    async def find(self, key: str) -> Path | None:
        """Return the archive of a key (a sha256 in hexadecimal), its content checked."""
        ...

    async def keep(self, key: str, archive: Path) -> Path:
        """Store a copy of an archive; raise DiskFullError."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class GitCommit:
    """What a ref of a repository is now."""

    commit: str
    tag: str | None = None
    """The tag, if the ref is one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GitPack:
    """One commit of one repository, with everything that is in it."""

    path: str
    """The folder that it belongs into: empty, or that of a submodule."""
    commit: str
    file: Path
    """A pack of its objects, which git has checked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GitFiles:
    """A fetched commit; nothing of it is unpacked outside of a sandbox."""

    time: int
    """The commit's time, in seconds since 1970."""
    packs: tuple[GitPack, ...]
    """Of the commit itself, and of its submodules, outer ones first."""
    texts: Mapping[str, str]
    """The files in its project's folder that may name the project, by name."""


class GitRepositories(Protocol):
    """Repositories of others, on hosts that the operator lists."""

    async def resolve(self, request: GitRequest) -> GitCommit:
        """Return the commit that a ref has now.

        Raises GitHostRefusedError, GitRefUnknownError or GitUnavailableError.
        """
        ...

    async def fetch(self, origin: GitOrigin) -> GitFiles:
        """Fetch a commit and its submodules, without running or unpacking anything of them.

        Raises GitHostRefusedError, GitSourceRefusedError, GitUnavailableError or DiskFullError.
        """
        ...

    async def keep_sdist(self, key: str, sdist: Path) -> Path:
        """Keep a copy of the sdist that a sandbox made, under a key in hexadecimal; raise DiskFullError."""
        ...

    async def find_sdist(self, key: str) -> Path | None:
        """Return the sdist of a key after a check of its content; None if there is none."""
        ...


T = TypeVar("T")


class ParserPool(Protocol):
    """Runs parsers in other processes, each call with a limit of processor time and memory."""

    async def run(self, parse: Callable[..., T], *args: Any, what: str, caller: str = "") -> T:  # noqa: ANN401
        """Return what ``parse(*args)`` returns, or raise what it raises.

        Args:
            parse: A module-level function, or a ``functools.partial`` of one. It, its arguments, its result and its
                errors are pickled.
            args: Its arguments.
            what: What is parsed, for the error: ``"the pyproject.toml of lxml 6.0"``.
            caller: Whose text it is. No caller occupies all processes at once.

        Raises RefusedTextError, a ValueError, if a limit was reached, and ParsersBusyError if other callers' texts take
        too long.
        """
        ...
