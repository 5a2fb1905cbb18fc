"""What the state directory takes on disk. Must not change anything in it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from wheelyard.domain.builds.statistics import DiskUse, FolderUse


def measure_disk(folder: Path) -> DiskUse:
    """Add up what is in each part of a folder; what goes meanwhile, or cannot be read, is left out. Blocks."""
    known = sorted(_children(folder), key=lambda one: one.name)
    parts = [FolderUse(name=one.name, size_bytes=_size_of(one)) for one in known]
    space = shutil.disk_usage(folder)
    return DiskUse(
        path=str(folder),
        folders=tuple(sorted(parts, key=lambda one: -one.size_bytes)),
        free_bytes=space.free,
        total_bytes=space.total,
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
                # What is on disk, not how long the file is: databases have files with holes.
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
