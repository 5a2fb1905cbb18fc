"""Files on disk under the hash of their content, written completely or not at all."""

import hashlib
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from wheelyard.adapters.host.disk import check_free_space, disk_errors
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import DownloadFailedError, HashMismatchError

_PARTIAL: Final = ".partial-"


@dataclass(frozen=True, kw_only=True, slots=True)
class ContentCache:
    """A directory of files, each at ``ab/cdef…/filename`` where ``abcdef…`` is its sha256.

    Every method blocks; call them through ``asyncio.to_thread``. Several processes may share one directory.
    """

    root: Path
    floor_bytes: int
    """Free disk space in bytes that is never used."""

    def path(self, file: IndexFile) -> Path:
        """Return where a file belongs; raise DownloadFailedError for a name that would lead out of its folder."""
        name = file.filename
        if Path(name).name != name or name in {"", ".", ".."} or name.startswith(_PARTIAL) or "\0" in name:
            raise DownloadFailedError(what=repr(name), tried=["nothing: it is not a plain file name"])
        return self.root / file.sha256[:2] / file.sha256[2:] / name

    def find(self, file: IndexFile) -> Path | None:
        """Return the file's path if it is here with the right size and content, else None."""
        path = self.path(file)
        try:
            with path.open("rb") as stream:
                if file.size_bytes not in {None, os.fstat(stream.fileno()).st_size}:
                    return None
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except FileNotFoundError:
            return None
        return path if digest == file.sha256 else None

    def check_room(self, wanted_bytes: int) -> None:
        """Raise DiskFullError if writing this much would go below the floor."""
        with disk_errors(self.root, floor_bytes=self.floor_bytes):
            self.root.mkdir(parents=True, exist_ok=True)
            check_free_space(self.root, self.floor_bytes, wanted_bytes=wanted_bytes)

    def sweep(self, *, before: float) -> int:
        """Remove what killed processes left half-written before a time (seconds since the epoch); return how many."""
        leftovers = [path for path in self.root.glob(f"*/*/{_PARTIAL}*") if _modified(path) < before]
        for path in leftovers:
            path.unlink(missing_ok=True)
        return len(leftovers)


class PartialFile:
    """A file on its way into the cache: write, then keep or discard.

    It hashes what it writes, and is written from several threads in turn, so ``open_atomic`` does not fit.

    It may be discarded while another thread is still inside ``write`` or ``keep``. This happens when the task that
    waits for that thread is cancelled.
    """

    def __init__(self, cache: ContentCache, file: IndexFile) -> None:
        self._cache = cache
        self._expected = file
        self._target = cache.path(file)
        self._lock = threading.Lock()
        self._stream: BinaryIO | None = None
        self._discarded = False
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, chunk: bytes) -> None:
        """Append a chunk; raise DiskFullError if the disk is full or this would go below the floor."""
        self._cache.check_room(len(chunk))
        with self._lock, disk_errors(self._cache.root, floor_bytes=self._cache.floor_bytes):
            if not self._discarded:
                stream = self._open()
                stream.write(chunk)
                stream.flush()  # for readers that follow
                self._digest.update(chunk)
                self.size_bytes += len(chunk)

    def open_reader(self) -> BinaryIO:
        """Open what is written so far; the file stays readable when it is kept or discarded."""
        with self._lock:
            if self._discarded:
                raise RuntimeError("this partial file was discarded")
            return Path(self._open().name).open("rb", buffering=0)

    def keep(self) -> Path:
        """Move the file to its place, synced to disk, and return its path; raise HashMismatchError for wrong bytes."""
        with self._lock, disk_errors(self._cache.root, floor_bytes=self._cache.floor_bytes):
            if self._discarded:
                raise RuntimeError("this partial file was discarded")
            found, expected = self._digest.hexdigest(), self._expected.sha256
            if found != expected:
                raise HashMismatchError(what=self._expected.filename, expected=expected, found=found)
            with self._open() as stream:
                stream.flush()
                os.fsync(stream.fileno())
                Path(stream.name).replace(self._target)
            _sync_directory(self._target.parent)
            self._stream, self._discarded = None, True
        return self._target

    def discard(self) -> None:
        """Remove what was written; do nothing once the file is kept."""
        with self._lock:
            self._discarded = True
            if self._stream is not None:
                self._stream.close()
                Path(self._stream.name).unlink(missing_ok=True)
                self._stream = None

    def _open(self) -> BinaryIO:
        if self._stream is None:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=self._target.parent)
            os.close(handle)
            self._stream = Path(name).open("wb")  # noqa: SIM115  closed by keep or discard
        return self._stream


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
