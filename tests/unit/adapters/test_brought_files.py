"""Files that others brought as a source: read from the store, checked before they are used, and nothing else is."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from packaging.version import Version
from tests.contract.samples import BEGINNING, ManualClock
from tests.fakes.builds import MemoryBuilds
from tests.fakes.prebuilds import MemoryPrebuilds
from tests.fakes.records import MemoryState
from tests.fakes.uploads import MemoryUploads

from wheelyard.adapters.upstream.brought import BroughtFiles
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import DownloadFailedError, HashMismatchError

NAME = "demo-1.0-py3-none-any.whl"


class CountingUploads(MemoryUploads):
    """Counts how often a file is read."""

    reads = 0

    async def read(self, file_id: str) -> AsyncIterator[bytes]:
        self.reads += 1
        async for part in super().read(file_id):
            yield part


@pytest.fixture
def uploads() -> CountingUploads:
    state = MemoryState(clock=ManualClock(BEGINNING))
    return CountingUploads(state, MemoryBuilds(state), MemoryPrebuilds(state))


@pytest.fixture
def source(uploads: CountingUploads, tmp_path: Path) -> BroughtFiles:
    cache = ContentCache(root=tmp_path / "cache", floor_bytes=0)
    return BroughtFiles(uploads, cache)


def file_of(content: bytes, url: str = "upload:one") -> IndexFile:
    digest = hashlib.sha256(content).hexdigest()
    return IndexFile(filename=NAME, url=url, sha256=digest, kind="wheel", version=Version("1.0"))


async def test_parts_become_the_file_and_are_read_once(source: BroughtFiles, uploads: CountingUploads) -> None:
    for number, part in enumerate((b"by", b"te", b"s")):
        await uploads.put_chunk("one", number, part)
    first, second = await asyncio.gather(source.fetch(file_of(b"bytes")), source.fetch(file_of(b"bytes")))
    assert (first.name, first.read_bytes(), second) == (NAME, b"bytes", first)
    assert await source.fetch(file_of(b"bytes")) == first
    assert uploads.reads == 1


async def test_parts_with_other_bytes_are_refused_and_leave_nothing(
    source: BroughtFiles, uploads: CountingUploads, tmp_path: Path
) -> None:
    await uploads.put_chunk("one", 0, b"others")
    with pytest.raises(HashMismatchError):
        await source.fetch(file_of(b"bytes"))
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


async def test_file_whose_bytes_were_deleted_is_to_be_uploaded_again(source: BroughtFiles) -> None:
    with pytest.raises(DownloadFailedError, match="upload it again"):
        await source.fetch(file_of(b"bytes"))
