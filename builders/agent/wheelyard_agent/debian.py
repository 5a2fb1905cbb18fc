"""Find which Debian packages own files: dpkg's database knows some libraries by /lib, others by /usr/lib.

Each question to dpkg reads the whole database, so all files are asked for at once.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# What dpkg-query --search says of a file that one package moved out of the way of its own (dpkg-divert(1)).
_DIVERSION = re.compile(r"(?:diversion by (?P<package>\S+)|local diversion) (?P<side>from|to): (?P<path>/.*)")
_FORM = "${binary:Package}\t${Version}\t${source:Package}\t${source:Version}\n"


class Owner(NamedTuple):
    """The package that owns a library."""

    package: str
    package_version: str
    source_package: str


class _Diversion(NamedTuple):
    """A file that lies elsewhere than where its package has it."""

    package: str | None  # that moved it away; None if somebody did on this machine
    origin: str
    place: str


class _Answer(NamedTuple):
    """What dpkg knows of the paths that it was asked for."""

    diversions: list[_Diversion]
    packages: dict[str, list[str]]

    def owner_of(self, name: str) -> str | None:
        """Name the package that a path belongs to, diversions considered."""
        moved = next((one for one in self.diversions if name in (one.origin, one.place)), None)
        if moved is None:
            return next(iter(self.packages.get(name, ())), None)
        if name == moved.origin:
            return moved.package  # what lies here now is of the package that moved the other's file away
        others = self.packages.get(moved.origin, ())
        return next((one for one in others if one.partition(":")[0] != moved.package), None)


def find_owners(paths: Sequence[Path], *, env: Mapping[str, str]) -> dict[Path, Owner]:
    """Look paths up; those that no package owns are left out."""
    spelled = {path: _spellings(path) for path in paths}
    answer = _ask([name for names in spelled.values() for name in names], env)
    origins = _ask([one.origin for one in answer.diversions], env)
    known = _Answer(answer.diversions, {**answer.packages, **origins.packages})
    named = {path: [one for name in names if (one := known.owner_of(name))] for path, names in spelled.items()}
    owners = _describe({one for ones in named.values() for one in ones}, env)
    found = {path: next((owners[one] for one in ones if one in owners), None) for path, ones in named.items()}
    return {path: owner for path, owner in found.items() if owner is not None}


def _spellings(path: Path) -> list[str]:
    """Give the names under which dpkg may know a file, on systems where /lib is a link to /usr/lib."""
    names = dict.fromkeys((str(path), str(path.resolve())))
    for name in list(names):
        if name.startswith("/usr/lib"):
            names[name.removeprefix("/usr")] = None
        elif name.startswith("/lib"):
            names["/usr" + name] = None
    return list(names)


def _ask(names: Iterable[str], env: Mapping[str, str]) -> _Answer:
    """Ask dpkg for paths. That it knows some not is an answer like any other: a library has several spellings."""
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
    """Describe packages, by the names that dpkg itself has for them."""
    owners = {}
    for line in _lines(["--show", f"--showformat={_FORM}"], sorted(packages), env):
        name, version, source, source_version = line.split("\t")
        owners[name] = Owner(name.partition(":")[0], version, f"{source} {source_version}")
    return owners


def _lines(question: Sequence[str], names: Iterable[str], env: Mapping[str, str]) -> list[str]:
    """Ask dpkg one question about all names; it ends with an error if it does not know one, and answers the rest."""
    asked = list(dict.fromkeys(names))
    if not asked:
        return []
    command = ["dpkg-query", *question, "--", *asked]
    done = subprocess.run(command, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.stdout.decode(errors="replace").splitlines()
