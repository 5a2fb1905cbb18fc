"""Find the Python modules of an installed distribution, from its RECORD."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

# Not for import: programs, test suites and their configuration, and build leftovers.
_NOT_FOR_IMPORT = re.compile(r"(^|\.)(__main__|tests?|testing|conftest|setup|_?examples?|benchmarks?)(\.|$)")


def list_modules(site: Path, project: str) -> list[str]:
    """Return importable names of a project in a site-packages folder, without its tests and programs."""
    distribution = next(found for found in _installed(site) if _normalise(found.name) == project)
    names = {_module_of(file) for file in distribution.files or [] if file.suffix == ".py"}
    return sorted(name for name in names if name and is_for_import(name))


def other_startup_files(site: Path, project: str) -> list[str]:
    """Return the ``.pth`` files of other projects in a site-packages folder.

    Return none if the project has a top-level name in common with another one, because the other one's line could then
    run the project's own code.
    """
    own: set[PurePosixPath] = set()
    others: set[PurePosixPath] = set()
    for distribution in _installed(site):
        files = own if _normalise(distribution.name) == project else others
        files.update(distribution.files or [])
    shared = {*map(_top, own)} & {*map(_top, others)} - {""}
    return [] if shared else sorted(file.name for file in others if file.suffix == ".pth" and len(file.parts) == 1)


def is_for_import(name: str) -> bool:
    """Return whether a module is for users, and not part of tests or examples."""
    return _NOT_FOR_IMPORT.search(name) is None


def _top(file: PurePosixPath) -> str:
    """Return the top-level import name of a file; empty for a file outside of site-packages."""
    return file.parts[0].partition(".")[0]


def _installed(site: Path) -> Iterable[importlib.metadata.Distribution]:
    return importlib.metadata.distributions(path=[str(site)])


def _module_of(file: PurePosixPath) -> str | None:
    parts = file.with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
