"""Find the system package that owns a library, by the package database that the image has.

A further one (rpm, apk) is a module with a ``find_owners`` like Debian's and a line here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wheelyard_agent import debian
from wheelyard_agent.debian import Owner

_DATABASES: Mapping[str, Callable[..., dict[Path, Owner]]] = {"dpkg-query": debian.find_owners}


def find_owners(paths: Sequence[Path], *, env: Mapping[str, str]) -> dict[Path, Owner]:
    """Look paths up; those that no package owns are left out, all of them where no known database is there."""
    for program, find in _DATABASES.items():
        if shutil.which(program, path=env["PATH"]):
            return find(paths, env=env)
    return {}
