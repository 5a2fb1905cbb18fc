"""A process chooses its engine once, and reads its catalogue once, however many of its parts need them."""

import asyncio
import threading
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.store.database import Database
from wheelyard.assembly import parts
from wheelyard.assembly.backends import Backends
from wheelyard.assembly.images import image_inventory
from wheelyard.assembly.index import IndexBackends
from wheelyard.assembly.parts import Parts, make_parts
from wheelyard.assembly.worker import make_worker
from wheelyard.cli.app import run
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.index.index import Level
from wheelyard.metrics import CacheLookups
from wheelyard.settings import Settings


class Engines:
    """Programs that stand in for docker and podman, and write down how they are called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._calls = folder / "calls"
        self._calls.touch()

    def install(self, name: str, *, answers: bool) -> None:
        program = self.folder / name
        program.write_text(f'#!/bin/sh\necho "{name} $1" >> {self._calls}\nexit {0 if answers else 1}\n')
        program.chmod(0o755)

    @property
    def versions(self) -> list[str]:
        """Which programs were asked for their version, in turn."""
        return [call for call in self._calls.read_text().splitlines() if call.endswith(" version")]


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engines:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return Engines(folder)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The operator's catalogues that are read."""
    found: list[Path] = []
    read = parts._read_own

    def count(own: Path) -> str:
        found.append(own)
        return read(own)

    monkeypatch.setattr(parts, "_read_own", count)
    return found


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    own = tmp_path / "own.toml"
    own.write_text("schema = 1\n")
    monkeypatch.setenv("WHEELYARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("WHEELYARD_CATALOGUE", str(own))
    return Settings(state_dir=tmp_path / "state", catalogue=own)


async def test_worker_asks_the_engine_once_and_reads_the_catalogue_once(
    engines: Engines, reads: list[Path], settings: Settings
) -> None:
    engines.install("docker", answers=True)
    backends = Backends(
        parts=await make_parts(settings),
        database=Database("postgresql://nowhere.invalid"),
        source=MagicMock(),
        parsers=MagicMock(),
        index=IndexBackends(indexes={level: MagicMock() for level in Level}, storage=MagicMock()),
        lookups=CacheLookups(),
        uv_slots=FairSlots(1),
        index_url="",
    )
    assert make_worker(backends).registration.lanes
    assert engines.versions == ["docker version"]
    assert reads == [settings.catalogue]


@pytest.mark.parametrize("arguments", [["list"], ["refresh", "--last"], ["prune"]])
def test_command_asks_the_engine_once_and_reads_the_catalogue_once(
    engines: Engines, reads: list[Path], settings: Settings, arguments: list[str]
) -> None:
    engines.install("docker", answers=True)
    assert run(["builders", *arguments]) == ExitCode.OK
    assert engines.versions == ["docker version"]
    assert reads == [settings.catalogue]


def test_first_engine_that_answers_is_chosen_for_all_parts(engines: Engines, settings: Settings) -> None:
    engines.install("docker", answers=False)
    engines.install("podman", answers=True)
    made = Parts(settings)
    image_inventory(made)
    assert made.engine.program == "podman"
    assert engines.versions == ["docker version", "podman version"]


def test_engine_that_is_set_is_not_asked(engines: Engines, settings: Settings) -> None:
    engines.install("docker", answers=True)
    assert Parts(settings.model_copy(update={"engine": "podman"})).engine.program == "podman"
    assert engines.versions == []


async def test_engine_that_is_slow_to_answer_holds_up_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked, go_on, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def answers(_: str) -> bool:
        loop.call_soon_threadsafe(asked.set)
        return go_on.wait(20)

    monkeypatch.setattr(parts, "_answers", answers)
    choosing = asyncio.create_task(make_parts(Settings(state_dir=tmp_path)))
    await asyncio.wait_for(asked.wait(), 20)
    assert not choosing.done()
    go_on.set()
    assert (await choosing).engine.program == "docker"
