"""What a caller sent, read as data: its project's name, and archives that could never be unpacked."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Sequence

import pytest

from wheelyard.adapters.resolver.source_archives import read_identity_texts

Member = tuple[str, bytes]


def tar_of(*members: Member | tarfile.TarInfo) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return buffer


def zip_of(*members: Member) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer


def read(archive: io.BytesIO, filename: str = "folder.tar.gz") -> dict[str, str]:
    return read_identity_texts(archive, filename)


def test_files_in_the_top_folder_that_name_the_project_are_read() -> None:
    members: Sequence[Member] = (
        ("project/a/pyproject.toml", b"inner"),
        ("project/pyproject.toml", b"text\xff"),
        ("./project/setup.cfg", b"cfg"),
        ("project/setup.py", b"code"),
    )
    expected = {"pyproject.toml": "text\N{REPLACEMENT CHARACTER}", "setup.cfg": "cfg"}
    assert read(tar_of(*members)) == expected
    assert read(zip_of(*members), "demo-1.0.zip") == expected


def directory(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE
    return info


@pytest.mark.parametrize(
    ("archive", "says"),
    [
        (tar_of(("project/../../x", b"")), "leads out"),
        (tar_of(("/project/x", b"")), "leads out"),
        (tar_of(("project\\..\\x", b"")), "leads out"),
        (tar_of(("..", b"")), "leads out"),
        (tar_of(("project/.git/config", b"")), "repository of git"),
        (tar_of(("project/vendor/.GIT/config", b"")), "repository of git"),
        (tar_of(("project/x", b""), ("other/x", b"")), "more than one top folder"),
        (tar_of(("pyproject.toml", b"")), "outside of its top folder"),
        (tar_of(), "it is empty"),
        (tar_of(("project/setup.cfg", b""), ("project/setup.cfg", b"")), "twice"),
        (tar_of(("project/pyproject.toml", b"x" * (1 << 20) + b"x")), "more than 1 MiB"),
        (io.BytesIO(b"no archive"), "gzip"),
        (io.BytesIO(gzip.compress(b"no archive" * 100)), "header"),
        (io.BytesIO(tar_of(("project/x", b"x" * 9999)).getvalue()[:-20]), "end"),
    ],
)
def test_what_is_no_archive_of_one_folder_is_refused_with_the_reason(archive: io.BytesIO, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read(archive)


def test_bomb_is_refused_without_unpacking_it() -> None:
    bomb = io.BytesIO()
    info = tarfile.TarInfo("project/zeros")
    info.size = 2 << 30
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=1) as packed:
        packed.write(info.tobuf())
        block = bytes(16 << 20)
        for _ in range(70):
            packed.write(block)
    with pytest.raises(ValueError, match="more than 1 GiB"):
        read(bomb)


def test_too_many_members_are_refused() -> None:
    many = io.BytesIO()
    header = directory("project/x").tobuf()
    with gzip.GzipFile(fileobj=many, mode="wb", compresslevel=1) as packed:
        packed.write(header * 100_001)
    with pytest.raises(ValueError, match="members"):
        read(many)
