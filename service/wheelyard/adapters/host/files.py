"""Write files that are complete at any time, even if the writer is killed."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

_ABANDONED_SECONDS: Final = 3600.0


@contextmanager
def open_atomic(path: Path, *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Yield a stream to a new file that replaces the path, synced to disk, when the block ends without an error.

    The new file is in the path's folder, and has its mode, less the umask, from the first byte on. If the block fails,
    the file is removed. A later call removes one that a killed process left. Blocks.
    """
    prefix = f".{path.name}.new-"
    _sweep(path.parent, prefix)
    partial = path.with_name(f"{prefix}{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, data: str | bytes, *, mode: int = 0o600) -> None:
    """Write a file completely or not at all; text is encoded as UTF-8. Blocks."""
    with open_atomic(path, mode=mode) as stream:
        stream.write(data.encode() if isinstance(data, str) else data)


def _sweep(folder: Path, prefix: str) -> None:
    """Remove what killed processes left. A young file may belong to a process that is writing it."""
    with os.scandir(folder) as entries:
        left = [Path(entry.path) for entry in entries if entry.name.startswith(prefix)]
    for path in left:
        try:
            if path.lstat().st_mtime < time.time() - _ABANDONED_SECONDS:
                path.unlink()
        except FileNotFoundError:
            continue
