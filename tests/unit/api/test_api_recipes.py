"""Recipes over REST: which there are, what each says, changes and adoption, and the schema for editors."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.contract.samples import sample_healing
from tests.unit.api_harness import ApiHarness, api_harness, assert_problem
from tests.unit.recipe_texts import EVERY_KEY, FILES, parse_recipe

from wheelyard.domain.recipes.model import recipe_schema
from wheelyard.errors import RecipeRefusedError


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        made.recipes.recipes["demo"] = parse_recipe(EVERY_KEY, source="/book/demo/recipe.toml", files=FILES)
        yield made


async def test_list_names_every_recipe_and_where_they_come_from(demo: ApiHarness) -> None:
    answer = (await demo.client.get("/v1/recipes")).json()
    assert answer == {
        "recipes": [
            {
                "name": "demo",
                "source": "/book/demo/recipe.toml",
                "usable": True,
                "problems": [],
                "remarks": [],
                "revision": None,
                "replaces": "",
            }
        ],
        "sources": [
            {"place": "memory", "commit": None, "problem": ""},
            {"place": "the database of this service", "commit": None, "problem": ""},
        ],
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


DEMO = 'schema = 1\nname = "demo"\n\n[[rule]]\napt = ["libdemo-dev"]\n'
TOML = {"Content-Type": "application/toml"}


async def test_stored_recipe_replaces_that_of_a_folder_until_it_is_removed(demo: ApiHarness) -> None:
    stored = await demo.client.put("/v1/recipes/Demo", content=DEMO, headers=TOML)
    assert stored.status_code == 200, stored.text
    shown = (await demo.client.get("/v1/recipes/demo")).json()
    assert shown == stored.json()
    assert (shown["text"], shown["replaces"], shown["usable"]) == (DEMO, "/book/demo/recipe.toml", True)
    assert (shown["revision"]["number"], shown["revision"]["by"]) == (1, (await actor(demo)))
    assert shown["source"] == f"demo, revision 1 by {await actor(demo)}"
    (listed,) = (await demo.client.get("/v1/recipes")).json()["recipes"]
    assert listed["revision"] == shown["revision"]
    removed = await demo.client.delete("/v1/recipes/demo")
    assert (removed.status_code, removed.json()["number"]) == (200, 2)
    assert (await demo.client.get("/v1/recipes/demo")).json()["text"] == EVERY_KEY
    assert_problem(await demo.client.delete("/v1/recipes/demo"), 404, "not-found")


async def actor(harness: ApiHarness) -> str:
    return (await harness.token_store.list_tokens())[0].actor


async def test_recipe_is_taken_as_json_too_and_every_problem_is_told_with_its_line(demo: ApiHarness) -> None:
    assert (await demo.client.put("/v1/recipes/demo", json={"text": DEMO})).status_code == 200
    wrong = DEMO.replace('"demo"', '"other"').replace("apt", "atp")
    problem = assert_problem(await demo.client.put("/v1/recipes/demo", json={"text": wrong}), 422, "recipe-refused")
    first, second = problem["context"]["problems"]
    assert first.startswith("line 2: name: ")
    assert second == "line 5: rule 1, atp: unknown key, did you mean 'apt'?"
    assert (await demo.client.get("/v1/recipes/demo")).json()["text"] == DEMO


async def test_recipe_with_files_is_refused_and_the_answer_says_where_it_belongs(demo: ApiHarness) -> None:
    answer = await demo.client.put("/v1/recipes/demo", content=DEMO + 'patches = ["1.patch"]\n', headers=TOML)
    problem = assert_problem(answer, 422, "recipe-refused")
    assert "patches/1.patch" in problem["detail"]
    assert "belongs in a folder or a git repository" in problem["hint"]


@pytest.mark.parametrize(
    ("content", "code"), [(b"\xff", "invalid-request"), (b"name =", "recipe-refused"), (b"", "invalid-request")]
)
async def test_body_that_is_no_recipe_is_refused(demo: ApiHarness, content: bytes, code: str) -> None:
    assert_problem(await demo.client.put("/v1/recipes/demo", content=content, headers=TOML), 422, code)


@pytest.mark.parametrize("comment", ["\ud800", "\0"])
async def test_text_that_no_database_holds_is_refused(demo: ApiHarness, comment: str) -> None:
    body = json.dumps({"text": f"# {comment}\n{DEMO}"})
    answer = await demo.client.put("/v1/recipes/demo", content=body, headers={"Content-Type": "application/json"})
    assert_problem(answer, 422, "invalid-request")


async def test_recipe_that_has_grown_too_long_is_refused(demo: ApiHarness) -> None:
    with pytest.raises(RecipeRefusedError, match="more than 64 KiB"):
        await demo.services.manage_recipes.put("demo", f"# {'x' * (64 << 10)}\n{DEMO}", by="alice")


async def test_change_of_an_older_revision_is_refused(demo: ApiHarness) -> None:
    path = "/v1/recipes/demo"
    assert (await demo.client.put(f"{path}?revision=0", content=DEMO, headers=TOML)).status_code == 200
    again = await demo.client.put(f"{path}?revision=0", content=f"{DEMO}\n", headers=TOML)
    assert assert_problem(again, 409, "recipe-changed")["context"] == {"project": "demo", "expected": 0, "current": 1}
    assert_problem(await demo.client.delete(f"{path}?revision=2"), 409, "recipe-changed")
    assert (await demo.client.delete(f"{path}?revision=1")).status_code == 200


async def test_history_has_every_revision_with_its_text(demo: ApiHarness) -> None:
    for text in (DEMO, f"{DEMO}# better\n"):
        await demo.client.put("/v1/recipes/demo", content=text, headers=TOML)
    await demo.client.delete("/v1/recipes/demo")
    revisions = (await demo.client.get("/v1/recipes/demo/history")).json()["revisions"]
    assert [(one["number"], one["text"]) for one in revisions] == [(3, None), (2, f"{DEMO}# better\n"), (1, DEMO)]
    older = (await demo.client.get("/v1/recipes/demo/history?before=3&limit=1")).json()["revisions"]
    assert [one["number"] for one in older] == [2]
    assert (await demo.client.get("/v1/recipes/idna/history")).json() == {"revisions": []}


async def test_recipe_of_a_healed_build_is_adopted_and_its_wheel_counts_as_built_by_it(demo: ApiHarness) -> None:
    healed = await demo.heal("pyyaml")
    answer = await demo.client.post("/v1/recipes/pyyaml/adopt")
    assert answer.status_code == 200, answer.text
    adopted = answer.json()
    assert adopted["recipe"]["text"] == sample_healing().recipe
    assert adopted["recipe"]["revision"]["build_id"] == healed
    assert (adopted["is_new"], adopted["build_id"], adopted["equal_build"]) == (True, healed, healed)
    joined = await demo.client.post("/v1/builds", json={"requirement": "pyyaml"})
    assert (joined.status_code, joined.json()["id"], joined.json()["joined"]) == (200, healed, True)
    again = (await demo.client.post("/v1/recipes/pyyaml/adopt", json={"build": healed})).json()
    assert again == {**adopted, "is_new": False}


async def test_without_a_healed_build_there_is_nothing_to_adopt(demo: ApiHarness) -> None:
    assert_problem(await demo.client.post("/v1/recipes/pyyaml/adopt"), 404, "nothing-to-adopt")
    build_id = await demo.submit("lxml")
    body = {"build": build_id}
    assert_problem(await demo.client.post("/v1/recipes/lxml/adopt", json=body), 404, "nothing-to-adopt")
    healed = {"build": await demo.heal("pyyaml")}
    assert_problem(await demo.client.post("/v1/recipes/lxml/adopt", json=healed), 404, "nothing-to-adopt")
    assert_problem(await demo.client.post("/v1/recipes/lxml/adopt", json={"build": "x"}), 422, "invalid-request")


async def test_rule_for_a_recipe_with_files_is_left_to_people(demo: ApiHarness) -> None:
    await demo.heal("pyyaml")
    text = 'schema = 1\nname = "pyyaml"\n[[rule]]\nhooks.before-build = ["prepare.sh"]\n'
    demo.recipes.recipes["pyyaml"] = parse_recipe(text, source="/book/pyyaml/recipe.toml", files=FILES)
    problem = assert_problem(await demo.client.post("/v1/recipes/pyyaml/adopt"), 422, "recipe-refused")
    assert "/book/pyyaml/recipe.toml has other files" in problem["detail"]
