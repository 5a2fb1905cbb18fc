"""Find the Debian packages that own files. dpkg's database has some libraries in /lib, others in /usr/lib.

https://github.com/debuerreotype/docker-debian-artifacts/issues/199 has the cause, which is Debian's merged /usr. Each
query reads dpkg's whole database, so one query asks for all files.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# The output of dpkg-query --search for a diverted file (dpkg-divert(1)).
_DIVERSION = re.compile(r"(?:diversion by (?P<package>\S+)|local diversion) (?P<side>from|to): (?P<path>/.*)")
_FORM = "${binary:Package}\t${Version}\t${source:Package}\t${source:Version}\t${Architecture}\n"


class Owner(NamedTuple):
    """The package that owns a library."""

    package: str
    package_version: str
    source_package: str
    """The source package and its version, with a blank between them."""
    architecture: str = ""


class _Diversion(NamedTuple):
    """A file that a diversion moved away from its package's path."""

    package: str | None  # the diverting package; None for a local diversion
    origin: str
    place: str


class _Answer(NamedTuple):
    """dpkg's answer to a query of paths."""

    diversions: list[_Diversion]
    packages: dict[str, list[str]]

    def owner_of(self, name: str) -> str | None:
        """Return the package that owns a path, with diversions applied."""
        moved = next((one for one in self.diversions if name in (one.origin, one.place)), None)
        if moved is None:
            return next(iter(self.packages.get(name, ())), None)
        if name == moved.origin:
            return moved.package  # the file here now belongs to the diverting package
        others = self.packages.get(moved.origin, ())
        return next((one for one in others if one.partition(":")[0] != moved.package), None)


def find_owners(paths: Sequence[Path], *, env: Mapping[str, str]) -> dict[Path, Owner]:
    """Return the owners of paths, without paths that no package owns."""
    spelled = {path: _spellings(path) for path in paths}
    answer = _ask([name for names in spelled.values() for name in names], env)
    origins = _ask([one.origin for one in answer.diversions], env)
    known = _Answer(answer.diversions, {**answer.packages, **origins.packages})
    named = {path: [one for name in names if (one := known.owner_of(name))] for path, names in spelled.items()}
    owners = _describe({one for ones in named.values() for one in ones}, env)
    found = {path: next((owners[one] for one in ones if one in owners), None) for path, ones in named.items()}
    return {path: owner for path, owner in found.items() if owner is not None}


def _spellings(path: Path) -> list[str]:
    """Return the paths that dpkg may have for a file, if /lib is a link to /usr/lib."""
    names = dict.fromkeys((str(path), str(path.resolve())))
    for name in list(names):
        if name.startswith("/usr/lib"):
            names[name.removeprefix("/usr")] = None
        elif name.startswith("/lib"):
            names["/usr" + name] = None
    return list(names)


def _ask(names: Iterable[str], env: Mapping[str, str]) -> _Answer:
    """Ask dpkg for paths. Unknown paths are no error, because each library has several spellings."""
    answer, origin = _Answer([], {}), ""
    for line in _lines(["--search"], names, env):
        match = _DIVERSION.fullmatch(line)
        if match is None:
            packages, _, path = line.rpartition(": ")
            answer.packages.setdefault(path, []).extend(filter(None, packages.replace(" ", "").split(",")))
        elif match["side"] == "from":
            origin = match["path"]
        else:
            answer.diversions.append(_Diversion(match["package"], origin, match["path"]))
    return answer


def _describe(packages: Iterable[str], env: Mapping[str, str]) -> dict[str, Owner]:
    """Return the owners for package names of dpkg."""
    owners = {}
    for line in _lines(["--show", f"--showformat={_FORM}"], sorted(packages), env):
        name, version, source, source_version, architecture = line.split("\t")
        owners[name] = Owner(name.partition(":")[0], version, f"{source} {source_version}", architecture)
    return owners


def _lines(question: Sequence[str], names: Iterable[str], env: Mapping[str, str]) -> list[str]:
    """Yield the lines of one query for all names; dpkg fails if it does not know one, but answers the others."""
    asked = list(dict.fromkeys(names))
    if not asked:
        return []
    command = ["dpkg-query", *question, "--", *asked]
    done = subprocess.run(command, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.stdout.decode(errors="replace").splitlines()
