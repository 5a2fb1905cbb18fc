"""The routes of recipes: which there are, what each says, and the JSON schema that editors check them by."""

from typing import Any, Final, Self

from fastapi import APIRouter, Depends
from packaging.utils import canonicalize_name
from pydantic import BaseModel, ConfigDict

from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.problem_docs import problems
from wheelyard.api.services import Services
from wheelyard.domain.recipe_model import recipe_schema
from wheelyard.domain.recipe_source import RecipeStatus
from wheelyard.errors import NotFoundError, RecipesUnavailableError

router: Final = APIRouter(
    prefix="/v1/recipes", tags=["recipes"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
schema_router: Final = APIRouter(prefix="/v1/recipes", tags=["recipes"])
"""Apart, because editors fetch a schema without a token; it holds nothing that the program's sources do not."""
_UNAVAILABLE: Final = RecipesUnavailableError(
    source="https://git.example/recipes at main", reason="could not resolve host: git.example"
)


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, from_attributes=True)


class RecipeSummaryView(_View):
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


class RecipeSourceView(_View):
    """A place that recipes come from."""

    place: str
    """A folder of the API's host, or a git repository."""
    commit: str | None
    """The commit that is in use; null for a folder, or if none was ever fetched."""
    problem: str
    """Why it could not be read or brought up to date; empty if it could."""


class RecipeListView(_View):
    """Every recipe, and where they come from."""

    recipes: tuple[RecipeSummaryView, ...]
    """One for each project that has one, sorted by project."""
    sources: tuple[RecipeSourceView, ...]
    """Where recipes are looked for; a later one's recipe replaces an earlier one's."""


@schema_router.get("/schema.json", operation_id="recipe_schema", summary="JSON schema of recipes")
def get_schema() -> dict[str, Any]:
    """Describe the format of recipes, for editors; it needs no token."""
    return recipe_schema()


# These read files, so they are no coroutines: a slow disk must not hold up other requests.
@router.get("", operation_id="list_recipes", summary="List recipes", responses=problems())
def list_recipes(services: Services) -> RecipeListView:
    """List the recipe of each project that has one, those that cannot be used too, and where they come from."""
    return RecipeListView(
        recipes=tuple(RecipeSummaryView.of(status) for status in services.recipes.list_recipes()),
        sources=tuple(RecipeSourceView.model_validate(source) for source in services.recipes.list_sources()),
    )


@router.get(
    "/{name}",
    operation_id="get_recipe",
    summary="Read a recipe",
    responses=problems(NotFoundError(kind="recipe", name="idna"), _UNAVAILABLE),
)
def get_recipe(name: str, services: Services) -> RecipeView:
    """Read the recipe of a project; the name need not be normalised."""
    status = services.recipes.describe(canonicalize_name(name))
    if status is None:
        raise NotFoundError(kind="recipe", name=name)
    return RecipeView.of(status)
