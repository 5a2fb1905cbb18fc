"""Recipes in folders: the built-in book and the operator's own, later folders winning by project.

A recipe is read when it is asked for, so a changed file counts at once and a broken one disables its project alone.
"""

from collections.abc import Sequence
from pathlib import Path

from packaging.utils import NormalizedName

from wheelyard.domain.recipe import Recipe, parse_recipe


class RecipeFolders:
    """The RecipeBook over directories."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)

    def find(self, project: NormalizedName) -> Recipe | None:
        """Read a project's recipe; raises RecipeInvalidError if it cannot be used."""
        for folder in reversed(self._folders):
            file = folder / f"{project}.toml"
            if file.is_file():
                return parse_recipe(file.read_text(encoding="utf-8"), source=str(file))
        return None
