"""An image that cannot be made has the newest older one of its name in its place, said in the log and in the list."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.adapters.test_image_upkeep import BUILDERS, CATALOGUE, NOW, FakeEngine, FakeImages

from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.fallback import FallbackFile, Fallbacks
from wheelyard.adapters.images.inventory import ImageInventory
from wheelyard.adapters.images.reports import PendingFile
from wheelyard.cli.builders import image_table
from wheelyard.domain.catalogue.images import ImageName
from wheelyard.domain.catalogue.upkeep import Fallback
from wheelyard.errors import HashMismatchError, NotFoundError, OperatorError, WheelyardError

SUITE, PYTHON = "bookworm", "3.13"
OTHER_BYTES = HashMismatchError(what="Python-3.13.15.tar.xz", expected="a", found="b")


@dataclass(frozen=True, kw_only=True, slots=True)
class Harness:
    engine: FakeEngine
    storage: ImageInventory
    placeholders: Fallbacks
    now: list[datetime]
    wanted: ImageName

    async def serve(self, failure: WheelyardError | None = None) -> tuple[str, list[str], bool]:
        """Ask for the builder; returns its id, what the log says, and whether anybody tried to make it."""
        lines: list[str] = []
        tried = []

        async def make() -> str:
            tried.append(True)
            if failure is not None:
                raise failure
            self.add(self.wanted.definition, "sha256:new", age=0)
            return "sha256:new"

        return await self.placeholders.serve(self.wanted, make, lines.append), lines, bool(tried)

    def add(self, definition: str, image_id: str, *, age: int, name: str = f"builder-{SUITE}-{PYTHON}") -> None:
        tag = f"wheelyard/{name}:{definition[:12]}"
        self.engine.add(tag, image_id, definition=definition, suite=SUITE, role="builder", python=PYTHON)
        self.engine.images[tag]["Created"] = (NOW - timedelta(days=age)).isoformat()

    async def standing(self) -> dict[str, str]:
        return {image.id: image.stands_in for image in (await self.storage.look()).images if image.stands_in}


@pytest.fixture
async def harness(tmp_path: Path) -> Harness:
    engine, options, now = FakeEngine(), ImageOptions(lock_dir=tmp_path, architecture="x86_64"), [NOW]
    images = FakeImages(engine=engine, catalogue=CATALOGUE, builders_dir=BUILDERS, cache_dir=tmp_path, options=options)
    return Harness(
        engine=engine,
        storage=ImageInventory(engine=engine, images=images, catalogue=CATALOGUE, folder=tmp_path / "images"),
        placeholders=Fallbacks(engine=engine, folder=tmp_path / "images", clock=lambda: now[0]),
        now=now,
        wanted=(await images.plan(SUITE)).builder_name(PYTHON),
    )


async def test_newest_older_image_of_the_same_name_stands_in_and_the_log_says_why(harness: Harness) -> None:
    harness.add("1" * 64, "sha256:oldest", age=9)
    harness.add("2" * 64, "sha256:older", age=2)
    harness.add("3" * 64, "sha256:elsewhere", age=1, name=f"builder-trixie-{PYTHON}")
    harness.add("4" * 64, "sha256:runtime", age=1, name=f"runtime-{SUITE}-{PYTHON}")
    image, lines, _ = await harness.serve(OTHER_BYTES)
    older = f"wheelyard/builder-bookworm-3.13:{'2' * 12}"
    assert image == "sha256:older"
    assert lines == [
        f"warning: {harness.wanted.tag} cannot be made, so {older} of 2026-11-22 stands in: {OTHER_BYTES.summary}"
    ]
    assert await harness.standing() == {"sha256:older": OTHER_BYTES.summary}


@pytest.mark.parametrize("failure", [OTHER_BYTES, NotFoundError(kind="Python", name="3.5", where="there")])
async def test_without_an_older_image_or_with_a_callers_mistake_the_error_stands(
    harness: Harness, failure: WheelyardError
) -> None:
    if not isinstance(failure, OperatorError):
        harness.add("2" * 64, "sha256:older", age=2)
    with pytest.raises(type(failure)):
        await harness.serve(failure)
    assert await harness.standing() == {}


async def test_nobody_tries_again_for_ten_minutes_and_then_the_new_image_takes_over(harness: Harness) -> None:
    harness.add("2" * 64, "sha256:older", age=2)
    await harness.serve(OTHER_BYTES)
    image, lines, tried = await harness.serve()
    assert (image, tried) == ("sha256:older", False)
    assert OTHER_BYTES.summary in lines[0]
    harness.now[0] += timedelta(minutes=10)
    assert await harness.serve() == ("sha256:new", [], True)
    assert await harness.standing() == {}


async def test_image_that_somebody_made_meanwhile_is_used_at_once(harness: Harness) -> None:
    harness.add("2" * 64, "sha256:older", age=2)
    await harness.serve(OTHER_BYTES)
    harness.add(harness.wanted.definition, "sha256:new", age=0)
    assert (await harness.serve())[0] == "sha256:new"
    assert await harness.standing() == {}


async def test_list_of_images_says_which_stand_in(harness: Harness) -> None:
    harness.add("2" * 64, "sha256:older", age=2)
    await harness.serve(OTHER_BYTES)
    table = image_table(await harness.storage.describe(), now=datetime.now(tz=UTC))
    assert list(table.columns[-1].cells) == ["fallback"]


def test_broken_record_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "stand-ins.json").write_text('[{"definition": 1}]')
    assert FallbackFile(tmp_path / "stand-ins.json").read() == ()


def test_notes_of_several_writers_are_all_kept(tmp_path: Path) -> None:
    """Two workers and a refresh on one host write the same files, at the same time."""

    def stand_in(number: int) -> Fallback:
        return Fallback(definition=f"d{number}", image="sha256:1", reason="away", since=NOW)

    def write(number: int) -> None:
        FallbackFile(tmp_path / "stand-ins.json").replace(f"d{number}", stand_in(number))
        PendingFile(tmp_path / "pending.json").write(f"suite{number}", (), now=NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    found = FallbackFile(tmp_path / "stand-ins.json").read()
    assert {one.definition for one in found} == {f"d{number}" for number in range(40)}
    assert len(PendingFile(tmp_path / "pending.json").read()) == 40
    FallbackFile(tmp_path / "stand-ins.json").replace("d7", None)
    assert len(FallbackFile(tmp_path / "stand-ins.json").read()) == 39
