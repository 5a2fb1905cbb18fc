"""Read single files of an sdist as data. Must not unpack anything nor believe it: the archive is a stranger's."""

from pathlib import Path
from typing import Final

from wheelyard.adapters.resolver.sdists import UNREADABLE, open_members

_DEPTH: Final = 2


def read_sdist_metadata(path: Path) -> bytes | None:
    """Return the content of the sdist's ``NAME-VERSION/PKG-INFO``; None if it has none that can be read."""
    return _read_at_top(path, "PKG-INFO")


def read_sdist_pyproject(path: Path) -> bytes | None:
    """Return the content of the sdist's ``NAME-VERSION/pyproject.toml``; None if it has none that can be read."""
    return _read_at_top(path, "pyproject.toml")


def _read_at_top(path: Path, file: str) -> bytes | None:
    try:
        with open_members(path, filename=path.name) as members:
            return next((read() for name, read in members if read is not None and _is_at_top(name, file)), None)
    except UNREADABLE:
        return None


def _is_at_top(name: str, file: str) -> bool:
    parts = name.split("/")
    return len(parts) == _DEPTH and parts[1] == file
