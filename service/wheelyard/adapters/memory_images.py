"""Twins of the image builder and of the recipe folders, in memory: images are names, recipes are what a test put in."""

from collections.abc import Sequence

from packaging.utils import NormalizedName

from wheelyard.domain.recipe import Recipe
from wheelyard.errors import OperatorError, RecipeInvalidError
from wheelyard.interfaces import LogSink


class MemoryImages:
    """The Images without images; ids tell what they were asked for."""

    def __init__(self) -> None:
        self.fault: OperatorError | None = None
        """Raised by everything while it is set."""
        self.asked: list[str] = []
        """The ids that were handed out, in order."""

    async def builder(
        self, *, suite: str, python: str, apt: Sequence[str], toolchains: Sequence[str] = (), log: LogSink
    ) -> str:
        """Name a builder with toolchains and packages; see Images."""
        return await self._make("+".join((f"builder-{suite}-{python}", *toolchains, *sorted(set(apt)))), log)

    async def runtime(self, *, suite: str, python: str, log: LogSink) -> str:
        """Name a runtime; see Images."""
        return await self._make(f"runtime-{suite}-{python}", log)

    async def _make(self, image: str, log: LogSink) -> str:
        if self.fault is not None:
            raise self.fault
        if image not in self.asked:
            await log.write(f"{image}: building\n".encode())
        self.asked.append(image)
        return image


class MemoryRecipeBook:
    """The RecipeBook over a dictionary."""

    def __init__(self, *recipes: Recipe) -> None:
        self.recipes = {recipe.name: recipe for recipe in recipes}
        self.fault: RecipeInvalidError | None = None
        """Raised by every ``find`` while it is set."""

    def find(self, project: NormalizedName) -> Recipe | None:
        """Return what was put in; see RecipeBook."""
        if self.fault is not None:
            raise self.fault
        return self.recipes.get(project)
