"""Hostile wheels against the worker's own reading: refused by name, and nothing of theirs is unpacked."""

import re
import zipfile
from pathlib import Path

import pytest
from tests.hostile.corpus import WHEELS, Attack
from tests.hostile.wheel_parts import wheel_with, zipped
from tests.unit.pipeline_harness import PURE, make_wheel, order_for

from wheelyard.wheel_files.reader import check_wheel

AT_READING = {name: attack for name, attack in WHEELS.items() if attack.refused and "STAGE" not in attack.facts}
LATER = {name: attack for name, attack in WHEELS.items() if name not in AT_READING}


@pytest.mark.parametrize("attack", AT_READING.values(), ids=AT_READING)
def test_wheel_is_refused_by_name(attack: Attack, tmp_path: Path) -> None:
    path = tmp_path / PURE
    path.write_bytes(attack.act("make")())
    with pytest.raises(ValueError, match=re.escape(attack.said)) as caught:
        check_wheel(path, order_for())
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("attack", LATER.values(), ids=LATER)
def test_wheel_whose_fault_shows_later_is_read(attack: Attack, tmp_path: Path) -> None:
    (tmp_path / PURE).write_bytes(attack.act("make")())
    assert check_wheel(tmp_path / PURE, order_for()).size_bytes > 0


@pytest.mark.parametrize(
    "name", ["demo.pth", "sitecustomize.py", "usercustomize/__init__.py", "demo-1.0.data/purelib/x.pth"]
)
def test_wheel_that_runs_at_every_start_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / PURE).write_bytes(wheel_with(**{name: b"import os"}))
    assert [file.name for file in check_wheel(tmp_path / PURE, order_for()).startup.files] == [name]


def test_ordinary_wheel_is_accepted(tmp_path: Path) -> None:
    (tmp_path / PURE).write_bytes(make_wheel())
    assert check_wheel(tmp_path / PURE, order_for()).startup.files == ()


def test_wheel_that_lists_its_folders_is_accepted(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("demo-1.0.data/scripts/")
    (tmp_path / PURE).write_bytes(zipped((zipfile.ZipInfo("demo-1.0.data/"), b""), (info, b"")))
    assert check_wheel(tmp_path / PURE, order_for()).requires_dist == ()
