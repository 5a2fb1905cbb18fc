"""Locks between processes of this host."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from wheelyard.errors import AlreadyRunningError


class FileLock:
    """An exclusive lock that the kernel drops when its holder dies; ``with`` acquires it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_exc: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, or raise AlreadyRunningError if another live process holds it."""
        if self._descriptor is not None:
            raise AlreadyRunningError(state_dir=self._path.parent)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise AlreadyRunningError(state_dir=self._path.parent) from None
            raise
        self._descriptor = descriptor

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock for a block, however long it takes to get it. For short work only. Blocks."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Release the lock; do nothing if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
