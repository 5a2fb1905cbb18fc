"""The stages one after another: what one leaves is what the next one finds."""

import hashlib
from dataclasses import replace

import pytest
from tests.fakes.engine import MemoryEngine
from tests.unit.pipeline_harness import (
    PURE_TAGGED,
    PipelineHarness,
    honest_build,
    honest_repair,
    honest_verify,
    make_harness,
    make_wheel,
)

from wheelyard.domain.builds.build import Stage
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import (
    EngineUnavailableError,
    HashMismatchError,
    IndexUnavailableError,
    PublishUnprovenError,
    WheelyardError,
    WorkerLostError,
)
from wheelyard.pipeline.job import Job, known


async def go(pipeline: PipelineHarness) -> Job:
    job = pipeline.job
    for step in pipeline.steps:
        job = await step.act(job, pipeline.tools)
    return job


def honest(pipeline: PipelineHarness) -> PipelineHarness:
    pipeline.engine = MemoryEngine(honest_build, honest_repair, honest_verify)
    return pipeline


def test_there_is_one_step_for_each_stage_in_order(pipeline: PipelineHarness) -> None:
    assert tuple(step.stage for step in pipeline.steps) == tuple(Stage)


async def test_proven_wheel_is_published_byte_by_byte(pipeline: PipelineHarness) -> None:
    wheel = known((await go(honest(pipeline))).wheel)
    assert pipeline.index.files == {("demo", PURE_TAGGED): make_wheel(PURE_TAGGED)}
    assert wheel.sha256 == hashlib.sha256(make_wheel(PURE_TAGGED)).hexdigest()
    assert (wheel.url, wheel.index_url) == (f"memory:demo/{PURE_TAGGED}", "memory:")


async def test_each_container_is_fresh_and_gone_afterwards(pipeline: PipelineHarness) -> None:
    await go(honest(pipeline))
    images = [spec.image for spec in pipeline.engine.runs]
    assert images == ["builder-bookworm-3.13", "builder-bookworm-3.13", "runtime-bookworm-3.13"]
    assert [spec.labels["org.wheelyard.stage"] for spec in pipeline.engine.runs] == ["build", "repair", "verify"]
    assert pipeline.engine.running == {}


async def test_each_container_says_again_that_the_job_uses_both_images(pipeline: PipelineHarness) -> None:
    await go(honest(pipeline))
    assert pipeline.images.used == [("builder-bookworm-3.13", "runtime-bookworm-3.13")] * 3


async def test_recipes_packages_are_in_the_builder_only(pipeline: PipelineHarness) -> None:
    harness = honest(make_harness(pipeline.folder, EffectiveRecipe(apt=("zlib1g-dev", "libyaml-dev"))))
    await go(harness)
    assert sorted(harness.images.asked) == ["builder-bookworm-3.13+libyaml-dev+zlib1g-dev", "runtime-bookworm-3.13"]


async def test_packages_of_the_host_are_in_the_runtime_image_only(pipeline: PipelineHarness) -> None:
    harness = honest(make_harness(pipeline.folder, EffectiveRecipe(test_apt=("libglib2.0-0",))))
    await go(harness)
    assert sorted(harness.images.asked) == ["builder-bookworm-3.13", "runtime-bookworm-3.13+libglib2.0-0"]


async def test_log_tells_the_order_without_anything_else_at_hand(pipeline: PipelineHarness) -> None:
    pipeline.order = replace(pipeline.order, recipe=EffectiveRecipe(apt=("libyaml-dev",)))
    await go(honest(pipeline))
    for text in (
        "demo 1.0 for Python 3.13 on manylinux_2_36_x86_64",
        pipeline.order.sdist.sha256,
        "libyaml-dev",
        "256 MiB",
    ):
        assert text in pipeline.log.text
    assert f"published {PURE_TAGGED}" in pipeline.log.text


async def test_sdist_with_another_hash_is_never_opened(pipeline: PipelineHarness) -> None:
    pipeline.source.altered = True
    with pytest.raises(HashMismatchError):
        await go(pipeline)
    assert pipeline.engine.runs == []


@pytest.mark.parametrize("stage", ["prepare", "publish"])
async def test_fault_outside_is_raised_as_it_is_and_can_be_tried_again(pipeline: PipelineHarness, stage: str) -> None:
    if stage == "prepare":
        pipeline.images.fault = EngineUnavailableError(engine="memory", reason="it is off")
    else:
        pipeline.index.faults.down = True
    with pytest.raises((EngineUnavailableError, IndexUnavailableError)) as caught:
        await go(honest(pipeline))
    assert caught.value.retryable
    assert pipeline.index.files == {}
    pipeline.images.fault, pipeline.index.faults.down = None, False
    for folder in pipeline.job.folder.iterdir():
        folder.rename(pipeline.folder / f"old-{folder.name}")
    await go(honest(pipeline))
    assert list(pipeline.index.filenames()) == [PURE_TAGGED]


async def test_publishing_what_is_there_already_is_no_harm(
    pipeline: PipelineHarness, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await go(honest(pipeline))
    again = honest(make_harness(tmp_path_factory.mktemp("again")))
    again.index = pipeline.index
    assert known((await go(again)).wheel).url is not None


async def test_attempt_that_lost_its_build_publishes_nothing(pipeline: PipelineHarness) -> None:
    pipeline.uploads.allowed = False
    with pytest.raises(WorkerLostError):
        await go(honest(pipeline))
    assert pipeline.index.files == {}


async def test_index_that_loses_a_wheel_is_found_out(pipeline: PipelineHarness) -> None:
    pipeline.index.faults.loses_uploads = True
    with pytest.raises(PublishUnprovenError):
        await go(honest(pipeline))


def test_error_of_the_tree_always_has_a_code() -> None:
    assert WheelyardError("x").code == "internal-error"
