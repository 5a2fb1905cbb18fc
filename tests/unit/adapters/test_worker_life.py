"""How a worker's end is told at the next start."""

import os
import time
from pathlib import Path

import pytest

from wheelyard.adapters.host.worker_life import WorkerLife


@pytest.fixture
def boot_id(tmp_path: Path) -> Path:
    file = tmp_path / "boot_id"
    file.write_text("this-start\n")
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "worker.alive"


def test_first_worker_has_no_former_one(file: Path, boot_id: Path) -> None:
    assert WorkerLife(file, boot_id=boot_id).begin() is None


def test_worker_that_ended_in_order_has_not_died(file: Path, boot_id: Path) -> None:
    life = WorkerLife(file, boot_id=boot_id)
    life.begin()
    life.end()
    assert WorkerLife(file, boot_id=boot_id).begin() is None


def test_worker_that_left_its_mark_behind_died_and_is_told_once(file: Path, boot_id: Path) -> None:
    WorkerLife(file, boot_id=boot_id).begin()
    os.utime(file, (time.time() - 100, time.time() - 100))
    seconds = WorkerLife(file, boot_id=boot_id).begin()
    assert seconds is not None
    assert 100 <= seconds < 200
    again = WorkerLife(file, boot_id=boot_id)
    fresh = again.begin()
    assert fresh is not None
    assert fresh < 100
    again.end()
    assert WorkerLife(file, boot_id=boot_id).begin() is None


def test_worker_that_ended_with_its_host_has_not_died(file: Path, boot_id: Path) -> None:
    WorkerLife(file, boot_id=boot_id).begin()
    boot_id.write_text("the next start\n")
    assert WorkerLife(file, boot_id=boot_id).begin() is None


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"this-start" * 1000])
def test_mark_that_says_nothing_is_no_death(file: Path, boot_id: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert WorkerLife(file, boot_id=boot_id).begin() is None


def test_disk_that_takes_no_mark_keeps_no_worker_from_beginning(tmp_path: Path, boot_id: Path) -> None:
    life = WorkerLife(tmp_path / "nowhere" / "worker.alive", boot_id=boot_id)
    assert life.begin() is None
    life.end()
