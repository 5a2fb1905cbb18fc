"""What a build may use: the recipe asks, the operator has the last word, and a failure says whose figure it was."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.engine import ScriptedAgent
from tests.unit.pipeline_harness import LIMIT_RULES, LIMITS, PipelineHarness, honest_build, make_harness
from tests.unit.run_build_harness import RunHarness

from wheelyard.domain.builds.build import Stage
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import BuildFailedError, BuildTimeoutError, Use
from wheelyard.pipeline.build import build
from wheelyard.pipeline.job import Job, Tools
from wheelyard.pipeline.limits import grant_limits, grant_log_bytes
from wheelyard.pipeline.prepare import resolve

MIB = 1 << 20
SMALL = EffectiveRecipe(memory_bytes=96 * MIB, cpus=0.5, time_seconds=7, scratch_bytes=8 * MIB, log_bytes=50)
LARGE = EffectiveRecipe(memory_bytes=1 << 40, cpus=99, time_seconds=9999, scratch_bytes=1 << 40, log_bytes=1 << 40)


def test_recipe_that_says_nothing_gets_the_default() -> None:
    assert grant_limits(EffectiveRecipe(), LIMIT_RULES).limits == LIMITS
    assert grant_log_bytes(EffectiveRecipe(), default=100, ceiling=200) == 100


def test_recipe_gets_what_it_asks_for_be_it_less_or_more_than_the_default() -> None:
    less = replace(LIMITS, memory_bytes=96 * MIB, cpus=0.5, time_seconds=7, scratch_bytes=8 * MIB)
    assert grant_limits(SMALL, LIMIT_RULES).limits == less
    assert grant_limits(
        EffectiveRecipe(memory_bytes=512 * MIB, cpus=3.5, time_seconds=599), LIMIT_RULES
    ).limits == replace(LIMITS, memory_bytes=512 * MIB, cpus=3.5, time_seconds=599)
    assert grant_log_bytes(EffectiveRecipe(log_bytes=150), default=100, ceiling=200) == 150


def test_recipe_never_gets_more_than_the_operators_ceiling() -> None:
    assert grant_limits(LARGE, LIMIT_RULES).limits == LIMIT_RULES.ceiling
    assert grant_log_bytes(LARGE, default=100, ceiling=200) == 200


def test_emulated_build_gets_more_time_and_nothing_else() -> None:
    asked = EffectiveRecipe(time_seconds=7)
    granted = grant_limits(asked, LIMIT_RULES, times=2.5)
    assert granted.limits == replace(grant_limits(asked, LIMIT_RULES).limits, time_seconds=17)
    assert granted.ceiling.time_seconds == int(LIMIT_RULES.ceiling.time_seconds * 2.5)


async def test_log_of_an_emulated_build_says_so_and_how_long_it_may_take(pipeline: PipelineHarness) -> None:
    await resolve(pipeline.job, pipeline.tools)
    assert "emulated" not in pipeline.log.text
    pipeline.emulated = frozenset({"x86_64"})
    await resolve(pipeline.job, pipeline.tools)
    assert f"{LIMITS.time_seconds * 5} s a stage" in pipeline.log.text
    assert "emulated: this worker runs x86_64 by qemu-user, so each stage may take 5 times its limit" in (
        pipeline.log.text
    )


@pytest.mark.parametrize(
    ("recipe", "remedies"),
    [
        (
            EffectiveRecipe(),
            (
                "Raise limits.memory in the recipe (at most WHEELYARD_WORKER_MEMORY_BYTES), or WHEELYARD_LIMIT_M",
                "Raise limits.time in the recipe (at most WHEELYARD_CEILING_TIME_SECONDS), or WHEELYARD_LIMIT_T",
                "Raise limits.disk in the recipe (at most WHEELYARD_WORKER_MEMORY_BYTES), or WHEELYARD_LIMIT_S",
            ),
        ),
        (
            LARGE,
            (
                "Raise WHEELYARD_WORKER_MEMORY_BYTES: the build already had all",
                "Raise WHEELYARD_CEILING_TIME_SECONDS: the build already had all",
                "Raise WHEELYARD_WORKER_MEMORY_BYTES: the build already had all",
            ),
        ),
    ],
)  # fmt: skip
def test_failure_at_a_limit_names_the_figure_and_what_to_raise(
    recipe: EffectiveRecipe, remedies: tuple[str, str, str]
) -> None:
    granted = grant_limits(recipe, LIMIT_RULES)
    limits = granted.limits
    errors = (
        (granted.out_of_memory(Stage.BUILD), f"{limits.memory_bytes >> 20} MiB"),
        (granted.timed_out(Stage.BUILD), f"{limits.time_seconds} seconds"),
        (granted.disk_full(Stage.BUILD), f"{limits.scratch_bytes >> 20} MiB"),
    )
    for (error, figure), remedy in zip(errors, remedies, strict=True):
        assert figure in error.summary
        assert error.hint.startswith(remedy)


async def test_containers_have_the_limits_of_the_recipe(tmp_path: Path) -> None:
    harness = make_harness(tmp_path, SMALL)
    await build(harness.prepared, harness.tools)
    (spec,) = harness.engine.runs
    assert spec.limits == grant_limits(SMALL, LIMIT_RULES).limits


async def test_stage_is_stopped_at_the_recipes_time(tmp_path: Path) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        await asyncio.Event().wait()

    harness = make_harness(tmp_path, EffectiveRecipe(time_seconds=1))
    harness.engine.scripts = [script]
    with pytest.raises(BuildTimeoutError) as caught:
        await build(harness.prepared, harness.tools)
    assert (caught.value.limit_seconds, caught.value.at_ceiling) == (1, False)


async def test_log_says_what_the_recipe_asked_for_in_vain(tmp_path: Path) -> None:
    harness = make_harness(tmp_path, LARGE)
    await resolve(harness.job, harness.tools)
    assert "limits.cpu = 99, and gets the 4 that WHEELYARD_WORKER_CPUS allows" in harness.log.text
    assert "limits: 1024 MiB, 4 cpus, 600 s a stage" in harness.log.text


async def test_log_is_cut_where_the_recipe_says(tmp_path: Path) -> None:
    async def talk(job: Job, tools: Tools) -> Job:
        del tools
        await job.log.write(b"x" * 200)
        return job

    harness = RunHarness(pipeline=make_harness(tmp_path, SMALL), folder=tmp_path / "attempts")
    assert (await harness.run(talk)).attempts[0].log_truncated
    assert "cut here, at its limit of 50 bytes" in await harness.log()


async def test_full_disk_is_an_error_of_its_own(pipeline: PipelineHarness, tmp_path: Path) -> None:
    async def fill(job: Job, tools: Tools) -> Job:
        del tools
        await job.log.write(b"OSError: [Errno 28] No space left on device\n")
        use = Use(scratch_bytes=(64 << 20) - 4096)
        raise BuildFailedError(release="demo 1.0", exit_reason="the build backend ended with exit code 1", use=use)

    pipeline.engine.scripts = [honest_build]
    failure = (await RunHarness(pipeline=pipeline, folder=tmp_path / "attempts").run(fill)).failure
    assert failure is not None
    assert failure.code == "disk-limit"
    assert "whose limit is 64 MiB; 64.0 MiB were in use at the end" in failure.summary
    assert "WHEELYARD_LIMIT_SCRATCH_BYTES" in failure.hint
