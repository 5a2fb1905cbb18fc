"""Find the system packages whose headers the compilers read, from what they write themselves.

GCC appends the files that each compilation read, system headers included, to the file that SUNPRO_OUTPUT names:
https://gcc.gnu.org/onlinedocs/cpp/Environment-Variables.html. Where a build asks for dependency files of its own (-MD),
or uses another compiler, nothing is written. The project's code could write there too, and would change nothing but the
recipe that is proposed for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wheelyard_agent.owners import find_owners

_MAX_BYTES = 8 << 20
_MAX_HEADERS = 5000


def header_variables(trace: Path) -> dict[str, str]:
    """Return the environment variables that make compilers write what they read."""
    return {"SUNPRO_OUTPUT": str(trace)}


def used_packages(trace: Path, *, env: Mapping[str, str]) -> list[str]:
    """Return the packages of the headers that were read, sorted; empty if none was written down."""
    if trace.is_symlink() or not trace.is_file():
        return []
    with trace.open("rb") as file:
        words = file.read(_MAX_BYTES).decode(errors="replace").split()
    headers = sorted({word for word in words if word.startswith("/usr/")})[:_MAX_HEADERS]
    owners = find_owners([Path(one) for one in headers], env=env)
    return sorted({owner.package for owner in owners.values()})
