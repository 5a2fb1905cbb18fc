"""An image that cannot be made has the newest older one of its name in its place, said in the log and in the list."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.test_image_upkeep import BUILDERS, CATALOGUE, NOW, FakeEngine, FakeImages

from wheelyard.adapters.images.fallback import StandIn, StandInFile, StandIns
from wheelyard.adapters.images.inventory import ImageShelf
from wheelyard.adapters.images.names import ImageName
from wheelyard.adapters.images.options import ImageOptions
from wheelyard.adapters.images.reports import PendingFile
from wheelyard.cli.builders import image_table
from wheelyard.errors import HashMismatchError, NotFoundError, OperatorError, WheelyardError

SUITE, PYTHON = "bookworm", "3.13"
OTHER_BYTES = HashMismatchError(what="Python-3.13.15.tar.xz", expected="a", found="b")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stand:
    engine: FakeEngine
    shelf: ImageShelf
    stand_ins: StandIns
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

        return await self.stand_ins.serve(self.wanted, make, lines.append), lines, bool(tried)

    def add(self, definition: str, image_id: str, *, age: int, name: str = f"builder-{SUITE}-{PYTHON}") -> None:
        tag = f"wheelyard/{name}:{definition[:12]}"
        self.engine.add(tag, image_id, definition=definition, suite=SUITE, role="builder", python=PYTHON)
        self.engine.images[tag]["Created"] = (NOW - timedelta(days=age)).isoformat()

    async def standing(self) -> dict[str, str]:
        return {image.id: image.stands_in for image in (await self.shelf.look()).images if image.stands_in}


@pytest.fixture
async def stand(tmp_path: Path) -> Stand:
    engine, options, now = FakeEngine(), ImageOptions(lock_dir=tmp_path, architecture="x86_64"), [NOW]
    images = FakeImages(engine=engine, catalogue=CATALOGUE, builders_dir=BUILDERS, cache_dir=tmp_path, options=options)
    return Stand(
        engine=engine,
        shelf=ImageShelf(engine=engine, images=images, catalogue=CATALOGUE, folder=tmp_path / "images"),
        stand_ins=StandIns(engine=engine, folder=tmp_path / "images", clock=lambda: now[0]),
        now=now,
        wanted=(await images.plan(SUITE)).builder_name(PYTHON),
    )


async def test_newest_older_image_of_the_same_name_stands_in_and_the_log_says_why(stand: Stand) -> None:
    stand.add("1" * 64, "sha256:oldest", age=9)
    stand.add("2" * 64, "sha256:older", age=2)
    stand.add("3" * 64, "sha256:elsewhere", age=1, name=f"builder-trixie-{PYTHON}")
    stand.add("4" * 64, "sha256:runtime", age=1, name=f"runtime-{SUITE}-{PYTHON}")
    image, lines, _ = await stand.serve(OTHER_BYTES)
    older = f"wheelyard/builder-bookworm-3.13:{'2' * 12}"
    assert image == "sha256:older"
    assert lines == [
        f"warning: {stand.wanted.tag} cannot be made, so {older} of 2026-11-22 stands in: {OTHER_BYTES.summary}"
    ]
    assert await stand.standing() == {"sha256:older": OTHER_BYTES.summary}


async def test_image_that_a_refresh_has_not_finished_stands_in_for_nothing(stand: Stand) -> None:
    stand.engine.add(f"wheelyard/builder-{SUITE}-{PYTHON}:{'2' * 12}-20261124T000000", "half", definition="2" * 64)
    with pytest.raises(HashMismatchError):
        await stand.serve(OTHER_BYTES)


@pytest.mark.parametrize("failure", [OTHER_BYTES, NotFoundError(kind="Python", name="3.5", where="there")])
async def test_without_an_older_image_or_with_a_callers_mistake_the_error_stands(
    stand: Stand, failure: WheelyardError
) -> None:
    if not isinstance(failure, OperatorError):
        stand.add("2" * 64, "sha256:older", age=2)
    with pytest.raises(type(failure)):
        await stand.serve(failure)
    assert await stand.standing() == {}


async def test_nobody_tries_again_for_ten_minutes_and_then_the_new_image_takes_over(stand: Stand) -> None:
    stand.add("2" * 64, "sha256:older", age=2)
    await stand.serve(OTHER_BYTES)
    image, lines, tried = await stand.serve()
    assert (image, tried) == ("sha256:older", False)
    assert OTHER_BYTES.summary in lines[0]
    stand.now[0] += timedelta(minutes=10)
    assert await stand.serve() == ("sha256:new", [], True)
    assert await stand.standing() == {}


async def test_image_that_somebody_made_meanwhile_is_used_at_once(stand: Stand) -> None:
    stand.add("2" * 64, "sha256:older", age=2)
    await stand.serve(OTHER_BYTES)
    stand.add(stand.wanted.definition, "sha256:new", age=0)
    assert (await stand.serve())[0] == "sha256:new"
    assert await stand.standing() == {}


async def test_list_of_images_says_which_stand_in(stand: Stand) -> None:
    stand.add("2" * 64, "sha256:older", age=2)
    await stand.serve(OTHER_BYTES)
    table = image_table(await stand.shelf.describe(), now=datetime.now(tz=UTC))
    assert list(table.columns[-1].cells) == ["stands in"]


def test_broken_record_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "stand-ins.json").write_text('[{"definition": 1}]')
    assert StandInFile(tmp_path / "stand-ins.json").read() == ()


def test_notes_of_several_writers_are_all_kept(tmp_path: Path) -> None:
    """Two workers and a refresh on one host write the same files, at the same time."""

    def stand_in(number: int) -> StandIn:
        return StandIn(definition=f"d{number}", image="sha256:1", reason="away", since=NOW)

    def write(number: int) -> None:
        StandInFile(tmp_path / "stand-ins.json").replace(f"d{number}", stand_in(number))
        PendingFile(tmp_path / "pending.json").write(f"suite{number}", (), now=NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    found = StandInFile(tmp_path / "stand-ins.json").read()
    assert {one.definition for one in found} == {f"d{number}" for number in range(40)}
    assert len(PendingFile(tmp_path / "pending.json").read()) == 40
    StandInFile(tmp_path / "stand-ins.json").replace("d7", None)
    assert len(StandInFile(tmp_path / "stand-ins.json").read()) == 39
