"""Copies of the index's files on this host's disk, by their hash, so that devpi sends each of them once.

A copy gets its name once its hash is right. A copy that an earlier process left is hashed before its first use. What
the disk cannot hold is passed on from devpi. In either case the end of a file is sent only after its hash was right, so
nobody ever has all bytes of a wrong file (docs/decisions/0060).
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from wheelyard.adapters.host.shared_work import FairSlots, SlotsBusyError
from wheelyard.adapters.upstream.cache import ContentCache, PartialFile
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import DiskFullError, HashMismatchError, IndexUnavailableError
from wheelyard.interfaces import WheelStorage
from wheelyard.logs import get_logger

_log: Final = get_logger(__name__)
_CHUNK_BYTES: Final = 256 << 10
_HELD_BACK_BYTES: Final = 64 << 10
"""The end of a file, which waits until all of it is here and its hash is right."""
_FILLS_AT_ONCE: Final = 8
_STREAMS_AT_ONCE: Final = 64
_WAIT_SECONDS: Final = 60.0
_SCAN_SECONDS: Final = 600.0
"""How often the folder is read again, because other processes write into it too."""
_TOUCH_SECONDS: Final = 600.0
_LEFT_SECONDS: Final = 3600.0
"""Age of a half-written file that no process writes any more."""
_MODE: Final = 0o644
_FOLDER_MODE: Final = 0o711
"""A proxy of another account can open a file whose hash it was told, and list none."""


@dataclass(kw_only=True, slots=True)
class _Known:
    """A copy whose hash was right. Not frozen: it is used again and again."""

    path: str
    identity: tuple[int, int, int]
    touched: float


class CopiesOnDisk:
    """The copies of one folder, and what fills it. Several processes may share a folder."""

    def __init__(
        self,
        root: Path,
        storage: WheelStorage,
        *,
        limit_bytes: int,
        floor_bytes: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Set the folder, the most bytes that it may hold (0 is none), and the free space that is never used."""
        self._cache = ContentCache(root=root, floor_bytes=floor_bytes)
        self._storage = storage
        self._limit_bytes = limit_bytes
        self._now = now
        self._known: dict[str, _Known] = {}
        self._fills: dict[str, _Fill] = {}
        self._filling = FairSlots(_FILLS_AT_ONCE, most_waiting=1000)
        self._streaming = FairSlots(_STREAMS_AT_ONCE, most_waiting=1000)
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        """Size of each file by its path, least recently used first; all below belongs to the lock."""
        self._reserved = 0
        self._scanned = float("-inf")

    def find(self, wheel: IndexedWheel) -> FileIO | None:
        """Open a file's copy; return None if none is here whose hash was right."""
        known = self._known.get(wheel.sha256)
        if known is None:
            return None
        try:
            file = _open(known.path)
        except OSError:
            del self._known[wheel.sha256]
            return None
        if _identity(file) != known.identity:
            file.close()
            del self._known[wheel.sha256]
            return None
        self._note_use(known)
        return file

    def place_of(self, wheel: IndexedWheel) -> str:
        """Return the path of a file's copy below the folder."""
        return str(self._cache.path(_as_file(wheel)).relative_to(self._cache.root))

    async def fetch(self, wheel: IndexedWheel, *, caller: str) -> FileIO | None:
        """Open a file's copy, and make it first if there is none; return None if it cannot be stored.

        Raise NotFoundError, IndexUnavailableError or HashMismatchError.
        """
        fill = self._fill_of(wheel, caller)
        try:
            return self.find(wheel) if fill is None or await fill.wait() else None
        except OSError as error:
            _report(wheel, error)
            return None

    async def stream(self, wheel: IndexedWheel, *, caller: str) -> AsyncGenerator[bytes, None]:
        """Yield a file while its copy is made, or from devpi if it cannot be stored.

        Raise NotFoundError, IndexUnavailableError or HashMismatchError, the last one before the end of the file.
        """
        position, fill = 0, self._fill_of(wheel, caller)
        if fill is not None:
            try:
                async with contextlib.aclosing(fill.follow()) as followed:
                    async for chunk in followed:
                        position += len(chunk)
                        yield chunk
            except (OSError, DiskFullError) as error:
                _report(wheel, error)
            else:
                return
        async with _slot(self._streaming, caller), self._storage.open(wheel.url) as chunks:
            async for chunk in _checked(wheel, chunks):
                if rest := chunk[max(position, 0) :]:
                    yield rest
                position -= len(chunk)

    async def verify(self) -> tuple[str, ...]:
        """Hash every copy; remove those that are wrong, and return their file names."""
        return await asyncio.to_thread(self._verify_all)

    def _fill_of(self, wheel: IndexedWheel, caller: str) -> "_Fill | None":
        """Return the running fill of a file, or start one; None if the file is larger than all that may be stored."""
        if wheel.size_bytes > self._limit_bytes:
            return None
        if (running := self._fills.get(wheel.sha256)) is not None:
            return running
        fill = self._fills[wheel.sha256] = _Fill(wheel)
        # It goes on without its callers: what it has read is of use to the next one.
        fill.task = asyncio.create_task(self._run(fill, caller), name="wheel-copy")
        return fill

    async def _run(self, fill: "_Fill", caller: str) -> None:
        error: BaseException | None = None
        try:
            await self._fill(fill, caller)
        except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001  the callers raise it
            error = raised
        finally:
            del self._fills[fill.wheel.sha256]
            fill.end(error)

    async def _fill(self, fill: "_Fill", caller: str) -> None:
        wheel = fill.wheel
        async with _slot(self._filling, caller):
            if await asyncio.to_thread(self._recognise, wheel):
                fill.reader = self.find(wheel)
                return
            partial = PartialFile(self._cache, _as_file(wheel))
            await asyncio.to_thread(self._make_room, wheel.size_bytes)
            try:
                async with self._storage.open(wheel.url) as chunks:
                    await _copy(fill, partial, chunks)
                await asyncio.to_thread(self._keep, wheel, partial)
            finally:
                await asyncio.shield(asyncio.to_thread(partial.discard))
                with self._lock:
                    self._reserved -= wheel.size_bytes

    def _recognise(self, wheel: IndexedWheel) -> bool:
        """Return whether an earlier process left the copy; remove a wrong one."""
        path = self._cache.path(_as_file(wheel))
        try:
            with _open(str(path)) as file:
                identity = _identity(file)
                if _digest(file) == wheel.sha256:
                    self._known[wheel.sha256] = _Known(path=str(path), identity=identity, touched=0.0)
                    return True
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno != errno.ELOOP:  # a symbolic link
                raise
        _log.warning("copy-discarded", filename=wheel.filename, reason="its bytes were wrong")
        path.unlink(missing_ok=True)
        return False

    def _keep(self, wheel: IndexedWheel, partial: PartialFile) -> None:
        with partial.open_reader() as stream:
            os.fchmod(stream.fileno(), _MODE)
        path = self._cache.path(_as_file(wheel))
        for folder in (path.parent, path.parent.parent):  # they stay while the partial file is in them
            folder.chmod(_FOLDER_MODE)
        partial.keep()
        with _open(str(path)) as file:
            identity = _identity(file)
        with self._lock:
            self._sizes[str(path)] = wheel.size_bytes
        self._known[wheel.sha256] = _Known(path=str(path), identity=identity, touched=self._now())

    def _make_room(self, wanted_bytes: int) -> None:
        """Reserve space, and remove the least recently used copies for it; raise DiskFullError."""
        self._cache.check_room(wanted_bytes)
        with self._lock:
            if self._now() - self._scanned > _SCAN_SECONDS:
                self._scan()
            if self._reserved + wanted_bytes > self._limit_bytes:
                raise OSError(errno.ENOSPC, "other files that are being copied take all that copies may take")
            self._reserved += wanted_bytes
            total = sum(self._sizes.values()) + self._reserved
            while total > self._limit_bytes and self._sizes:
                path, size = self._sizes.popitem(last=False)
                _remove(Path(path))
                total -= size

    def _scan(self) -> None:
        """Read the folder. The order of those that this process used stays."""
        found: list[tuple[float, str, int]] = []
        # A list at once: the event loop may move an entry while this thread goes through them.
        used = {path: place for place, path in enumerate(list(self._sizes))}
        self._cache.root.mkdir(parents=True, exist_ok=True)
        self._cache.root.chmod(_FOLDER_MODE)
        self._cache.sweep(before=self._now() - _LEFT_SECONDS)
        for path in self._cache.root.glob("[0-9a-f][0-9a-f]/*/[!.]*"):  # what is being written is reserved already
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                found.append((status.st_atime, str(path), status.st_size))
        found.sort(key=lambda one: (used.get(one[1], -1), one[0]))
        self._sizes = OrderedDict((path, size) for _, path, size in found)
        self._scanned = self._now()

    def _note_use(self, known: _Known) -> None:
        with contextlib.suppress(KeyError):
            self._sizes.move_to_end(known.path)
        if (now := self._now()) - known.touched > _TOUCH_SECONDS:
            # For the next start. The file system itself may not write down when a file is read.
            known.touched = now
            with contextlib.suppress(OSError):
                os.utime(known.path, ns=(int(now * 1e9), known.identity[2]), follow_symlinks=False)

    def _verify_all(self) -> tuple[str, ...]:
        wrong: list[str] = []
        for path in self._cache.root.glob("[0-9a-f][0-9a-f]/*/[!.]*"):
            sha256 = path.parts[-3] + path.parts[-2]
            try:
                with _open(str(path)) as file:
                    is_right = _digest(file) == sha256
            except FileNotFoundError:
                continue
            except OSError:
                is_right = False
            if not is_right:
                self._known.pop(sha256, None)
                path.unlink(missing_ok=True)
                wrong.append(path.name)
        return tuple(sorted(wrong))


class _Fill:
    """A copy on its way, and those that wait for it or read what is there already."""

    def __init__(self, wheel: IndexedWheel) -> None:
        self.wheel = wheel
        self.task: asyncio.Task[None] | None = None
        self.reader: BinaryIO | None = None
        """The file that is written, or that was found; the last of those that read it closes it."""
        self._readers = 1
        self._written = 0
        self._error: BaseException | None = None
        self._is_over = False
        self._progress = asyncio.Event()

    def advance(self, written: int) -> None:
        """Let readers have more bytes."""
        self._written += written
        self._wake()

    def end(self, error: BaseException | None) -> None:
        """Let readers have all bytes, whose hash was right, or the error."""
        self._is_over, self._error = True, error
        self._wake()
        self._leave()

    def _wake(self) -> None:
        woken, self._progress = self._progress, asyncio.Event()
        woken.set()

    def _leave(self) -> None:
        self._readers -= 1
        if not self._readers and self.reader is not None:
            self.reader.close()

    async def wait(self) -> bool:
        """Wait for the end; return False if the disk is full; raise the error of anything else."""
        while not self._is_over:
            await self._progress.wait()
        try:
            self._raise()
        except DiskFullError as error:
            _report(self.wheel, error)
            return False
        return True

    async def follow(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes; those at the end only once the hash was right."""
        self._readers += 1
        try:
            position = 0
            while True:
                while position < (ready := self._ready()):
                    position += len(chunk := await self._read(position, min(_CHUNK_BYTES, ready - position)))
                    yield chunk
                if self._is_over:
                    self._raise()
                    return
                await self._progress.wait()
        finally:
            self._leave()

    async def _read(self, position: int, wanted_bytes: int) -> bytes:
        if self.reader is None:
            raise OSError(errno.ENOENT, "the copy is gone")
        chunk = await asyncio.to_thread(os.pread, self.reader.fileno(), wanted_bytes, position)
        if not chunk:
            raise OSError(errno.EIO, "the copy was cut")
        return chunk

    def _ready(self) -> int:
        """Return how many bytes may be sent."""
        if self._is_over:
            return self.wheel.size_bytes if self._error is None else 0
        return min(self._written, self.wheel.size_bytes - _HELD_BACK_BYTES)

    def _raise(self) -> None:
        if isinstance(self._error, asyncio.CancelledError):
            raise IndexUnavailableError(index="our own", reason="the service stops")
        if self._error is not None:
            raise self._error


async def _copy(fill: _Fill, partial: PartialFile, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        if partial.size_bytes + len(chunk) > fill.wheel.size_bytes:
            found = f"that of a file with more than {fill.wheel.size_bytes} bytes"
            raise HashMismatchError(what=fill.wheel.filename, expected=fill.wheel.sha256, found=found)
        await asyncio.to_thread(partial.write, chunk)
        if fill.reader is None:
            fill.reader = await asyncio.to_thread(partial.open_reader)
        fill.advance(len(chunk))


async def _checked(wheel: IndexedWheel, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield chunks; the last one only if the hash of all is right."""
    digest, held = hashlib.sha256(), b""
    async for chunk in chunks:
        digest.update(chunk)
        if held:
            yield held
        held = chunk
    if digest.hexdigest() != wheel.sha256:
        raise HashMismatchError(what=wheel.filename, expected=wheel.sha256, found=digest.hexdigest())
    yield held


@contextlib.asynccontextmanager
async def _slot(slots: FairSlots, caller: str) -> AsyncIterator[None]:
    """Wait for the caller's turn, so that nobody uses all connections to devpi."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(slots.slot(caller, wait_seconds=_WAIT_SECONDS))
        except SlotsBusyError as error:
            raise IndexUnavailableError(index="our own", reason="too many files are being sent") from error
        yield


def _as_file(wheel: IndexedWheel) -> IndexFile:
    return IndexFile(
        filename=wheel.filename,
        url=wheel.url,
        sha256=wheel.sha256,
        kind=wheel.kind.value,
        version=read_version(wheel.version),
        size_bytes=wheel.size_bytes,
    )


def _report(wheel: IndexedWheel, error: Exception) -> None:
    _log.warning("copy-not-stored", filename=wheel.filename, reason=str(error))


def _open(path: str) -> FileIO:
    """Open a file that is no symbolic link."""
    return FileIO(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK))


def _identity(file: FileIO) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        return (0, 0, 0)
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _digest(file: FileIO) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()
