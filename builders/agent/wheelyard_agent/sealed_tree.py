"""Folders that untrusted code may write to, and that must be unchanged after it."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_BLOCK = 1 << 20
_MOST_NAMED = 3

_State = tuple[int, int, bytes]
"""The mode of a file or folder; of a file also when it was written, which decides whether its bytecode counts, and a
digest of what it holds, of a link where it leads."""


class SealedTree:
    """The contents of folders at one moment, by hashes, because writes through mmap may not change times."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._before = dict(self._states())

    def restore(self) -> list[str]:
        """Remove new files; return files that changed or are gone, which cannot be restored.

        No process that could change the files may run during the call.
        """
        found = self._states(self._before)
        now = {path: state for path, state in found if path in self._before or not _remove(path)}
        return sorted(path for path in {*self._before, *now} if self._before.get(path) != now.get(path))

    def _states(self, known: dict[str, _State] | None = None) -> Iterator[tuple[str, _State]]:
        """Return the state of all files; unknown folders are not entered."""
        left = [str(folder) for folder in self._folders]
        while left:
            path = left.pop()
            found = os.lstat(path)
            if stat.S_ISDIR(found.st_mode):
                yield path, (found.st_mode, 0, b"")
                if known is None or path in known:
                    left.extend(_entries(path))
            else:
                yield path, (found.st_mode, found.st_mtime_ns, _digest(path, found.st_mode))


def describe_changes(changes: Sequence[str], site: Path) -> str:
    """Return the first changed files as text; installed ones by their path in site-packages."""
    names = [os.path.relpath(path, site) if path.startswith(f"{site}{os.sep}") else path for path in changes]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(ascii(name)[1:-1] for name in names[:_MOST_NAMED]) + more


def _entries(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.path for entry in entries]
    except PermissionError:
        return []  # its mode has changed, or all below is found missing


def _digest(path: str, mode: int) -> bytes:
    if stat.S_ISLNK(mode):
        return os.fsencode(os.readlink(path))  # noqa: PTH115  a Path would normalise it
    digest = hashlib.sha256()
    if stat.S_ISREG(mode):
        try:
            with open(path, "rb") as file:  # noqa: PTH123  Path would be made for each of thousands of files
                while block := file.read(_BLOCK):
                    digest.update(block)
        except PermissionError:
            return b""  # its mode has changed
    return digest.digest()


def _remove(path: str) -> bool:
    """Remove a file or a folder with its contents; return whether that succeeded."""
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            Path(path).unlink()
            return True
        left = [path]
        while left:
            folder = left.pop()
            Path(folder).chmod(stat.S_IRWXU)
            with os.scandir(folder) as entries:
                left.extend(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
        shutil.rmtree(path)
    except (OSError, RecursionError):
        return False
    return True
