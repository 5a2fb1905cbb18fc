"""Find which Debian package owns a file: dpkg's database knows some libraries by /lib, others by /usr/lib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from wheelyard_agent.job import output_of


class Owner(NamedTuple):
    """The package that owns a library."""

    package: str
    package_version: str
    source_package: str


def find_owners(paths: Sequence[Path], *, env: Mapping[str, str]) -> dict[Path, Owner]:
    """Look paths up; those that no package owns are left out."""
    return {path: owner for path in paths if (owner := _find_owner(path, env)) is not None}


def _find_owner(path: Path, env: Mapping[str, str]) -> Owner | None:
    for spelling in _spellings(path):
        answer = output_of(["dpkg-query", "--search", spelling], env=env)
        if answer:
            package = answer.splitlines()[0].rpartition(": ")[0].split(",")[0].strip()
            return _describe(package, env)
    return None


def _spellings(path: Path) -> list[str]:
    """Give the names under which dpkg may know a file, on systems where /lib is a link to /usr/lib."""
    names = dict.fromkeys((str(path), str(path.resolve())))
    for name in list(names):
        if name.startswith("/usr/lib"):
            names[name.removeprefix("/usr")] = None
        elif name.startswith("/lib"):
            names["/usr" + name] = None
    return list(names)


def _describe(package: str, env: Mapping[str, str]) -> Owner | None:
    form = "${binary:Package}\t${Version}\t${source:Package}\t${source:Version}\n"
    answer = output_of(["dpkg-query", "--show", f"--showformat={form}", package], env=env)
    if not answer:
        return None
    name, version, source, source_version = answer.splitlines()[0].split("\t")
    return Owner(name.partition(":")[0], version, f"{source} {source_version}")
