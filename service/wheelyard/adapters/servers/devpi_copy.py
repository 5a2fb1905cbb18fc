"""Copy an embedded devpi's folder while devpi runs, and restore a copy."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from wheelyard.adapters.servers.processes import make_workshop

_DATABASE: Final = Path("data/.sqlite")
_FILES: Final = Path("data/+files")
_WITH_DATABASE: Final = (".sqlite-wal", ".sqlite-shm", ".sqlite-journal")
_OF_THIS_START: Final = frozenset({"server.pid"})


def copy_devpi(home: Path, target: Path) -> None:
    """Copy a consistent state.

    The order makes it consistent. devpi's record of its progress never names more than its database has. The database
    is copied with SQLite's own backup, and never names a file that is written after it.
    """
    target.mkdir(mode=0o700)
    for path in _paths(home):
        if _FILES not in path.parents and path != _DATABASE:
            _copy(home / path, target / path)
    with (
        contextlib.closing(sqlite3.connect(f"file:{home / _DATABASE}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(target / _DATABASE)) as copy,
    ):
        source.backup(copy)
    for path in _paths(home):
        if _FILES in path.parents:
            _copy(home / path, target / path)


def put_back_devpi(copy: Path, home: Path) -> None:
    """Restore devpi's folder from a copy, completely or not at all."""
    fresh = make_workshop(home.parent, home.name)
    shutil.copytree(copy, fresh, dirs_exist_ok=True)
    fresh.chmod(0o700)
    fresh.rename(home)


def _paths(home: Path) -> Iterator[Path]:
    """Yield the paths to keep, relative to devpi's folder, but no folders."""
    for path in sorted(home.rglob("*")):
        relative = path.relative_to(home)
        kept = path.is_file() and relative.parts[0] not in _OF_THIS_START and not path.name.endswith(_WITH_DATABASE)
        if kept and not any(".new-" in part for part in relative.parts[:1]):
            yield relative


def _copy(source: Path, target: Path) -> None:
    """Copy a file, unless it is gone: then it was a temporary one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)
