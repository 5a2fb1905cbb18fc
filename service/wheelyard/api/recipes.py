"""The routes of recipes: which there are, what each says, and the JSON schema that editors check them by."""

from typing import Any, Final

from fastapi import APIRouter, Depends
from packaging.utils import canonicalize_name

from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.docs import problems
from wheelyard.api.schemas.recipes import RecipeListView, RecipeSourceView, RecipeSummaryView, RecipeView
from wheelyard.api.services import Services
from wheelyard.domain.recipes.model import recipe_schema
from wheelyard.errors import NotFoundError, RecipesUnavailableError

router: Final = APIRouter(
    prefix="/v1/recipes", tags=["recipes"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
schema_router: Final = APIRouter(prefix="/v1/recipes", tags=["recipes"])
"""Apart, because editors fetch a schema without a token; it holds nothing that the program's sources do not."""
_UNAVAILABLE: Final = RecipesUnavailableError(
    source="https://git.example/recipes at main", reason="could not resolve host: git.example"
)


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
