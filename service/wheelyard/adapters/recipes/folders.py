"""Recipes in folders: the built-in registry and the operator's own. Later folders win, project by project.

A recipe is one file, ``<project>.toml``, or a folder: ``<project>/recipe.toml`` with the files that it names beside it.
It is read when it is needed, so a changed file takes effect at once, and a broken one affects its project alone.
"""

import asyncio
import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName

from wheelyard.adapters.recipes.checkout import RecipeCheckout
from wheelyard.domain.recipes.problems import TextProblem
from wheelyard.domain.recipes.recipe import Naming, Recipe, judge_text, lint_recipe
from wheelyard.domain.recipes.source import RECIPE_FILE, RecipeStatus, SourceStatus, name_of_file, project_of
from wheelyard.errors import RecipeInvalidError, RecipesUnavailableError

FILE_FOLDERS: Final = ("patches", "hooks", "tests")
"""Other folders that a recipe's folder may contain."""
_LARGEST_RECIPE: Final = 4 << 20
"""A recipe's files travel with each build, so they are limited."""


class RecipeFolders:
    """Recipes in directories and checkouts."""

    def __init__(self, places: Sequence[Path | RecipeCheckout], *, suites: Collection[str] | None = None) -> None:
        """Set the places, of which later ones win. A recipe that names a suite outside of ``suites`` is broken."""
        self._places = tuple(places)
        self._suites = suites

    async def update(self) -> None:
        """Fetch all repositories at once. A failure is logged, and the old recipes stay in use."""
        await asyncio.gather(*(place.update() for place in self._places if isinstance(place, RecipeCheckout)))

    def lacks_any(self) -> bool:
        """Return whether a repository was never fetched. Without it, no recipe can be found."""
        return any(place.status().commit is None for place in self._places if isinstance(place, RecipeCheckout))

    def find(self, project: NormalizedName) -> Recipe | None:
        """Return a project's recipe; None if it has none. Raise RecipeInvalidError if it cannot be used."""
        file = self._find_file(project)
        return None if file is None else read_recipe(file, suites=self._suites)

    def describe(self, project: NormalizedName) -> RecipeStatus | None:
        """Return a project's recipe and its problems; None if it has none."""
        file = self._find_file(project)
        return None if file is None else describe_recipe(file, suites=self._suites)

    def list_recipes(self) -> tuple[RecipeStatus, ...]:
        """Return the recipe of every project that has one, sorted by project."""
        files = {project_of(file): file for folder in self._folders() for file in list_recipe_files(folder)}
        return tuple(describe_recipe(files[project], suites=self._suites) for project in sorted(files))

    def list_sources(self) -> tuple[SourceStatus, ...]:
        """Return where recipes are looked for; later ones win."""
        return tuple(_describe_place(place) for place in self._places)

    def _find_file(self, project: str) -> Path | None:
        """Look in the last place first. A repository that was never fetched may have the recipe: do not skip it."""
        for place in reversed(self._places):
            if (file := find_recipe_file(_folder_of(place), project)) is not None:
                return file
        return None

    def _folders(self) -> Iterator[Path]:
        for place in self._places:
            with contextlib.suppress(RecipesUnavailableError):
                yield _folder_of(place)


def _folder_of(place: Path | RecipeCheckout) -> Path:
    return place if isinstance(place, Path) else place.folder


def _describe_place(place: Path | RecipeCheckout) -> SourceStatus:
    if isinstance(place, Path):
        return SourceStatus(place=str(place), problem="" if place.is_dir() else "there is no such folder")
    return place.status()


def find_recipe_file(folder: Path, project: str) -> Path | None:
    """Return a project's recipe in a folder, usable or not; raise RecipeInvalidError if there are two.

    A file whose name only normalises to the project's is found, too. Otherwise it would be ignored silently.
    """
    there = [file for file in list_recipe_files(folder) if project_of(file) == project]
    if len(there) > 1:
        beside = there[1].relative_to(folder)
        raise RecipeInvalidError(source=str(there[0]), problems=[f"{beside} beside it is for the same project"])
    return there[0] if there else None


def list_recipe_files(folder: Path) -> list[Path]:
    """Return the recipes of a folder, usable or not, sorted by project; folders before files.

    Raise RecipesUnavailableError if the folder cannot be listed. A missing folder has none.
    """
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")] if folder.is_dir() else []
    except OSError as error:
        raise RecipesUnavailableError(source=str(folder), reason=error.strerror or str(error)) from error
    return sorted(filter(None, map(_recipe_at, entries)), key=_place_in_list)


def _place_in_list(file: Path) -> tuple[str, bool, Path]:
    return project_of(file), file.name != RECIPE_FILE, file


def _recipe_at(entry: Path) -> Path | None:
    """Return the recipe that an entry of a folder is. A broken link is one that cannot be read."""
    if entry.suffix.lower() == ".toml":
        return entry
    inner = entry / RECIPE_FILE
    leads_nowhere = entry.is_symlink() and not entry.exists()
    return inner if leads_nowhere or os.path.lexists(inner) else None


def read_recipe(file: Path, *, suites: Collection[str] | None = None) -> Recipe:
    """Return a recipe with its files; raise RecipeInvalidError."""
    recipe, problems = judge_recipe(file, suites=suites)
    if recipe is None:
        raise RecipeInvalidError(source=str(file), problems=[str(problem) for problem in problems])
    return recipe


def judge_recipe(file: Path, *, suites: Collection[str] | None) -> tuple[Recipe | None, Sequence[TextProblem]]:
    """Return a recipe with its files, or everything that is wrong with it.

    Args:
        file: The recipe.
        suites: The suites that it may name; any if it is None.
    """
    project, written = project_of(file), name_of_file(file)
    if written != project:
        wanted = project if file.name == RECIPE_FILE else f"{project}.toml"
        problem = f"{written!r} is not normalised, so name it {wanted}"
        return None, [TextProblem(line=None, key="", message=problem)]
    try:
        text = file.read_text(encoding="utf-8")
        files = dict(_read_files(file.parent)) if file.name == RECIPE_FILE else {}
    except (OSError, ValueError) as error:
        return None, [TextProblem(line=None, key="", message=f"it cannot be read: {error}")]
    return judge_text(text, source=str(file), files=files, naming=Naming(project=project, suites=suites))


def describe_recipe(file: Path, *, suites: Collection[str] | None = None) -> RecipeStatus:
    """Return a recipe and what is wrong with it."""
    project, text = project_of(file), _text_of(file)
    try:
        find_recipe_file(file.parent.parent if file.name == RECIPE_FILE else file.parent, project)
        recipe = read_recipe(file, suites=suites)
    except RecipeInvalidError as error:
        return RecipeStatus(name=project, source=str(file), text=text, problems=error.problems)
    remarks = tuple(map(str, lint_recipe(recipe)))
    return RecipeStatus(name=project, source=str(file), text=text, files=tuple(sorted(recipe.files)), remarks=remarks)


def _text_of(file: Path) -> str:
    """Return as much of a recipe as can be shown; nothing if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _read_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a recipe; raise ValueError if they are too large or not in the folder."""
    left = _LARGEST_RECIPE
    for file in _list_files(folder):
        left -= file.stat().st_size
        if left < 0:
            raise ValueError(f"its files have more than {_LARGEST_RECIPE >> 20} MiB")
        yield file.relative_to(folder).as_posix(), file.read_bytes()


def _list_files(folder: Path) -> Iterator[Path]:
    # A checkout is not trusted with this host's files, so links out of it are not followed.
    home = folder.resolve()
    for file in (file for kind in FILE_FOLDERS for file in sorted((folder / kind).rglob("*"))):
        if not file.resolve().is_relative_to(home):
            raise ValueError(f"{file.relative_to(folder)} is a link out of its folder")
        if file.is_file():
            yield file


FIRST_FETCH_SECONDS: Final = 15.0
"""How long a start waits for repositories, in seconds. Afterwards they are fetched in the background."""


async def fetch_first(recipes: RecipeFolders, *, seconds: float = FIRST_FETCH_SECONDS) -> None:
    """Fetch what was never fetched, so that the first request does not come too early. Return when time is up."""
    if recipes.lacks_any():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await recipes.update()
