"""Routes of recipes: list, get, store, remove, adopt, history, and the JSON schema for editors."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from packaging.utils import canonicalize_name

from wheelyard import errors
from wheelyard.api.authentication import AuthenticatedRoute, Caller, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, NO_SUCH_BUILD, problems
from wheelyard.api.schemas.recipes import (
    AdoptedBuild,
    AdoptionView,
    NewRecipe,
    PastRevisionView,
    RecipeHistoryView,
    RecipeListView,
    RecipeSourceView,
    RecipeSummaryView,
    RecipeView,
    RevisionView,
)
from wheelyard.api.services import Services
from wheelyard.domain.recipes.model import recipe_schema
from wheelyard.errors import NotFoundError, RecipesUnavailableError

router: Final = APIRouter(
    prefix="/v1/recipes", tags=["recipes"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
schema_router: Final = APIRouter(prefix="/v1/recipes", tags=["recipes"])
"""A separate router, because editors fetch the schema without a token; it contains nothing secret."""
_MOST: Final = (1 << 31) - 1
_CHANGED: Final = errors.RecipeChangedError(project="lxml", expected=2, current=3)
_REFUSED: Final = errors.RecipeRefusedError(
    project="lxml", problems=["line 5: rule 1, atp: unknown key, did you mean 'apt'?"]
)
_TOML: Final = {"requestBody": {"content": {"application/toml": {"schema": {"type": "string"}}}}}

SeenRevision = Annotated[
    int | None,
    Query(
        alias="revision",
        ge=0,
        le=_MOST,
        description="The revision that the change is based on, 0 for none; another one is refused. Default: no check.",
    ),
]
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


@router.put(
    "/{name}",
    operation_id="put_recipe",
    summary="Store a recipe",
    responses=problems(INVALID_REQUEST, _REFUSED, _CHANGED, errors.RequestTooLargeError(limit_bytes=64 << 10)),
    openapi_extra=_TOML,
)
async def put_recipe(
    name: str, body: NewRecipe, services: Services, caller: Caller, revision: SeenRevision = None
) -> RecipeView:
    """Store a recipe in the database of this service. It replaces the recipe of a folder or a repository.

    The body is the recipe itself (`application/toml`), or JSON with the field `text`. Every problem is reported. A
    recipe with patches, hooks or test files is refused, because only its text is stored. Builds that are requested from
    now on use it; other processes of this API learn of it within a second. An equal text changes nothing.
    """
    return RecipeView.of(await services.manage_recipes.put(name, body.text, by=caller.actor, expected=revision))


@router.delete(
    "/{name}",
    operation_id="delete_recipe",
    summary="Remove a recipe",
    response_description="The revision that has removed it.",
    responses=problems(INVALID_REQUEST, NotFoundError(kind="recipe", name="idna"), _CHANGED),
)
async def delete_recipe(name: str, services: Services, caller: Caller, revision: SeenRevision = None) -> RevisionView:
    """Remove a recipe from the database of this service. The recipe of a folder or a repository counts again.

    Its history stays.
    """
    removed = await services.manage_recipes.remove(name, by=caller.actor, expected=revision)
    return RevisionView.model_validate(removed)


@router.get(
    "/{name}/history",
    operation_id="get_recipe_history",
    summary="Get the history of a recipe",
    responses=problems(INVALID_REQUEST),
)
async def get_recipe_history(
    name: str,
    services: Services,
    before: Annotated[int | None, Query(ge=1, le=_MOST, description="Only revisions before this number.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of revisions.")] = 50,
) -> RecipeHistoryView:
    """Return the revisions of a project's recipe in the database of this service, newest first.

    For older ones, pass the last number as `before`. Recipes of folders and repositories have their history in git.
    """
    revisions = await services.manage_recipes.history(name, before=before, limit=limit)
    return RecipeHistoryView(revisions=tuple(PastRevisionView.model_validate(one) for one in revisions))


@router.post(
    "/{name}/adopt",
    operation_id="adopt_recipe",
    summary="Adopt the recipe of a healed build",
    responses=problems(
        INVALID_REQUEST,
        _REFUSED,
        NO_SUCH_BUILD,
        errors.NothingToAdoptError(project="lxml"),
        _CHANGED,
        _UNAVAILABLE,
        errors.RequestTooLargeError(limit_bytes=64 << 10),
    ),
)
async def adopt_recipe(
    name: str,
    services: Services,
    caller: Caller,
    body: AdoptedBuild = AdoptedBuild(),  # noqa: B008
) -> AdoptionView:
    """Make the recipe of a healed build the project's recipe, in the database of this service.

    If the project has a recipe already, the rules of the build's recipe are added at its end. The healed wheel counts
    as built by the new recipe, so an equal request builds nothing (`equal_build`). Adopting again changes nothing.
    """
    build_id = str(body.build) if body.build else None
    return AdoptionView.of_adoption(await services.manage_recipes.adopt(name, build_id=build_id, by=caller.actor))
