"""Routes of recipes: the list, a recipe, and the JSON schema for editors."""

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
"""A separate router, because editors fetch the schema without a token; it contains nothing secret."""
_UNAVAILABLE: Final = RecipesUnavailableError(
    source="https://git.example/recipes at main", reason="could not resolve host: git.example"
)


@schema_router.get("/schema.json", operation_id="recipe_schema", summary="JSON schema of recipes")
def get_schema() -> dict[str, Any]:
    """Return the JSON schema of recipes, for editors. Needs no token."""
    return recipe_schema()


# These functions read files, so they are not coroutines: a slow disk must not block other requests.
@router.get("", operation_id="list_recipes", summary="List recipes", responses=problems())
def list_recipes(services: Services) -> RecipeListView:
    """List all recipes, including invalid ones, and their sources."""
    return RecipeListView(
        recipes=tuple(RecipeSummaryView.of(status) for status in services.recipes.list_recipes()),
        sources=tuple(RecipeSourceView.model_validate(source) for source in services.recipes.list_sources()),
    )


@router.get(
    "/{name}",
    operation_id="get_recipe",
    summary="Get a recipe",
    responses=problems(NotFoundError(kind="recipe", name="idna"), _UNAVAILABLE),
)
def get_recipe(name: str, services: Services) -> RecipeView:
    """Return the recipe of a project. The name need not be normalised."""
    status = services.recipes.describe(canonicalize_name(name))
    if status is None:
        raise NotFoundError(kind="recipe", name=name)
    return RecipeView.of(status)
