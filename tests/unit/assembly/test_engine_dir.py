"""Workers that share an engine share what is noted about its images, whatever state directories they have."""

from pathlib import Path

import pytest

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.images.build import ImageRun
from wheelyard.assembly.images import image_options, image_pruning
from wheelyard.assembly.parts import Parts
from wheelyard.errors import AlreadyRunningError
from wheelyard.settings import Settings


@pytest.fixture
def workers(tmp_path: Path) -> tuple[Settings, Settings]:
    first, second = (
        Settings(state_dir=tmp_path / name, engine_dir=tmp_path / "engine", engine="no-engine") for name in ("a", "b")
    )
    return first, second


async def test_worker_knows_what_another_on_its_engine_uses(workers: tuple[Settings, Settings]) -> None:
    first, second = workers
    await image_pruning(Parts(first)).note_superseded("sha256:0123")
    assert [image_id for image_id, _ in image_pruning(Parts(second))._superseded.read()] == ["sha256:0123"]


async def test_image_is_made_by_one_worker_of_an_engine_at_a_time(workers: tuple[Settings, Settings]) -> None:
    first, second = (image_options(settings) for settings in workers)
    async with ImageRun(engine=EngineCommand(), options=first).locked("wheelyard/base:1"):
        with pytest.raises(AlreadyRunningError):
            FileLock(second.lock_dir / "wheelyard_base_1.lock").acquire()


def test_notes_are_in_the_state_directory_unless_it_is_said(tmp_path: Path) -> None:
    assert image_options(Settings(state_dir=tmp_path)).lock_dir == tmp_path / "locks"
