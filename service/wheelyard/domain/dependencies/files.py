"""What an application depends on, as its files say it: values that all kinds of input are read into.

An input is *locked* if it names every release that will be installed, and *open* if a resolver has to choose. Must not
read files nor choose releases.
"""

import posixpath
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.versions import find_specifiers
from wheelyard.errors import SelectionUnknownError

_LAST_PATCH: Final = 99


class InputKind(StrEnum):
    """The kinds of files that say what an application depends on, by the name that they usually bear."""

    REQUIREMENTS = "requirements.txt"
    PYLOCK = "pylock.toml"
    UV_LOCK = "uv.lock"
    POETRY_LOCK = "poetry.lock"
    PYPROJECT = "pyproject.toml"


def kind_of_file(name: str) -> InputKind:
    """Tell what a file is by its name; what is not known otherwise is a requirements file."""
    base = posixpath.basename(name)
    if base == "pylock.toml" or (base.startswith("pylock.") and base.endswith(".toml")):
        return InputKind.PYLOCK
    known = {kind.value: kind for kind in InputKind}
    return known.get(base, InputKind.REQUIREMENTS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where something was asked for."""

    file: str
    line: int | None = None
    """Counted from 1; None where the format has no useful lines."""

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """One release that a lock names."""

    project: NormalizedName
    version: Version
    origin: Origin
    hashes: frozenset[str] = frozenset()
    """``sha256:…`` of the files that the lock allows; none if it allows any."""

    def __str__(self) -> str:
        return f"{self.project}=={self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One requirement of an open input."""

    requirement: Requirement
    origin: Origin
    hashes: frozenset[str] = frozenset()
    """``sha256:…`` of the files that it allows; none if it allows any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """A line that cannot be built or has no meaning here; the rest of the input goes on without it."""

    origin: Origin
    text: str
    reason: str
    is_wanted: bool = True
    """True if it asks for something that is on no index, so that our index cannot be all that is needed. Options and
    the application's own folders do not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which optional parts of an input are wanted."""

    extras: frozenset[NormalizedName] = frozenset()
    """Extras of the application itself."""
    groups: frozenset[NormalizedName] = frozenset()
    """Dependency groups (PEP 735)."""
    default_groups: bool = True
    """Also those that the lock's own tool installs without being asked."""

    def check(self, file: str, *, extras: AbstractSet[str], groups: AbstractSet[str]) -> None:
        """See that a lock has what is named; raises SelectionUnknownError."""
        for kind, named, known in (("extra", self.extras, extras), ("dependency group", self.groups, groups)):
            if unknown := sorted(named - known):
                raise SelectionUnknownError(file=file, kind=kind, name=unknown[0], known=sorted(known))


class Lock(Protocol):
    """Every release that will be installed, which differs by target where it has markers."""

    def pins(self, target: Target) -> tuple[Pin, ...]:
        """List what is installed on a target."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class MarkedPin:
    """A pin and where it applies."""

    pin: Pin
    marker: Marker | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PinList:
    """A lock whose entries each say where they apply."""

    entries: tuple[MarkedPin, ...]
    lock_values: Mapping[str, frozenset[str]] | None = None
    """Values that only lock files' markers have (PEP 751): ``extras`` and ``dependency_groups``."""

    def pins(self, target: Target) -> tuple[Pin, ...]:
        """List the entries whose marker holds on the target."""
        return tuple(entry.pin for entry in self.entries if may_hold(entry.marker, target, self.lock_values))


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedRelease:
    """A release that a resolver chose."""

    project: NormalizedName
    version: Version


@dataclass(frozen=True, kw_only=True, slots=True)
class StatedRelease:
    """What a release's sdist says that it needs; not proven by a build, but nearly always right."""

    project: NormalizedName
    version: Version
    requires: tuple[str, ...]
    """Requirements (PEP 508), checked."""
    extras: tuple[str, ...] = ()
    requires_python: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependencies:
    """Everything that an input says."""

    kind: InputKind
    lock: Lock | None
    """None if the input is open."""
    wanted: tuple[Wanted, ...] = ()
    """The requirements of an open input."""
    constraints: tuple[Wanted, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    requires_python: SpecifierSet | None = None
    """The Pythons that the input is for; None if it does not say."""

    def is_for(self, target: Target) -> bool:
        """Tell whether the input is for a target's Python, in some patch release of it."""
        last = f"{target.python}.{_LAST_PATCH}"
        return self.requires_python is None or self.requires_python.contains(last, prereleases=True)


def read_requires_python(text: object) -> SpecifierSet | None:
    """Read a specifier of Pythons; what is none, such as Poetry's own ``^3.11``, says nothing."""
    return find_specifiers(text) if isinstance(text, str) else None


def may_hold(marker: Marker | None, target: Target, more: Mapping[str, AbstractSet[str]] | None = None) -> bool:
    """Tell whether a marker holds in some micro release of the target's Python, of which a target names none.

    What a lock has for older ones and what it has for newer ones are both wanted, since either may be installed.
    """
    return any(holds(marker, target, more, micro=micro) for micro in _micros(marker, target))


def _micros(marker: Marker | None, target: Target) -> set[int]:
    """List micro releases of which every one that is left out agrees with one of them."""
    named = re.findall(rf"(?<![0-9.]){re.escape(target.python)}\.([0-9]{{1,4}})(?![0-9])", str(marker or ""))
    return {0, _LAST_PATCH} | {max(int(micro) + step, 0) for micro in named for step in (-1, 0, 1)}


def holds(
    marker: Marker | None, target: Target, more: Mapping[str, AbstractSet[str]] | None = None, *, micro: int = 0
) -> bool:
    """Tell whether a marker holds on a target; one that has no value there does not (PEP 508).

    Args:
        marker: None holds everywhere.
        target: Where.
        more: Values that only lock files' markers have (PEP 751): ``extras`` and ``dependency_groups``.
        micro: The micro release of the target's Python.
    """
    if marker is None:
        return True
    environment: dict[str, str | AbstractSet[str]] = {
        **target.marker_environment(micro=micro),
        **(more or {"extra": ""}),
    }
    try:
        return marker.evaluate(environment, context="requirement" if more is None else "lock_file")
    except (UndefinedComparison, UndefinedEnvironmentName):
        return False
