"""Files of this host as a source: copied and checked before they are used, and nothing else is."""

import hashlib
from pathlib import Path

import pytest
from packaging.version import Version
from tests.fakes.sources import MemorySourceIndex

from wheelyard.adapters.upstream.local import LocalFiles
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import DownloadFailedError, HashMismatchError

NAME = "demo-1.0-py3-none-any.whl"


def file_of(path: Path, content: bytes) -> IndexFile:
    digest = hashlib.sha256(content).hexdigest()
    return IndexFile(filename=NAME, url=path.as_uri(), sha256=digest, kind="wheel", version=Version("1.0"))


def source_in(folder: Path) -> tuple[LocalFiles, MemorySourceIndex]:
    index = MemorySourceIndex(folder / "index")
    return LocalFiles(index, cache=folder / "cache", floor_bytes=0), index


async def test_file_is_copied_under_its_name_and_read_once(tmp_path: Path) -> None:
    source, _ = source_in(tmp_path)
    path = tmp_path / "a folder" / "as it was called.whl"
    path.parent.mkdir()
    path.write_bytes(b"bytes")
    copy = await source.fetch(file_of(path, b"bytes"))
    path.write_bytes(b"others")
    assert (copy.name, copy.read_bytes()) == (NAME, b"bytes")
    assert await source.fetch(file_of(path, b"bytes")) == copy


async def test_file_that_changed_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    source, _ = source_in(tmp_path)
    (tmp_path / NAME).write_bytes(b"others")
    with pytest.raises(HashMismatchError):
        await source.fetch(file_of(tmp_path / NAME, b"bytes"))
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


async def test_file_that_is_gone_is_told(tmp_path: Path) -> None:
    source, _ = source_in(tmp_path)
    with pytest.raises(DownloadFailedError, match="it is gone"):
        await source.fetch(file_of(tmp_path / NAME, b"bytes"))


@pytest.mark.parametrize(("make", "said"), [("folder", "Is a directory"), ("loop", "Too many levels")])
async def test_file_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path, make: str, said: str) -> None:
    source, _ = source_in(tmp_path)
    path = tmp_path / NAME
    if make == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    with pytest.raises(DownloadFailedError, match=said):
        await source.fetch(file_of(path, b"bytes"))


async def test_everything_else_comes_from_the_index(tmp_path: Path) -> None:
    source, index = source_in(tmp_path)
    file = index.add("demo-1.0.tar.gz", b"sdist")
    assert (await source.fetch(file)).read_bytes() == b"sdist"
    assert (await source.project(file.project)).files == (file,)
