"""A wheel with another version: all its parts agree with the new one, and nothing else changes."""

import zipfile
from pathlib import Path

import pytest
from tests.unit.pipeline_harness import make_wheel, pack_wheel

from wheelyard.wheel_files.reader import check_wheel
from wheelyard_agent.job import JobError
from wheelyard_agent.relabel import relabel_wheel

NEW = "1.0.dev0+g0123456789ab"


def put(folder: Path, content: bytes, name: str = "demo-1.0-py3-none-any.whl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_all_parts_of_the_wheel_agree_with_its_new_version(tmp_path: Path) -> None:
    members = {
        "demo-1.0.data/scripts/demo": b"#!python\n",
        "demo/version.py": b"v = '1.0'\n",
        "demo-1.0.dist-info/METADATA": b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n",
    }
    wheel = put(tmp_path, pack_wheel("demo-1.0-py3-none-any.whl", members))

    path = relabel_wheel(wheel, made="1.0", version=NEW)

    assert path.name == f"demo-{NEW}-py3-none-any.whl"
    assert not wheel.exists()
    file = check_wheel(path)
    assert str(file.version) == NEW
    with zipfile.ZipFile(path) as bundle:
        assert f"demo-{NEW}.data/scripts/demo" in bundle.namelist()
        assert bundle.read("demo/version.py") == b"v = '1.0'\n"
        assert [name for name in bundle.namelist() if name.startswith("demo-1.0.d") and NEW not in name] == []


def test_only_the_header_of_the_metadata_changes(tmp_path: Path) -> None:
    metadata = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\nVersion: 1.0 was good.\n"
    members = {"demo.py": b"", "demo-1.0.dist-info/METADATA": metadata}
    wheel = put(tmp_path, pack_wheel("demo-1.0-py3-none-any.whl", members))

    path = relabel_wheel(wheel, made="1.0", version=NEW)

    with zipfile.ZipFile(path) as bundle:
        found = bundle.read(f"demo-{NEW}.dist-info/METADATA").decode()
    assert found == metadata.decode().replace("Version: 1.0\n\n", f"Version: {NEW}\n\n")


def test_the_same_wheel_gives_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(relabel_wheel(put(tmp_path / name, make_wheel()), made="1.0", version=NEW).read_bytes())
    assert made[0] == made[1]


def test_wheel_of_another_version_than_its_sdist_fails(tmp_path: Path) -> None:
    with pytest.raises(JobError) as caught:
        relabel_wheel(put(tmp_path, make_wheel()), made="2.0", version=NEW)
    assert caught.value.details["exit_reason"] == "its sdist has version 2.0, and its wheel 1.0"


@pytest.mark.parametrize(
    "members",
    [
        {"demo.py": b""},
        {"demo-1.0.dist-info/METADATA": b"Name: demo\n\n"},
        {"demo-1.0.dist-info/METADATA": b"Version: 1.0\nVersion: 2.0\n\n"},
        {"demo-1.0.dist-info/METADATA": b"Version: 1.0\n", "other-1.0.dist-info/METADATA": b"Version: 1.0\n"},
    ],
)
def test_wheel_whose_version_is_not_clear_fails(tmp_path: Path, members: dict[str, bytes]) -> None:
    with pytest.raises(JobError):
        relabel_wheel(put(tmp_path, pack_wheel("demo-1.0-py3-none-any.whl", members)), made="1.0", version=NEW)


def test_what_is_no_wheel_fails(tmp_path: Path) -> None:
    with pytest.raises(JobError):
        relabel_wheel(put(tmp_path, b"no zip file"), made="1.0", version=NEW)
