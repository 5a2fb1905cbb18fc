"""System packages of an image: their lock, and the differences between two locks."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

# "Inst libssl3 [3.0.15-1] (3.0.17-1~deb12u2 Debian-Security:12/oldstable-security [amd64])", apt-get(8), --simulate.
_UPGRADE: Final = re.compile(
    r"^Inst (?P<name>\S+) \[(?P<old>[^\]]+)\] \((?P<new>\S+) (?P<origin>[^\[\)]*)", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class InstalledPackage:
    """An installed package."""

    name: str
    version: str
    architecture: str


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class PackageChange:
    """A package whose version differs between two images; an empty version means that it is not installed."""

    package: str
    from_version: str
    to_version: str
    is_security: bool = False
    """True if it comes from a security archive."""


def parse_packages(text: str) -> tuple[InstalledPackage, ...]:
    """Parse lines of name, version and architecture, separated by tabs; return them sorted by name."""
    rows = (line.split("\t") for line in text.splitlines() if line)
    return tuple(sorted(InstalledPackage(name=row[0], version=row[1], architecture=row[2]) for row in rows))


def write_lock(packages: Iterable[InstalledPackage]) -> str:
    """Return the lock of an image's packages: one line each, sorted."""
    return "".join(f"{one.name}:{one.architecture}={one.version}\n" for one in sorted(packages))


def digest_lock(packages: Iterable[InstalledPackage]) -> str:
    """Return the digest of a lock: a sha256 in hexadecimal."""
    return hashlib.sha256(write_lock(packages).encode()).hexdigest()


def compare_packages(old: Sequence[InstalledPackage], new: Sequence[InstalledPackage]) -> tuple[PackageChange, ...]:
    """Return the packages that were added, removed or changed."""
    before, after = ({one.name: one.version for one in packages} for packages in (old, new))
    names = sorted(before.keys() | after.keys())
    changes = (_change(name, before, after) for name in names)
    return tuple(change for change in changes if change.from_version != change.to_version)


def _change(name: str, before: dict[str, str], after: dict[str, str]) -> PackageChange:
    return PackageChange(package=name, from_version=before.get(name, ""), to_version=after.get(name, ""))


def mark_security(changes: Iterable[PackageChange], pending: Iterable[PackageChange]) -> tuple[PackageChange, ...]:
    """Return the changes, with those marked that were pending from the security archive."""
    packages = {change.package for change in pending if change.is_security}
    return tuple(replace(change, is_security=change.package in packages) for change in changes)


def parse_upgrades(text: str) -> tuple[PackageChange, ...]:
    """Parse a simulated upgrade by apt-get."""
    return tuple(sorted(_read_upgrades(text)))


def _read_upgrades(text: str) -> Iterator[PackageChange]:
    for match in _UPGRADE.finditer(text):
        yield PackageChange(
            package=match["name"],
            from_version=match["old"],
            to_version=match["new"],
            is_security="security" in match["origin"].lower(),
        )
