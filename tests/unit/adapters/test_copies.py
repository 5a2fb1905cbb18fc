"""Copies of the index's files on this host: filled once, checked, bounded, and never of other bytes than recorded."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.wheel_harness import entry_for

from wheelyard.adapters.devpi.copies import CopiesOnDisk
from wheelyard.domain.index.index import HeldFile
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.errors import HashMismatchError, IndexUnavailableError, NotFoundError

LARGE = b"!" + os.urandom(299_998) + b"!"


class Storage:
    """Files by their URL, sent in small chunks; it counts how often one is opened."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.opened: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.fails_after: int | None = None

    @contextlib.asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        self.opened.append(url)
        if url not in self.files:
            raise NotFoundError(kind="file", name=url)
        yield self._chunks(self.files[url])

    async def _chunks(self, content: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(content), 50_000):
            if self.fails_after is not None and start >= self.fails_after:
                raise IndexUnavailableError(index="our own", reason="it was cut")
            yield content[start : start + 50_000]
            if start:
                await self.go_on.wait()

    async def list_files(self) -> tuple[HeldFile, ...]:
        return ()

    async def remove(self, project: str, filename: str) -> None:
        """Remove nothing."""


class Yard:
    """The copies of one host, which can start again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.storage = Storage()
        self.copies = self.start()

    def start(self, *, limit_bytes: int = 1 << 20, floor_bytes: int = 0) -> CopiesOnDisk:
        self.copies = CopiesOnDisk(self.root, self.storage, limit_bytes=limit_bytes, floor_bytes=floor_bytes)
        return self.copies

    def put(self, content: bytes, name: str = "demo-1.0-1-py3-none-any.whl") -> IndexedWheel:
        self.storage.files[name] = content
        return replace(entry_for("demo-1.0-1-py3-none-any.whl", content).wheel, filename=name, url=name)

    async def read(self, wheel: IndexedWheel, *, into: list[bytes] | None = None) -> bytes:
        had = [] if into is None else into
        async for chunk in self.copies.stream(wheel, caller="me"):
            had.append(chunk)
        return b"".join(had)

    async def fetch(self, wheel: IndexedWheel) -> bytes | None:
        file = await self.copies.fetch(wheel, caller="me")
        return None if file is None else _read(file)

    def find(self, wheel: IndexedWheel) -> bytes | None:
        file = self.copies.find(wheel)
        return None if file is None else _read(file)

    def path(self, wheel: IndexedWheel) -> Path:
        return self.root / self.copies.place_of(wheel)

    def files(self) -> Iterator[str]:
        return (path.name for path in self.root.rglob("*") if path.is_file())


def _read(file: object) -> bytes:
    with file as opened:  # type: ignore[attr-defined]
        return bytes(opened.read())


@pytest.fixture
async def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "copies")


@pytest.mark.parametrize("content", [b"", b"small", LARGE])
async def test_first_download_makes_the_copy_that_later_ones_are(yard: Yard, content: bytes) -> None:
    wheel = yard.put(content)
    assert yard.find(wheel) is None
    assert await yard.read(wheel) == content
    assert yard.find(wheel) == await yard.fetch(wheel) == content
    assert len(yard.storage.opened) == 1
    assert yard.path(wheel).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("umask", [0o022, 0o077])
async def test_other_accounts_open_a_copy_by_its_hash_and_list_none(yard: Yard, umask: int) -> None:
    former = os.umask(umask)
    try:
        wheel = yard.put(LARGE)
        await yard.read(wheel)
    finally:
        os.umask(former)
    path = yard.path(wheel)
    folders = (path.parent, path.parent.parent, yard.root)
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o711] * 3
    assert path.stat().st_mode & 0o777 == 0o644


async def test_many_at_once_have_it_fetched_once_and_read_it_while_it_comes(yard: Yard) -> None:
    wheel = yard.put(LARGE)
    yard.storage.go_on.clear()
    early = yard.copies.stream(wheel, caller="early")
    begin = await asyncio.wait_for(anext(early), 5)
    others = [asyncio.create_task(yard.read(wheel)) for _ in range(20)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in others)
    yard.storage.go_on.set()
    assert begin + b"".join([chunk async for chunk in early]) == LARGE
    assert set(await asyncio.gather(*others)) == {LARGE}
    assert len(yard.storage.opened) == 1


@pytest.mark.parametrize("limit_bytes", [1 << 20, 0])
@pytest.mark.parametrize("wrong", [LARGE[:-1] + b"?", b"?" + LARGE[1:], LARGE[:-1], LARGE + b"?", b""])
async def test_wrong_bytes_are_never_complete_and_never_kept(yard: Yard, wrong: bytes, limit_bytes: int) -> None:
    yard.start(limit_bytes=limit_bytes)
    wheel = yard.put(LARGE)
    yard.storage.files[wheel.url] = wrong
    had: list[bytes] = []
    with pytest.raises(HashMismatchError):
        await yard.read(wheel, into=had)
    assert len(b"".join(had)) < len(wrong) or not wrong
    assert yard.find(wheel) is None
    assert list(yard.files()) == []
    if limit_bytes:
        with pytest.raises(HashMismatchError):
            await yard.copies.fetch(wheel, caller="me")


async def test_copy_of_a_former_process_is_hashed_before_its_first_use(yard: Yard) -> None:
    wheel = yard.put(LARGE)
    await yard.read(wheel)
    yard.start()
    assert yard.find(wheel) is None
    assert await yard.fetch(wheel) == LARGE
    assert len(yard.storage.opened) == 1
    yard.path(wheel).write_bytes(b"?" * len(LARGE))
    yard.start()
    assert await yard.read(wheel) == LARGE
    assert (len(yard.storage.opened), yard.find(wheel)) == (2, LARGE)


async def test_copy_that_vanished_was_cut_or_replaced_is_made_again(yard: Yard, tmp_path: Path) -> None:
    wheel = yard.put(LARGE)
    await yard.read(wheel)
    path, other = yard.path(wheel), tmp_path / "other"
    other.write_bytes(b"?" * len(LARGE))

    def link() -> None:
        path.unlink()
        path.symlink_to(other)

    def pipe() -> None:
        path.unlink()
        os.mkfifo(path)

    def overwrite() -> None:
        path.write_bytes(b"?" * len(LARGE))

    def cut() -> None:
        os.truncate(path, 1000)

    harms: list[Callable[[], None]] = [path.unlink, cut, overwrite, link, pipe]
    for harm in harms:
        harm()
        assert yard.find(wheel) is None
        assert await yard.read(wheel) == LARGE
        assert yard.find(wheel) == LARGE


async def test_copies_stay_below_the_limit_and_the_least_recently_used_goes_first(yard: Yard) -> None:
    yard.start(limit_bytes=1000)
    wheels = [yard.put(bytes([number]) * 300, f"demo-{number}-1-py3-none-any.whl") for number in range(4)]
    for wheel in wheels[:3]:
        await yard.read(wheel)
    assert yard.find(wheels[0]) is not None
    await yard.read(wheels[3])
    assert [yard.find(wheel) is not None for wheel in wheels] == [True, False, True, True]
    yard.start(limit_bytes=700)
    await yard.read(wheels[1])
    assert sum(path.stat().st_size for path in yard.root.rglob("*.whl")) <= 700


async def test_file_that_is_larger_than_the_limit_passes(yard: Yard) -> None:
    yard.start(limit_bytes=1000)
    wheel = yard.put(LARGE)
    assert await yard.read(wheel) == LARGE
    assert await yard.fetch(wheel) is None
    assert list(yard.files()) == []


async def test_full_disk_lets_files_pass(yard: Yard) -> None:
    yard.start(floor_bytes=1 << 62)
    wheel = yard.put(LARGE)
    assert await yard.read(wheel) == LARGE
    assert await yard.fetch(wheel) is None


async def test_disk_that_gets_full_in_the_middle_lets_the_rest_pass(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = yard.put(LARGE)
    yard.storage.go_on.clear()
    early = yard.copies.stream(wheel, caller="early")
    begin = await asyncio.wait_for(anext(early), 5)
    full = "wheelyard.adapters.upstream.cache.check_free_space"
    monkeypatch.setattr(full, lambda *_, **__: _no_space())
    yard.storage.go_on.set()
    assert begin + b"".join([chunk async for chunk in early]) == LARGE
    assert len(yard.storage.opened) == 2
    assert list(yard.files()) == []


def _no_space() -> None:
    raise OSError(28, "No space left on device")


async def test_devpi_that_fails_in_the_middle_is_asked_again_by_the_next(yard: Yard) -> None:
    wheel = yard.put(LARGE)
    yard.storage.fails_after = 100_000
    with pytest.raises(IndexUnavailableError):
        await yard.read(wheel)
    with pytest.raises(IndexUnavailableError):
        await yard.copies.fetch(wheel, caller="me")
    yard.storage.fails_after = None
    assert await yard.read(wheel) == LARGE


async def test_reader_that_leaves_does_not_end_the_copy(yard: Yard) -> None:
    wheel = yard.put(LARGE)
    yard.storage.go_on.clear()
    early = yard.copies.stream(wheel, caller="early")
    await anext(early)
    await early.aclose()
    yard.storage.go_on.set()
    assert await yard.fetch(wheel) == LARGE
    assert len(yard.storage.opened) == 1


async def test_what_a_killed_process_left_is_no_copy_and_goes(yard: Yard) -> None:
    wheel = yard.put(LARGE)
    folder = yard.path(wheel).parent
    folder.mkdir(parents=True)
    left = folder / ".partial-x"
    left.write_bytes(LARGE[:1000])
    os.utime(left, (0, 0))
    assert await yard.read(wheel) == LARGE
    assert list(yard.files()) == [wheel.filename]


async def test_file_that_another_process_is_writing_is_not_removed_for_room(yard: Yard) -> None:
    yard.start(limit_bytes=1000)
    wheel = yard.put(b"x" * 600)
    being_written = yard.root / "ab" / ("c" * 62) / ".partial-x"
    being_written.parent.mkdir(parents=True)
    being_written.write_bytes(b"y" * 600)
    assert await yard.read(wheel) == b"x" * 600
    assert being_written.exists()


async def test_folder_is_read_again_while_copies_are_used(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheelyard.adapters.devpi.copies._SCAN_SECONDS", 0.0)
    wheels = [yard.put(b"%d" % number, f"demo-{number}-1-py3-none-any.whl") for number in range(300)]
    for wheel in wheels:
        await yard.read(wheel)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        new = [asyncio.create_task(yard.read(yard.put(b"n%d" % n, f"new-{n}-1-py3-none-any.whl"))) for n in range(40)]
        while not all(task.done() for task in new):
            for wheel in wheels[:50]:
                yard.find(wheel)
            await asyncio.sleep(0)
        assert [await task for task in new] == [b"n%d" % number for number in range(40)]
    finally:
        sys.setswitchinterval(interval)


async def test_verification_removes_what_is_wrong(yard: Yard) -> None:
    good, bad = yard.put(b"good", "good-1-1-py3-none-any.whl"), yard.put(b"fine", "bad-1-1-py3-none-any.whl")
    for wheel in (good, bad):
        await yard.read(wheel)
    path = yard.path(bad)
    status = path.stat()
    path.write_bytes(b"evil")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert await yard.copies.verify() == (bad.filename,)
    assert (yard.find(good), yard.find(bad)) == (b"good", None)
    assert await yard.read(bad) == b"fine"


@pytest.mark.parametrize("name", ["../../x.whl", "a/b.whl", ".."])
async def test_name_that_leads_elsewhere_is_refused(yard: Yard, name: str) -> None:
    wheel = yard.put(b"x", name)
    with pytest.raises(Exception, match="not a plain file name"):
        await yard.read(wheel)
