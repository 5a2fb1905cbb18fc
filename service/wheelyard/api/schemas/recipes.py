"""Recipes, as the REST API shows them."""

from typing import Self

from wheelyard.api.schemas.base import View
from wheelyard.domain.recipes.source import RecipeStatus


class RecipeSummaryView(View):
    """A project's recipe, without its text."""

    name: str
    """The project."""
    source: str
    """The file on the host of this API."""
    usable: bool
    """False if it has problems; then nothing of the project is built until they are mended."""
    problems: tuple[str, ...]
    """Everything that is wrong with it, by line and key."""
    remarks: tuple[str, ...]
    """What it says that never has an effect; it can be used nevertheless."""

    @classmethod
    def of(cls, status: RecipeStatus) -> Self:
        """Show a recipe."""
        return cls.model_validate(
            {
                "name": status.name,
                "source": status.source,
                "usable": not status.problems,
                "problems": status.problems,
                "remarks": status.remarks,
            }
        )


class RecipeView(RecipeSummaryView):
    """A project's recipe."""

    text: str
    """The recipe as it is written, in TOML."""
    files: tuple[str, ...]
    """Paths of the patches, scripts and test files that lie beside it."""

    @classmethod
    def of(cls, status: RecipeStatus) -> Self:
        """Show a recipe."""
        summary = RecipeSummaryView.of(status)
        return cls.model_validate({**summary.model_dump(), "text": status.text, "files": status.files})


class RecipeSourceView(View):
    """A place that recipes come from."""

    place: str
    """A folder of the API's host, or a git repository."""
    commit: str | None
    """The commit that is in use; null for a folder, or if none was ever fetched."""
    problem: str
    """Why it could not be read or brought up to date; empty if it could."""


class RecipeListView(View):
    """Every recipe, and where they come from."""

    recipes: tuple[RecipeSummaryView, ...]
    """One for each project that has one, sorted by project."""
    sources: tuple[RecipeSourceView, ...]
    """Where recipes are looked for; a later one's recipe replaces an earlier one's."""
