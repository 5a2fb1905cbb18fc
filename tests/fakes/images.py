"""Fakes of the image builder and of the recipe folders: images are names, recipes are what a test has added."""

from collections.abc import Collection, Sequence
from pathlib import Path

from packaging.utils import NormalizedName

from wheelyard.domain.catalogue.packages import InstalledPackage
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.recipes.recipe import Recipe, lint_recipe
from wheelyard.domain.recipes.source import RecipeStatus, SourceStatus
from wheelyard.errors import OperatorError, RecipeInvalidError, ToolchainTooOldError
from wheelyard.interfaces import LogSink


class MemoryImages:
    """The Images without images; ids show what they were requested for."""

    def __init__(self) -> None:
        self.fault: OperatorError | None = None
        """Raised by everything while it is set."""
        self.asked: list[str] = []
        """The ids that were returned, in order."""
        self.used: list[tuple[str, ...]] = []
        """The images that builds have used, in order."""
        self.managers: dict[str, str] = {}
        """Package managers of suites that have another one than apt."""
        self.folder = Path()
        """Where the installers of other architectures are."""
        self.missing_toolchains: set[str] = set()
        """Toolchains that no suite has."""

    async def builder(  # noqa: PLR0913  (each is one property of the image)
        self,
        *,
        suite: str,
        python: str,
        architecture: str,
        apt: Sequence[str],
        toolchains: Sequence[str] = (),
        log: LogSink,
    ) -> str:
        """Return the name of a builder with toolchains and packages; see Images."""
        for toolchain in toolchains:
            if toolchain.partition(">")[0] in self.missing_toolchains:
                raise ToolchainTooOldError(toolchain=toolchain, suite=suite, have=None, want=toolchain)
        return await self._make(
            "+".join((f"builder-{suite}-{python}{_suffix(architecture)}", *toolchains, *sorted(set(apt)))), log
        )

    async def runtime(
        self, *, suite: str, python: str, architecture: str, apt: Sequence[str] = (), log: LogSink
    ) -> str:
        """Return the name of a runtime with packages; see Images."""
        return await self._make("+".join((f"runtime-{suite}-{python}{_suffix(architecture)}", *sorted(set(apt)))), log)

    async def installer(self, *, suite: str, architecture: str, log: LogSink) -> Path:
        """Return a file of that name, in the folder of the test; see Images."""
        del suite, log
        return self.folder / f"uv-{architecture}"

    def package_manager(self, suite: str) -> str:
        """Return what a test has set; see Images."""
        return self.managers.get(suite, "apt")

    async def content(self, image: str) -> ImageContent:
        """Return an image with one package; see Images."""
        package = InstalledPackage(name="libc6", version="2.36-9", architecture="amd64")
        return ImageContent(name=image, version="0" * 64, distribution="debian", suite="bookworm", packages=(package,))

    async def note_use(self, images: Collection[str]) -> None:
        """Record the use; see Images."""
        self.used.append(tuple(images))

    async def _make(self, image: str, log: LogSink) -> str:
        if self.fault is not None:
            raise self.fault
        if image not in self.asked:
            await log.write(f"{image}: building\n".encode())
        self.asked.append(image)
        return image


def _suffix(architecture: str) -> str:
    return "" if architecture == "x86_64" else f"-{architecture}"


class MemoryRecipes:
    """The RecipeRegistry over a dictionary."""

    def __init__(self, *recipes: Recipe) -> None:
        self.recipes = {recipe.name: recipe for recipe in recipes}
        self.fault: RecipeInvalidError | None = None
        """Raised by every ``find`` while it is set."""

    def find(self, project: NormalizedName) -> Recipe | None:
        """Return what a test has added; see RecipeRegistry."""
        if self.fault is not None:
            raise self.fault
        return self.recipes.get(project)

    def describe(self, project: NormalizedName) -> RecipeStatus | None:
        """Describe what a test has added; see RecipeRegistry."""
        recipe = self.recipes.get(project)
        return None if recipe is None else _describe(recipe)

    def list_recipes(self) -> tuple[RecipeStatus, ...]:
        """Describe everything that a test has added; see RecipeRegistry."""
        return tuple(_describe(recipe) for _, recipe in sorted(self.recipes.items()))

    def list_sources(self) -> tuple[SourceStatus, ...]:
        """Return this memory; see RecipeRegistry."""
        return (SourceStatus(place="memory"),)


def _describe(recipe: Recipe) -> RecipeStatus:
    return RecipeStatus(
        name=recipe.name,
        source=recipe.source,
        text=recipe.text,
        files=tuple(sorted(recipe.files)),
        remarks=tuple(map(str, lint_recipe(recipe))),
    )
