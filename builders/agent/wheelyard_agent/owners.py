"""Find the system package that owns a library, in the image's package database.

To add one (rpm, apk), write a module with a ``find_owners`` like Debian's, and add a line here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wheelyard_agent.debian import Owner
from wheelyard_agent.debian import find_owners as find_debian_owners

_DATABASES: Mapping[str, Callable[..., dict[Path, Owner]]] = {"dpkg-query": find_debian_owners}


def find_owners(paths: Sequence[Path], *, env: Mapping[str, str]) -> dict[Path, Owner]:
    """Return the owners of paths, without paths that no package owns; empty without a known database."""
    for program, find in _DATABASES.items():
        if shutil.which(program, path=env["PATH"]):
            return find(paths, env=env)
    return {}
