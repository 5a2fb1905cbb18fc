"""Models of recipes."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from wheelyard.api.schemas.base import NO_NUL, Body, View
from wheelyard.domain.recipes.adoption import Adoption
from wheelyard.domain.recipes.source import RecipeStatus


class RevisionView(View):
    """A revision of a recipe in the database of this service."""

    number: int
    """Its number, counted from 1 for each project."""
    by: str
    """Who saved, adopted or removed the recipe."""
    at: datetime
    build_id: str | None
    """The healed build that the recipe was adopted from; null for any other change."""


class PastRevisionView(RevisionView):
    """A revision with its text."""

    text: str | None
    """The text of the recipe, in TOML; null if this revision removed it."""


class RecipeHistoryView(View):
    """The revisions of a project's recipe."""

    revisions: tuple[PastRevisionView, ...]
    """The revisions, newest first."""


class RecipeSummaryView(View):
    """A project's recipe, without its text."""

    name: str
    """Name of the project."""
    source: str
    """Path of the file on the host of this API, or the revision in the database of this service."""
    usable: bool
    """False if it has problems; then the project cannot be built until they are fixed."""
    problems: tuple[str, ...]
    """All errors, with line and key."""
    remarks: tuple[str, ...]
    """Parts of the recipe without effect; the recipe is still valid."""
    revision: RevisionView | None
    """The revision in the database of this service; null for a recipe of a folder or a repository."""
    replaces: str
    """Path of the file that this revision replaces; empty if there is none."""

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
                "revision": status.revision,
                "replaces": status.replaces,
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


class NewRecipe(Body):
    """A recipe to store; the same as sending its text as `application/toml`."""

    text: Annotated[str, Field(pattern=NO_NUL)]
    """The text of the recipe, in TOML."""

    @model_validator(mode="before")
    @classmethod
    def _read_text(cls, value: object) -> object:
        """Take a body that is not JSON for the text itself."""
        if not isinstance(value, bytes):
            return value
        try:
            return {"text": value.decode()}
        except UnicodeDecodeError as error:
            raise ValueError("it is not UTF-8") from error


class AdoptedBuild(Body):
    """Whose recipe to adopt."""

    build: UUID | None = None
    """Id of a healed build; null for the project's newest one that has succeeded."""


class AdoptionView(View):
    """A recipe that was adopted from a healed build."""

    recipe: RecipeView
    """The project's recipe now."""
    build_id: str
    """Id of the healed build."""
    is_new: bool
    """False if the project's recipe had everything of the build's recipe already."""
    equal_build: str | None
    """Id of the build that a request for the same release and target joins now, usually the healed one; null if such a
    request builds anew, because the recipe or the builder differs from what the healed build used."""

    @classmethod
    def of_adoption(cls, adoption: Adoption) -> Self:
        """Return the view of an adoption."""
        recipe = RecipeView.of(adoption.recipe)
        return cls(recipe=recipe, build_id=adoption.build_id, is_new=adoption.is_new, equal_build=adoption.equal_build)


class RecipeSourceView(View):
    """A source of recipes."""

    place: str
    """A folder on the API's host, a git repository, or the database of this service."""
    commit: str | None
    """The current commit of a repository; null for other sources, or if none was fetched yet."""
    problem: str
    """Why it could not be read or updated; empty if there was no error."""


class RecipeListView(View):
    """All recipes and their sources."""

    recipes: tuple[RecipeSummaryView, ...]
    """The recipes, sorted by project."""
    sources: tuple[RecipeSourceView, ...]
    """The sources; a recipe of a later source replaces one of an earlier source."""
