"""Models of recipes."""

from typing import Self

from wheelyard.api.schemas.base import View
from wheelyard.domain.recipes.source import RecipeStatus


class RecipeSummaryView(View):
    """A project's recipe, without its text."""

    name: str
    """Name of the project."""
    source: str
    """Path of the file on the host of this API."""
    usable: bool
    """False if it has problems; then the project cannot be built until they are fixed."""
    problems: tuple[str, ...]
    """All errors, with line and key."""
    remarks: tuple[str, ...]
    """Parts of the recipe without effect; the recipe is still valid."""

    @classmethod
    def of(cls, status: RecipeStatus) -> Self:
        """Return the view of a recipe."""
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
    """The text of the recipe, in TOML."""
    files: tuple[str, ...]
    """Paths of its patches, scripts and test files."""

    @classmethod
    def of(cls, status: RecipeStatus) -> Self:
        """Return the view of a recipe."""
        summary = RecipeSummaryView.of(status)
        return cls.model_validate({**summary.model_dump(), "text": status.text, "files": status.files})


class RecipeSourceView(View):
    """A source of recipes."""

    place: str
    """A folder on the API's host, or a git repository."""
    commit: str | None
    """The current commit; null for a folder, or if none was fetched yet."""
    problem: str
    """Why it could not be read or updated; empty if there was no error."""


class RecipeListView(View):
    """All recipes and their sources."""

    recipes: tuple[RecipeSummaryView, ...]
    """The recipes, sorted by project."""
    sources: tuple[RecipeSourceView, ...]
    """The sources; a recipe of a later source replaces one of an earlier source."""
