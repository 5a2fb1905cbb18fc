"""A network for a build: only if the recipe asks and the operator allows, and for no other container."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.pipeline_harness import honest_build, honest_repair, honest_verify, make_harness

from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import NetworkRefusedError
from wheelyard.pipeline.build import build
from wheelyard.pipeline.prepare import resolve
from wheelyard.pipeline.repair import repair
from wheelyard.pipeline.verify import verify

ASKING = EffectiveRecipe(network=True)


async def test_attempt_ends_before_anything_is_fetched_if_the_operator_has_none(tmp_path: Path) -> None:
    harness = make_harness(tmp_path, ASKING)
    with pytest.raises(NetworkRefusedError, match=r"demo 1\.0"):
        await resolve(harness.job, harness.tools)
    with pytest.raises(NetworkRefusedError):
        await build(harness.prepared, harness.tools)
    assert harness.engine.runs == []


@pytest.mark.parametrize(("recipe", "given"), [(ASKING, "recipe"), (EffectiveRecipe(), "none")])
async def test_build_alone_gets_it(tmp_path: Path, recipe: EffectiveRecipe, given: str) -> None:
    harness = make_harness(tmp_path, recipe)
    tools = replace(harness.tools, network_for_recipes=True)
    harness.engine.scripts = [honest_build, honest_repair, honest_verify]
    await resolve(harness.job, tools)
    wheel = (await verify(await repair(await build(harness.prepared, tools), tools), tools)).wheel
    assert wheel is not None
    assert any("built with a network" in warning for warning in wheel.warnings) == recipe.network
    assert [spec.network for spec in harness.engine.runs] == [given, "none", "none"]
    assert ("network: the build has one" in harness.log.text) == recipe.network
