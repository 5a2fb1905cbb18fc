"""A process chooses its engine once, and reads its catalogue once, however many parts of it need them."""

import asyncio
import threading
from pathlib import Path

import pytest

from wheelyard.adapters.images import catalogue_file
from wheelyard.assembly import images
from wheelyard.settings import Settings


async def test_engine_is_asked_once_for_all_parts_and_not_in_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, bool]] = []

    def answers(program: str) -> bool:
        asked.append((program, threading.current_thread() is threading.main_thread()))
        return program == "podman"

    monkeypatch.setattr(images, "_answers", answers)
    settings = await images.with_engine(Settings(state_dir=tmp_path))
    assert settings.engine == "podman"
    for make in (
        images.image_builder,
        images.image_upkeep,
        images.image_refreshes,
        images.image_pruning,
        images.logged_images,
        images.image_inventory,
        images.image_reader,
    ):
        make(settings)
    assert images.engine_command(settings).program == "podman"
    assert asked == [("docker", False), ("podman", False)]


async def test_engine_that_is_slow_to_answer_holds_up_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked, go_on, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def answers(_: str) -> bool:
        loop.call_soon_threadsafe(asked.set)
        return go_on.wait(20)

    monkeypatch.setattr(images, "_answers", answers)
    choosing = asyncio.create_task(images.with_engine(Settings(state_dir=tmp_path)))
    await asyncio.wait_for(asked.wait(), 20)
    assert not choosing.done()
    go_on.set()
    assert (await choosing).engine == "docker"


def test_catalogue_is_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reads: list[Path] = []
    read = catalogue_file._read_own

    def count(own: Path) -> str:
        reads.append(own)
        return read(own)

    monkeypatch.setattr(catalogue_file, "_read_own", count)
    own = tmp_path / "own.toml"
    own.write_text("schema = 1\n")
    settings = Settings(state_dir=tmp_path / "state", catalogue=own)
    first = images.catalogue(settings)
    images.image_refreshes(settings)
    images.image_inventory(settings)
    assert images.catalogue(settings) is first
    assert reads == [own]
