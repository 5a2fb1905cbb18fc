"""Disk space: what is free, what folders use, and the error for a full disk or an exhausted quota."""

import contextlib
import errno
import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.domain.builds.statistics import DiskUse, FolderUse
from wheelyard.errors import DiskFullError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskSpace:
    """What a file system has."""

    free_bytes: int
    total_bytes: int


def read_space(path: Path) -> DiskSpace:
    """Return the size and the free space of a path's file system; raise OSError. Blocks."""
    usage = shutil.disk_usage(path)
    return DiskSpace(free_bytes=usage.free, total_bytes=usage.total)


def read_space_around(path: Path) -> DiskSpace:
    """Return the space of the nearest folder that exists: the path or one above it; raise OSError. Blocks."""
    for folder in path.parents:
        with contextlib.suppress(OSError):
            return read_space(path)
        path = folder
    return read_space(path)


def check_free_space(folder: Path, floor_bytes: int, *, wanted_bytes: int = 0) -> None:
    """Raise DiskFullError if less than the floor would be free after writing this much. Blocks."""
    free = read_space(folder).free_bytes
    if free - wanted_bytes < floor_bytes:
        raise DiskFullError(path=str(folder), free_bytes=free, floor_bytes=floor_bytes)


def disk_full_error(error: OSError, folder: Path, *, floor_bytes: int = 0) -> DiskFullError | None:
    """Return the error for a full disk or an exhausted quota; None for any other error."""
    if error.errno not in _FULL:
        return None
    path = Path(os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else folder)
    quota_of = _user() if error.errno == errno.EDQUOT else ""
    try:
        free = read_space_around(path).free_bytes
    except OSError:
        free = None
    return DiskFullError(path=str(path), free_bytes=free, floor_bytes=floor_bytes, quota_of=quota_of)


@contextmanager
def disk_errors(folder: Path, *, floor_bytes: int = 0) -> Iterator[None]:
    """Raise DiskFullError for an OSError in the block that means a full disk or an exhausted quota."""
    try:
        yield
    except OSError as error:
        full = disk_full_error(error, folder, floor_bytes=floor_bytes)
        if full is None:
            raise
        raise full from error


def measure_disk(folder: Path) -> DiskUse:
    """Return what each part of a folder uses. Files that disappear or cannot be read are left out. Blocks."""
    known = sorted(_children(folder), key=lambda one: one.name)
    parts = [FolderUse(name=one.name, size_bytes=_size_of(one)) for one in known]
    space = read_space(folder)
    return DiskUse(
        path=str(folder),
        folders=tuple(sorted(parts, key=lambda one: -one.size_bytes)),
        free_bytes=space.free_bytes,
        total_bytes=space.total_bytes,
    )


def _size_of(entry: "os.DirEntry[str]") -> int:
    total = 0
    waiting = [entry]
    while waiting:
        one = waiting.pop()
        try:
            if one.is_dir(follow_symlinks=False):
                waiting += _children(Path(one.path))
            else:
                # The space on disk, not the file's length: databases have files with holes.
                total += one.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return total


def _children(folder: Path) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            yield from list(found)
    except OSError:
        return


def _user() -> str:
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
