"""Stage prepare: the images of a job, with Rust for a project that says itself that it is compiled from that."""

from dataclasses import replace

import pytest
from tests.unit.pipeline_harness import PipelineHarness

from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.recipes.sdist_facts import find_rust_builder
from wheelyard.errors import ToolchainTooOldError
from wheelyard.pipeline.crates import wants_crates
from wheelyard.pipeline.job import Job, known
from wheelyard.pipeline.prepare import prepare

MATURIN = b'[build-system]\nrequires = ["maturin>=1.9,<2"]\nbuild-backend = "maturin"\n'


@pytest.mark.parametrize(
    ("requires", "builder"),
    [
        ('["maturin>=1,<2"]', "maturin"),
        ('["setuptools", "Setuptools_Rust>=1; python_version >= \'3.9\'"]', "setuptools-rust"),
        ('["setuptools", "cython"]', None),
        ('["maturin-import-hook"]', None),
        ('["not a requirement", "maturin"]', None),
        ('"maturin"', None),
        ("[5]", None),
    ],
)
def test_build_requirement_that_compiles_rust_is_found(requires: str, builder: str | None) -> None:
    assert find_rust_builder(f"[build-system]\nrequires = {requires}\n".encode()) == builder


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"[build-system", b"build-system = 5", b"[build-system]", b"a=" + b"[" * 9999]
)
def test_what_cannot_be_read_says_nothing(text: bytes) -> None:
    assert find_rust_builder(text) is None


def test_requirement_that_the_recipe_drops_does_not_count() -> None:
    assert find_rust_builder(MATURIN, ["Maturin"]) is None


@pytest.fixture
def fetched(pipeline: PipelineHarness) -> Job:
    return pipeline.job.knowing(sdist=pipeline.folder / "demo-1.0.tar.gz")


async def test_project_that_requires_maturin_gets_rust_and_its_crates(pipeline: PipelineHarness, fetched: Job) -> None:
    pipeline.pyproject = MATURIN
    job = await prepare(fetched, pipeline.tools)
    assert known(job.images).builder == "builder-bookworm-3.13+rust"
    assert wants_crates(job)
    assert "its build requires maturin, so it gets Rust" in pipeline.log.text


async def test_other_projects_get_none(pipeline: PipelineHarness, fetched: Job) -> None:
    job = await prepare(fetched, pipeline.tools)
    assert (known(job.images).builder, wants_crates(job)) == ("builder-bookworm-3.13", False)


async def test_recipe_that_asks_for_rust_is_followed_as_it_is(pipeline: PipelineHarness, fetched: Job) -> None:
    pipeline.pyproject = MATURIN
    order = replace(pipeline.order, recipe=EffectiveRecipe(toolchains=("rust>=1.85",)))
    job = await prepare(replace(fetched, claim=replace(fetched.claim, order=order)), pipeline.tools)
    assert known(job.images).builder == "builder-bookworm-3.13+rust>=1.85"


async def test_suite_without_rust_is_tried_as_it_is(pipeline: PipelineHarness, fetched: Job) -> None:
    pipeline.pyproject = MATURIN
    pipeline.images.missing_toolchains = {"rust"}
    job = await prepare(fetched, pipeline.tools)
    assert (known(job.images).builder, wants_crates(job)) == ("builder-bookworm-3.13", False)
    assert "its build requires maturin, and bookworm has no Rust" in pipeline.log.text


async def test_suite_without_what_the_recipe_asks_for_is_refused(pipeline: PipelineHarness, fetched: Job) -> None:
    pipeline.images.missing_toolchains = {"java"}
    order = replace(pipeline.order, recipe=EffectiveRecipe(toolchains=("java",)))
    with pytest.raises(ToolchainTooOldError):
        await prepare(replace(fetched, claim=replace(fetched.claim, order=order)), pipeline.tools)
