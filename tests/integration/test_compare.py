"""`wheelyard compare` with real files of the upstream index: its own wheel, and one that somebody added a file to."""

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.utils import canonicalize_name

from wheelyard.assembly.parts import source_index
from wheelyard.settings import Settings

WHEEL: Final = "markupsafe-3.0.3-cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_28_x86_64.whl"


@pytest.fixture
async def wheel(tmp_path: Path) -> Path:
    """Fetch upstream's own wheel of a release that does not change any more."""
    settings = Settings(state_dir=tmp_path / "state")
    async with source_index(settings) as source:
        page = await source.project(canonicalize_name("markupsafe"))
        (file,) = (one for one in page.files if one.filename == WHEEL)
        path = await source.fetch(file)
    copy = tmp_path / WHEEL
    copy.write_bytes(path.read_bytes())
    return copy


def compare(path: Path, *options: str) -> tuple[int, Mapping[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "wheelyard", "compare", str(path), "--json", *options],
        capture_output=True,
        check=False,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def with_file(wheel: Path, target: Path, name: str, content: bytes) -> Path:
    """Copy a wheel with one file more, which its RECORD lists."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.endswith(".dist-info/RECORD"):
                data += f"{name},sha256={digest},{len(content)}\n".encode()
            new.writestr(info, data)
        new.writestr(name, content)
    return target


def test_upstreams_own_wheel_is_what_its_sdist_makes(wheel: Path) -> None:
    status, told = compare(wheel)
    assert (status, told["is_identical"], told["differences"]) == (0, True, [])
    assert told["sdist"] == "markupsafe-3.0.3.tar.gz"


def test_planted_file_is_told(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "planted").mkdir()
    planted = with_file(wheel, tmp_path / "planted" / WHEEL, "markupsafe/_extra.py", b"import os\n")
    status, told = compare(planted)
    assert status == 1
    assert [(one["kind"], one["name"]) for one in told["differences"] if not one["is_explained"]] == [
        ("file-from-nowhere", "markupsafe/_extra.py"),
        ("other-modules", "markupsafe._extra"),
    ]
    status, told = compare(planted, "--with", str(wheel), "--exact")
    assert status == 1
    assert "markupsafe-3.0.3.dist-info/RECORD" in {one["name"] for one in told["differences"]}


def test_wheel_that_nobody_published_is_an_error_in_words(tmp_path: Path) -> None:
    missing = tmp_path / "markupsafe-0.0.1-py3-none-any.whl"
    done = subprocess.run(
        [sys.executable, "-m", "wheelyard", "compare", str(missing)], capture_output=True, check=False, text=True
    )
    assert done.returncode == 3
    assert "there is no such file" in done.stderr
    assert "Traceback" not in done.stderr
