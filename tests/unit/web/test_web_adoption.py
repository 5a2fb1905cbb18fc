"""Adoption on the pages: a healed build shows its recipe, an operator adopts it, and the recipe shows its history."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.samples import sample_healing
from tests.unit.web_harness import WebHarness, web_harness

from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.usecases.tokens import PREFIX


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        await made.sign_in()
        yield made


def words(text: str) -> str:
    return " ".join(text.split())


async def test_recipe_of_a_healed_build_is_adopted_with_a_button(harness: WebHarness) -> None:
    healed = await harness.api.heal("pyyaml")
    page = await harness.see(f"/builds/{healed}")
    assert words(sample_healing().recipe) in words(page.text)
    assert page.find("form", action="/recipes/pyyaml/adopt", method="post")
    answer = await harness.send("/recipes/pyyaml/adopt", build=healed)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/recipes/pyyaml")
    recipe = await harness.see("/recipes/pyyaml")
    assert "Revision 1, adopted from build" in words(recipe.text)
    assert f"/builds/{healed}" in recipe.links
    after = await harness.see(f"/builds/{healed}")
    assert "It is adopted" in after.text
    assert after.find("form", action="/recipes/pyyaml/adopt") == []
    assert "adopted, revision 1" in (await harness.see("/recipes")).text


async def test_recipe_page_has_the_history_and_what_it_replaces(harness: WebHarness) -> None:
    head = 'schema = 1\nname = "lxml"\n'
    await harness.recipe("lxml", head)
    manage = harness.api.services.manage_recipes
    assert "History" not in (await harness.see("/recipes/lxml")).text
    await manage.put("lxml", head, by="alice")
    await manage.put("lxml", f"{head}[[rule]]\n", by="<b>bob</b>")
    page = words((await harness.see("/recipes/lxml")).text)
    assert "Revision 2, saved by <b>bob</b>" in page
    assert "It replaces recipes/lxml.toml" in page
    assert "Revision 1, saved by alice" in page
    await manage.remove("lxml", by="alice")
    page = words((await harness.see("/recipes/lxml")).text)
    assert "Revision 3, removed by alice" in page
    assert "It replaces" not in page


async def test_button_is_for_operators_only(harness: WebHarness) -> None:
    healed = await harness.api.heal("pyyaml")
    harness.api.services.tokens._new_secret = lambda: "another"
    await harness.api.services.tokens.create(name="reader", scope=Scope.REQUEST, created_by="root")
    await harness.sign_in(f"{PREFIX}another")
    page = await harness.see(f"/builds/{healed}")
    assert page.find("form", action="/recipes/pyyaml/adopt") == []
    assert f"wheelyard recipe adopt pyyaml --build {healed[:8]}" in page.text
    assert (await harness.send("/recipes/pyyaml/adopt", build=healed)).status_code == 403
    answer = await harness.browser.post("/recipes/pyyaml/adopt", data={"build": healed})
    assert answer.status_code in {403, 422}


@pytest.mark.parametrize(("is_proposed", "told"), [(False, "failed nevertheless"), (True, "only proposed, not tried")])
async def test_recipe_of_a_failed_build_is_shown_as_one(harness: WebHarness, *, is_proposed: bool, told: str) -> None:
    build_id = await harness.api.submit("lxml")
    healing = replace(sample_healing("lxml"), recipe=f"# \x1b[31m<b>{'x' * 30000}\n{sample_healing('lxml').recipe}")
    healing = replace(healing, is_proposed=is_proposed)
    claim = await harness.api.claim(build_id)
    await harness.api.attempts.finish(claim, Outcome(status=Status.FAILED, healing=healing))
    page = await harness.see(f"/builds/{build_id}")
    assert told in page.text
    assert "a retry does not" in page.text
    assert "\x1b" not in page.text
    assert page.find("b") == []
    assert page.find("form", action="/recipes/lxml/adopt")
