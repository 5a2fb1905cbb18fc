"""Pruning on the real engine, with images of a few bytes: what is in use, named by others or within the budget stays.

The engine may have other images of ours, so the tests see only those that carry a label of their own.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.adapted_engine import adapt_engine
from tests.integration.test_toolchain_builds import engine_command

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.build import ImageBuild, ImageOptions, ImageRun
from wheelyard.adapters.images.context import ContextFile
from wheelyard.adapters.images.names import find_image, label_instruction
from wheelyard.adapters.images.prune import ImagePruning
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.catalogue.upkeep import PruneRules

LABEL = "org.wheelyard.test"
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """Tiny images, and what prunes them."""

    engine: EngineCommand
    """Lists only the images of one test."""
    mark: str
    """What these have in their label."""
    options: ImageOptions
    folder: Path
    now: list[datetime]
    definitions: dict[str, str] = field(default_factory=dict)
    """What each family's images are defined by now."""

    def pruning(self, budget_bytes: int) -> ImagePruning:
        rules = PruneRules(budget_bytes=budget_bytes, longest_build=timedelta(hours=3))
        return ImagePruning(
            engine=self.engine, folder=self.folder, rules=rules, current=self.current, clock=lambda: self.now[0]
        )

    async def current(self) -> dict[str, str]:
        """Give the definitions; in a catalogue, there are some of every suite."""
        return self.definitions

    async def make(  # noqa: PLR0913  each is left out by most
        self,
        role: str,
        *,
        below: ImageRecord | None = None,
        size: int = 1,
        tag: str = "",
        lines: str = "",
        stage: str = "",
    ) -> ImageRecord:
        """Make an image with one file."""
        definition = secrets.token_hex(32)
        labels = {"role": role, "definition": definition, "suite": "none", "test": self.mark}
        build = ImageBuild(
            tag=tag or f"wheelyard/test-{role}:{definition[:12]}",
            labels={**labels, "builder": below.id} if below else labels,
            dockerfile=f"{lines}FROM {below.id if below else 'scratch'}\n"
            f"COPY {f'--from={stage} ' if stage else ''}file /{secrets.token_hex(4)}\n",
            files=(ContextFile(name="file", content=bytes(size)),),
        )
        return await ImageRun(engine=self.engine, options=self.options, report=print).build(build)

    async def make_by_stage(self, stage_role: str) -> ImageRecord:
        """Make an image with a file from a stage; gives the image that the engine keeps of the stage."""
        before = await self.stages()
        labels = label_instruction({"role": stage_role, "definition": "0" * 64, "test": self.mark})
        await self.make("runtime", lines=f"FROM scratch AS stage\nCOPY file /file\n{labels}\n", stage="stage")
        [made] = [one for one in await self.stages() if one not in before]
        found = await find_image(self.engine, made)
        assert found is not None
        assert (found.role, found.tags) == (stage_role, ())
        return found

    async def stages(self) -> list[str]:
        """List the images without a name, by id."""
        return (await self.engine.run(["images", "--quiet", "--no-trunc", "--filter", "dangling=true"])).text.split()

    async def left(self, *images: ImageRecord) -> list[bool]:
        """Tell which images are still there."""
        return [await find_image(self.engine, image.id) is not None for image in images]


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    mark = secrets.token_hex(8)

    def list_own(args: Sequence[str]) -> Sequence[str]:
        return [*args, "--filter", f"label={LABEL}={mark}"] if args[0] == "images" else args

    engine = adapt_engine(engine_command(), list_own)
    options = ImageOptions(lock_dir=tmp_path / "locks")
    yield Storage(engine=engine, mark=mark, options=options, folder=tmp_path / "images", now=[datetime.now(tz=UTC)])
    containers = (await engine.run(["ps", "--all", "--quiet", "--filter", f"label={LABEL}={mark}"])).text
    for container in containers.split():
        await engine.run(["rm", "--force", container])
    while ids := (await engine.run(["images", "--quiet", "--no-trunc"])).text.split():
        await engine.run(["image", "rm", "--force", *dict.fromkeys(ids)])


async def test_budget_is_kept_by_what_was_used_longest_ago_and_nothing_in_use_goes(storage: Storage) -> None:
    builder = await storage.make("builder")
    rust = await storage.make("toolchain", below=builder, size=3 * MIB)
    on_rust = await storage.make("environment", below=rust, size=2 * MIB)
    other = await storage.make("environment", below=builder, size=4 * MIB)
    shop = await storage.make("environment", below=other, tag=f"shop-{storage.mark}:1")
    storage.now[0] += timedelta(hours=1)
    await storage.pruning(99 * MIB).note_use(on_rust.id)
    storage.now[0] += timedelta(hours=1)
    everything = (builder, rust, on_rust, other, shop)

    assert await storage.pruning(10 * MIB).prune() == ()
    # What somebody else built on the oldest one stays whole, although it has our labels. Docker keeps the oldest one
    # for it, Podman its layers only.
    await storage.pruning(6 * MIB).prune()
    assert await storage.left(shop) == [True]
    await storage.engine.run(["image", "rm", *shop.tags])
    await storage.pruning(6 * MIB).prune()
    assert await storage.left(*everything) == [True, True, True, False, False]
    await storage.engine.run(["create", "--label", f"{LABEL}={storage.mark}", on_rust.id, "nothing"])
    assert await storage.pruning(0).prune() == ()
    assert await storage.left(*everything) == [True, True, True, False, False]


async def test_superseded_image_goes_when_no_build_can_need_it_and_no_container_uses_it(storage: Storage) -> None:
    old, new = await storage.make("runtime"), await storage.make("runtime")
    pruning = storage.pruning(0)
    await pruning.note_superseded(old.id)
    await storage.engine.run(["tag", new.id, old.tags[0]])
    container = (await storage.engine.run(["create", "--label", f"{LABEL}={storage.mark}", old.id, "nothing"])).text
    assert await pruning.prune() == ()
    storage.now[0] += timedelta(hours=3)
    assert await pruning.prune() == ()
    await storage.engine.run(["rm", container])
    assert [image.id for image in await pruning.prune()] == [old.id]
    assert await storage.left(old, new) == [False, True]


async def test_image_of_an_older_definition_goes_with_its_base_once_its_successor_is_there(storage: Storage) -> None:
    pruning = storage.pruning(0)
    base = await storage.make("base")
    old, draft = await storage.make("runtime", below=base), await storage.make("draft", below=base)
    await storage.engine.run(["tag", draft.id, unfinished := f"{draft.tags[0]}-draft"])
    await storage.engine.run(["image", "rm", draft.tags[0]])
    storage.now[0] += timedelta(days=8)
    storage.definitions["wheelyard/test-runtime"] = "f" * 64
    assert [image.name for image in await pruning.prune()] == [unfinished]
    new_base, new = await storage.make("base"), await storage.make("runtime")
    storage.definitions.update({"wheelyard/test-runtime": new.definition, "wheelyard/test-base": new_base.definition})
    assert {image.id for image in await pruning.prune()} | {image.id for image in await pruning.prune()} == {
        old.id,
        base.id,
    }
    assert await storage.left(new, new_base) == [True, True]


async def test_stage_that_an_image_was_made_by_goes_when_no_build_can_be_at_it_and_that_of_others_stays(
    storage: Storage,
) -> None:
    ours, theirs = await storage.make_by_stage("draft"), await storage.make_by_stage("runtime")
    pruning = storage.pruning(0)
    assert await pruning.prune() == ()
    storage.now[0] += timedelta(hours=4)
    assert [image.id for image in await pruning.prune()] == [ours.id]
    assert await storage.left(ours, theirs) == [False, True]
