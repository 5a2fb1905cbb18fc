"""What is in the files of our images: ours in one layer under /opt, and the same bytes from the same packages."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.adapted_engine import adapt_engine, without_cache
from tests.integration.image_harness import BUILDERS, CATALOGUE, PYTHON, SUITE, Harness, make_images, renewing
from tests.integration.saved_image import Layer, SavedFile, merge_layers, save_layers
from tests.integration.test_toolchain_builds import engine_command

from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.domain.catalogue.images import ImageRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class ColdHarness(Harness):
    """A stand that can also make each step anew."""

    cold_images: ImageBuilder


def make_cold_harness(folder: Path) -> ColdHarness:
    """Work on the catalogue's images with the host's engine, with its cache and without."""
    engine = engine_command()
    cold = make_images(adapt_engine(engine, without_cache), folder)
    return ColdHarness(engine=engine, images=make_images(engine, folder), cold_images=cold, folder=folder)


@pytest.fixture
def harness(tmp_path: Path) -> ColdHarness:
    return make_cold_harness(tmp_path)


@pytest.mark.parametrize("role", ["runtime", "builder"])
async def test_everything_of_ours_is_in_one_layer(harness: ColdHarness, role: str) -> None:
    image = (
        await harness.images.ensure_runtime(SUITE, PYTHON)
        if role == "runtime"
        else await harness.images.ensure_builder(SUITE, python=PYTHON)
    )
    layers = await save_layers(harness.engine, image, harness.folder)
    ours = [{path for path in layer if path.startswith("opt/")} for layer in layers]
    [only] = filter(None, ours)
    assert {"opt/wheelyard/packages.lock", "opt/wheelyard/sbom.json", f"opt/python/{PYTHON}/bin/python3"} <= only
    assert ours[-1] == only


async def make_anew(harness: ColdHarness, images: ImageBuilder, revision: str) -> ImageRecord:
    """Make a runtime image beside the one in use."""
    async with renewing(harness.engine, images, revision) as renewed:
        return await harness.record(await renewed.ensure_runtime(SUITE, PYTHON))


def differences(one: Layer, other: Layer) -> dict[str, tuple[SavedFile | None, SavedFile | None]]:
    """Give the files that are not the same in both."""
    both = {path: (one.get(path), other.get(path)) for path in {*one, *other}}
    return {path: pair for path, pair in both.items() if pair[0] != pair[1]}


@pytest.mark.slow_images
async def test_same_packages_give_the_same_files(harness: ColdHarness) -> None:
    first = await harness.record(await harness.images.ensure_runtime(SUITE, PYTHON))
    made = [second := await make_anew(harness, harness.cold_images, "cold-1")]
    if first.labels["packages-digest"] != second.labels["packages-digest"]:
        # The archive has moved on since the first was made, so another one of today takes its place.
        made.append(first := await make_anew(harness, harness.cold_images, "cold-2"))
    try:
        assert first.id != second.id
        one, other = [merge_layers(await save_layers(harness.engine, it.id, harness.folder)) for it in (first, second)]
    finally:
        await harness.engine.run(["image", "rm", *(it.id for it in made)], check=False)
    assert differences(one, other) == {}
    assert {path: file for path, file in one.items() if file.changed > CATALOGUE.source_date_epoch} == {}
    assert len(one) > 5000


@pytest.mark.slow_images
async def test_python_is_compiled_to_the_same_files(harness: ColdHarness) -> None:
    folder = shutil.copytree(BUILDERS, harness.folder / "builders")
    text = (folder / "Dockerfile").read_text()
    (folder / "Dockerfile").write_text(text.replace(" AS python\n", " AS python\nLABEL compiled=again\n"))
    first = await harness.record(await harness.images.ensure_runtime(SUITE, PYTHON))
    again = make_images(adapt_engine(harness.engine, without_cache), harness.folder, builders_dir=folder)
    plan = await again.plan(SUITE)
    try:
        second = await harness.record(await again.ensure_runtime(SUITE, PYTHON))
        one, other = [merge_layers(await save_layers(harness.engine, it.id, harness.folder)) for it in (first, second)]
    finally:
        made = (plan.runtime_name(PYTHON).tag, plan.python_name(PYTHON).tag)
        await harness.engine.run(["image", "rm", *made], check=False)
    ours = [{path: file for path, file in files.items() if path.startswith("opt/python/")} for files in (one, other)]
    assert first.definition != second.definition
    assert differences(*ours) == {}
    assert len(ours[0]) > 1000
