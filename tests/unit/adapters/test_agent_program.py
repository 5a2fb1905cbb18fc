"""The agent as it is packed for containers: always the same bytes, and all that it needs."""

import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from wheelyard.adapters.engine.agent import pack_agent
from wheelyard.resources import data_path

AGENT = data_path("builders") / "agent"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "wheelyard_agent"
    package.mkdir()
    for name, text in {"b.py": "b = 1\n", "a.py": "a = 1\n", "__main__.py": "pass\n"}.items():
        (package / name).write_text(text)
    return tmp_path


def test_same_sources_are_the_same_bytes_whenever_they_were_written(folder: Path) -> None:
    first = pack_agent(folder)
    for file in folder.rglob("*.py"):
        os.utime(file, (2_000_000_000, 2_000_000_000))
        file.chmod(0o700)
    assert pack_agent(folder) == first


def test_digest_is_the_sha256_of_the_bytes(folder: Path) -> None:
    program = pack_agent(folder)
    assert program.digest == hashlib.sha256(program.data).hexdigest()


def test_changed_source_has_another_digest(folder: Path) -> None:
    first = pack_agent(folder)
    (folder / "wheelyard_agent" / "a.py").write_text("a = 2\n")
    assert pack_agent(folder).digest != first.digest


def test_only_the_packages_own_sources_are_packed_in_order(folder: Path) -> None:
    cache = folder / "wheelyard_agent" / "__pycache__"
    cache.mkdir()
    (cache / "a.cpython-313.pyc").write_bytes(b"compiled")
    (folder / "setup.py").write_text("")
    with zipfile.ZipFile(io.BytesIO(pack_agent(folder).data)) as bundle:
        assert bundle.namelist() == [f"wheelyard_agent/{name}.py" for name in ("__main__", "a", "b")]
        assert bundle.read("wheelyard_agent/a.py") == b"a = 1\n"


def test_our_agent_is_packed_whole() -> None:
    with zipfile.ZipFile(io.BytesIO(pack_agent(AGENT).data)) as bundle:
        packed = {name.removeprefix("wheelyard_agent/") for name in bundle.namelist()}
    assert packed == {file.name for file in (AGENT / "wheelyard_agent").glob("*.py")}
    assert {"__init__.py", "__main__.py"} < packed
