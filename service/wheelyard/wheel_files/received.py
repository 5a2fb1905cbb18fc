"""A file while it is received: written to disk within a limit, and hashed on the way."""

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, Self, cast

from wheelyard.errors import UploadTooLargeError

_BLAKE2_BYTES: Final = 32


class ReceivedFile:
    """The bytes of one file in a temporary file without a name, so that nothing stays of a process that is killed.

    Every method blocks; call them through ``asyncio.to_thread``. It may be closed while another thread still writes:
    this happens when the task that waits for that thread is cancelled.
    """

    def __init__(self, folder: Path, *, limit_bytes: int, check_room: Callable[[int], None]) -> None:
        """Set the folder, the largest size, and what raises DiskFullError if so much more does not fit."""
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._check_room = check_room
        self._lock = threading.Lock()
        self._stream: BinaryIO | None = None
        self._closed = False
        self._sha256 = hashlib.sha256()
        self._blake2 = hashlib.blake2b(digest_size=_BLAKE2_BYTES)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes) -> None:
        """Append bytes; raise UploadTooLargeError or DiskFullError."""
        if self.size_bytes + len(data) > self._limit_bytes:
            raise UploadTooLargeError(limit_bytes=self._limit_bytes)
        self._check_room(len(data))
        with self._lock:
            if self._closed:
                return
            self._open().write(data)
            for digest in (self._sha256, self._blake2, self._md5):
                digest.update(data)
            self.size_bytes += len(data)

    @property
    def stream(self) -> BinaryIO:
        """The file, to be read from wherever a reader seeks."""
        with self._lock:
            return self._open()

    @property
    def path(self) -> Path:
        """A path by which other processes of the same user can open it, as long as it is open here."""
        with self._lock:
            stream = self._open()
            stream.flush()
            return Path(f"/proc/{os.getpid()}/fd/{stream.fileno()}")

    def read_part(self, offset: int, size: int) -> bytes:
        """Return a part of the file."""
        stream = self.stream
        stream.seek(offset)
        return stream.read(size)

    @property
    def digests(self) -> dict[str, str]:
        """Its digests in hexadecimal, by the names that upload forms give them: sha256, blake2_256 and md5."""
        return {
            "sha256": self._sha256.hexdigest(),
            "blake2_256": self._blake2.hexdigest(),
            "md5": self._md5.hexdigest(),
        }

    def close(self) -> None:
        """Remove the file."""
        with self._lock:
            self._closed = True
            if self._stream is not None:
                with contextlib.suppress(OSError):
                    self._stream.close()

    def _open(self) -> BinaryIO:
        if self._stream is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._stream = cast("BinaryIO", tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115  closed by close
        return self._stream
