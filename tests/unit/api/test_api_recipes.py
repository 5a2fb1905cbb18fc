"""Recipes over REST: which there are, what each says, and the schema that editors check them by."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.unit.api_harness import ApiHarness, api_harness, assert_problem
from tests.unit.recipe_texts import EVERY_KEY, FILES, parse_recipe

from wheelyard.domain.recipes.model import recipe_schema


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        made.recipes.recipes["demo"] = parse_recipe(EVERY_KEY, source="/book/demo/recipe.toml", files=FILES)
        yield made


async def test_list_names_every_recipe_and_where_they_come_from(demo: ApiHarness) -> None:
    answer = (await demo.client.get("/v1/recipes")).json()
    assert answer == {
        "recipes": [
            {"name": "demo", "source": "/book/demo/recipe.toml", "usable": True, "problems": [], "remarks": []}
        ],
        "sources": [{"place": "memory", "commit": None, "problem": ""}],
    }


@pytest.mark.parametrize("name", ["demo", "Demo"])
async def test_recipe_is_shown_as_it_is_written(demo: ApiHarness, name: str) -> None:
    answer = (await demo.client.get(f"/v1/recipes/{name}")).json()
    assert answer["text"] == EVERY_KEY
    assert answer["files"] == sorted(FILES)


async def test_project_without_a_recipe_is_not_found(demo: ApiHarness) -> None:
    assert_problem(await demo.client.get("/v1/recipes/idna"), 404, "not-found")


async def test_schema_needs_no_token_and_the_rest_does(demo: ApiHarness) -> None:
    transport = demo.client._transport
    async with httpx.AsyncClient(transport=transport, base_url="http://wheelyard") as stranger:
        assert (await stranger.get("/v1/recipes/schema.json")).json() == recipe_schema()
        assert_problem(await stranger.get("/v1/recipes"), 401, "unauthenticated")
        assert_problem(await stranger.get("/v1/recipes/demo"), 401, "unauthenticated")
