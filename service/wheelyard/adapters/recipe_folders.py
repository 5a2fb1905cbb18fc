"""Recipes in folders: the built-in book and the operator's own, later folders winning by project.

A recipe is read when it is asked for, so a changed file counts at once and a broken one disables its project alone.
"""

from collections.abc import Sequence
from pathlib import Path

from packaging.utils import NormalizedName

from wheelyard.domain.recipe import Recipe, parse_recipe
from wheelyard.errors import RecipeInvalidError


class RecipeFolders:
    """The RecipeBook over directories."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)

    def find(self, project: NormalizedName) -> Recipe | None:
        """Read a project's recipe; raises RecipeInvalidError if it cannot be used."""
        for folder in reversed(self._folders):
            file = folder / f"{project}.toml"
            if file.is_file():
                return _read_recipe(file, project)
        return None


def _read_recipe(file: Path, project: NormalizedName) -> Recipe:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeInvalidError(source=str(file), problems=[f"it cannot be read: {error}"]) from error
    recipe = parse_recipe(text, source=str(file))
    if recipe.name != project:
        problem = f"name: {recipe.name!r} is not what the file is named after"
        raise RecipeInvalidError(source=str(file), problems=[problem])
    return recipe
