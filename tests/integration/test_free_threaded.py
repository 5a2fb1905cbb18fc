"""Builds for a free-threaded Python on real containers: its tags, and what becomes of the GIL."""

import uuid
from collections.abc import AsyncIterator

import pytest
from tests.integration.container_harness import ContainerHarness, PackageRun, open_harness

from wheelyard.domain.builds.build import Status
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.pipeline.job import known

pytestmark = pytest.mark.slow_pythons

PYTHON = "3.13t"


@pytest.fixture(scope="module")
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ContainerHarness]:
    async with open_harness(tmp_path_factory.mktemp("threads"), f"test-{uuid.uuid4().hex}") as opened:
        yield opened


def run_of(harness: ContainerHarness, recipe: EffectiveRecipe) -> PackageRun:
    return harness.run_of("threads", python=PYTHON, recipe=recipe)


async def test_proof_says_of_each_module_what_becomes_of_the_gil_and_of_threads(harness: ContainerHarness) -> None:
    run = run_of(harness, EffectiveRecipe())
    build = await run.go()
    assert build.status is Status.SUCCEEDED, run.log()
    wheel = known(build.wheel)
    assert "-cp313-cp313t-manylinux" in wheel.filename
    (proof,) = wheel.proofs
    assert proof.python == PYTHON
    found = {one.module: (one.gil_off, one.survives_threads) for one in proof.threading}
    assert found == {"threads._free": (True, True), "threads._held": (False, None), "threads._racing": (True, False)}
    assert wheel.warnings == (
        "Importing threads._held switches the GIL of Python 3.13t on.",
        "threads._racing crashed Python 3.13t when eight threads called it at once.",
    )


async def test_recipe_that_expects_the_gil_off_refuses_the_wheel(harness: ContainerHarness) -> None:
    build = await run_of(harness, EffectiveRecipe(expected_gil="off")).go()
    assert build.status is Status.FAILED
    failure = known(build.failure)
    assert failure.code == "verify-failed"
    assert "threads._held switches the GIL of Python 3.13t on" in failure.summary


async def test_wheel_of_the_other_build_of_the_same_python_says_nothing_of_the_gil(harness: ContainerHarness) -> None:
    run = harness.run_of("threads", recipe=EffectiveRecipe(expected_gil="off"))
    build = await run.go()
    assert build.status is Status.SUCCEEDED, run.log()
    assert known(build.wheel).proofs[0].threading == ()
