"""A refresh on the real engine: an image that lacks an update gets a successor, and the report says what changed.

The images have a definition of their own, so that nothing that is in use changes. 'make test-images' runs this.
"""

import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from tests.image_locks import IMAGE_LOCKS
from tests.integration.image_harness import BUILDERS, CATALOGUE, PYTHON, SUITE, make_images
from tests.integration.test_toolchain_builds import engine_command

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.build import ImageBuild, ImageOptions
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.contents import read_packages
from wheelyard.adapters.images.inventory import ImageInventory
from wheelyard.adapters.images.names import find_image
from wheelyard.adapters.images.prune import ImagePruning
from wheelyard.adapters.images.refresh import ImageUpkeep
from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.catalogue.upkeep import PruneRules

OWN = CATALOGUE.model_copy(update={"source_date_epoch": CATALOGUE.source_date_epoch + 1})
"""The catalogue with other definitions."""
AGE = "sed -i '/^Package: tzdata$/,/^$/s/^Version: .*/Version: 0.1/' /var/lib/dpkg/status"


@dataclass(frozen=True, kw_only=True, slots=True)
class Harness:
    """Images of the test's own, and what looks after them."""

    engine: EngineCommand
    images: ImageBuilder
    folder: Path
    base: ImageName
    runtime: ImageName

    def upkeep(self) -> ImageUpkeep:
        pruning = ImagePruning(
            engine=self.engine,
            folder=self.folder,
            rules=PruneRules(budget_bytes=1 << 50, longest_build=timedelta(hours=3)),
            current=functools.partial(self.images.definitions_of, [SUITE]),
        )
        return ImageUpkeep(images=self.images, folder=self.folder, pruning=pruning)

    async def find(self, name: ImageName) -> ImageRecord:
        found = await find_image(self.engine, name.tag, name.definition)
        assert found is not None
        return found

    async def versions(self, image: str) -> dict[str, str]:
        return {one.name: one.version for one in await read_packages(self.engine, image)}


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    engine, options = engine_command(), ImageOptions(lock_dir=IMAGE_LOCKS)
    images = ImageBuilder(
        engine=engine, catalogue=OWN, builders_dir=BUILDERS, cache_dir=tmp_path / "cache", options=options
    ).reporting_to(print)
    plan = await images.plan(SUITE)
    names = (plan.base().name, plan.python_name(PYTHON), plan.runtime_name(PYTHON))
    await lend_python(engine, names[1], tmp_path)
    yield Harness(engine=engine, images=images, folder=tmp_path / "images", base=names[0], runtime=names[2])
    for name in reversed(names):
        await engine.run(["image", "rm", name.tag], check=False)


async def lend_python(engine: EngineCommand, name: ImageName, folder: Path) -> None:
    """Give the compiled Python that is in use another definition: to compile it again would take minutes."""
    images = make_images(engine, folder)
    await images.ensure_runtime(SUITE, PYTHON)
    compiled = await find_image(engine, (await images.plan(SUITE)).python_name(PYTHON).tag)
    assert compiled is not None
    labels = {**compiled.labels, "definition": name.definition}
    build = ImageBuild(tag=name.tag, labels=labels, dockerfile=f"FROM {compiled.tags[0]}\n")
    await images.run.build(build)


async def make_older(harness: Harness) -> ImageRecord:
    """Make the runtime image, and put one in its place whose tzdata is an older one."""
    await harness.images.ensure_runtime(SUITE, PYTHON)
    fresh = await harness.find(harness.runtime)
    build = ImageBuild(
        tag=harness.runtime.tag,
        labels=fresh.labels,
        dockerfile=f"FROM {harness.runtime.tag}\nUSER 0\nRUN {AGE}\nUSER 1000:1000\n",
    )
    return await harness.images.run.build(build)


@pytest.mark.slow_images
async def test_image_that_lacks_an_update_gets_a_successor_and_the_report_names_the_package(harness: Harness) -> None:
    older, upkeep = await make_older(harness), harness.upkeep()
    base = await harness.find(harness.base)
    (report,) = await upkeep.refresh(SUITE)
    newer = await harness.find(harness.runtime)
    assert (report.image, report.refreshed, report.problem) == (harness.runtime.tag, True, "")
    changed = {change.package: (change.from_version, change.to_version) for change in report.changes}
    assert changed["tzdata"] == ("0.1", (await harness.versions(newer.id))["tzdata"])
    assert newer.id != older.id
    assert newer.labels["revision"]
    assert (await harness.find(harness.base)).id != base.id
    assert await find_image(harness.engine, older.id), "who began to build in it may still need it"
    kept = await upkeep.last_report(SUITE)
    assert kept is not None
    assert kept.images == (report,)
    storage = ImageInventory(engine=harness.engine, images=harness.images, catalogue=OWN, folder=harness.folder)
    assert (await storage.look()).refreshed == {SUITE: kept}
    assert [one.refreshed for one in await upkeep.refresh(SUITE)] == [False]
    await harness.engine.run(["image", "rm", older.id, base.id], check=False)
