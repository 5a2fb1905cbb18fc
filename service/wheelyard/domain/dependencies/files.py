"""The dependencies of an application: the values that every kind of input file is read into.

An input is *locked* if it names every release that will be installed, and *open* if a resolver has to choose.
"""

import posixpath
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from wheelyard.domain.builds.file_source import FileOrigin
from wheelyard.domain.builds.git_source import GitOrigin, GitRequest
from wheelyard.domain.packaging.target import Target, python_version
from wheelyard.domain.untrusted.versions import find_specifiers
from wheelyard.errors import SelectionUnknownError

_LAST_PATCH: Final = 99


class InputKind(StrEnum):
    """The kinds of input files, by their usual names."""

    REQUIREMENTS = "requirements.txt"
    PYLOCK = "pylock.toml"
    UV_LOCK = "uv.lock"
    POETRY_LOCK = "poetry.lock"
    PYPROJECT = "pyproject.toml"


def kind_of_file(name: str) -> InputKind:
    """Return the kind of a file by its name; an unknown name is a requirements file."""
    base = posixpath.basename(name)
    if base == "pylock.toml" or (base.startswith("pylock.") and base.endswith(".toml")):
        return InputKind.PYLOCK
    known = {kind.value: kind for kind in InputKind}
    return known.get(base, InputKind.REQUIREMENTS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """The place of a requirement in a file."""

    file: str
    line: int | None = None
    """Counted from 1; None if the format has no useful lines."""

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """One release that a lock names."""

    project: NormalizedName
    version: Version
    origin: Origin
    hashes: frozenset[str] = frozenset()
    """``sha256:…`` of the files that the lock allows; empty if it allows any."""
    commit: GitOrigin | None = None
    """The commit that it is built from, in place of a release of an index. Its version is then what files state."""
    file: FileOrigin | None = None
    """The file at an address that it is built from, or repaired, in place of a release of an index."""

    def __str__(self) -> str:
        return f"{self.project}=={self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One requirement of an open input."""

    requirement: Requirement
    origin: Origin
    hashes: frozenset[str] = frozenset()
    """``sha256:…`` of the files that it allows; empty if it allows any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """A line that cannot be built or has no meaning here; the rest of the input is used without it."""

    origin: Origin
    text: str
    reason: str
    is_wanted: bool = True
    """True if it requires something that is on no index, so that our index alone is not enough. False for options and
    the application's own folders."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedSource:
    """A requirement of a source in git, in place of a release of an index."""

    source: GitRequest
    origin: Origin
    text: str
    """The line as it is shown, without passwords."""
    extras: frozenset[NormalizedName] = frozenset()
    marker: Marker | None = None
    commit: str | None = None
    """The commit that a lock names; None if the source's ref decides."""

    @property
    def key(self) -> str:
        """Return what the entry of a lock and its commit have in common; see ``GitOrigin.keys``."""
        return str(self.source if self.commit is None else replace(self.source, ref=self.commit))

    def skipped(self, reason: str) -> Skipped:
        """Return it as a line that was left out."""
        return Skipped(origin=self.origin, text=self.text, reason=reason)


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedFile:
    """A requirement of an sdist or a wheel at an address. Its hash says which file it is, wherever that comes from."""

    project: NormalizedName
    version: Version
    hashes: frozenset[str]
    """``sha256:…`` of the file."""
    address: str
    """Where it is, without what is behind ``#``."""
    origin: Origin
    text: str
    """The line as it is shown, without passwords."""
    extras: frozenset[NormalizedName] = frozenset()
    marker: Marker | None = None

    @property
    def key(self) -> str:
        """Return what identifies the file."""
        return f"{self.project}=={self.version} {' '.join(sorted(self.hashes))}"

    def skipped(self, reason: str) -> Skipped:
        """Return it as a line that was left out."""
        return Skipped(origin=self.origin, text=self.text, reason=reason)


APPLICATION: Final = "it is the application itself, which is installed from its folder"


def why_left(folder: str) -> str:
    """Return why a folder of the user's own is no part of a prebuild, and what publishes it."""
    return f"it is a folder of your own and stays one; 'wheelyard build {folder}' publishes it"


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnFolder:
    """A folder of the user's own in a requirements file, which installers build where it is."""

    origin: Origin
    text: str
    path: str | None
    """Its path relative to the first file's folder; None if it is outside."""
    extras: frozenset[NormalizedName] = frozenset()
    reason: str = ""
    """Why it is left out."""

    def skipped(self, reason: str = "") -> Skipped:
        """Return it as a line that was left out, for another reason if one is given."""
        return Skipped(origin=self.origin, text=self.text, reason=reason or self.reason, is_wanted=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which optional parts of an input are wanted."""

    extras: frozenset[NormalizedName] = frozenset()
    """Extras of the application itself."""
    groups: frozenset[NormalizedName] = frozenset()
    """Dependency groups (PEP 735)."""
    default_groups: bool = True
    """True to include the groups that the lock's own tool installs by default."""

    def check(self, file: str, *, extras: AbstractSet[str], groups: AbstractSet[str]) -> None:
        """Check that a lock has the selected names; raise SelectionUnknownError."""
        for kind, named, known in (("extra", self.extras, extras), ("dependency group", self.groups, groups)):
            if unknown := sorted(named - known):
                raise SelectionUnknownError(file=file, kind=kind, name=unknown[0], known=sorted(known))


class Lock(Protocol):
    """All releases to install; markers make them differ by target."""

    def pins(self, target: Target) -> tuple[Pin, ...]:
        """Return the releases to install on a target."""
        ...

    def sources(self, target: Target) -> tuple[WantedSource | WantedFile, ...]:
        """Return the sources and files to install on a target."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class MarkedPin:
    """A pin and where it applies."""

    pin: Pin
    marker: Marker | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PinList:
    """A lock whose entries have markers."""

    entries: tuple[MarkedPin, ...]
    lock_values: Mapping[str, frozenset[str]] | None = None
    """Marker variables that only lock files have (PEP 751): ``extras`` and ``dependency_groups``."""
    wanted_sources: tuple[WantedSource | WantedFile, ...] = ()

    def pins(self, target: Target) -> tuple[Pin, ...]:
        """Return the entries whose marker holds on the target."""
        return tuple(entry.pin for entry in self.entries if may_hold(entry.marker, target, self.lock_values))

    def sources(self, target: Target) -> tuple[WantedSource | WantedFile, ...]:
        """Return the sources and files whose marker holds on the target."""
        return tuple(one for one in self.wanted_sources if may_hold(one.marker, target, self.lock_values))


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedRelease:
    """A release that a resolver chose."""

    project: NormalizedName
    version: Version


@dataclass(frozen=True, kw_only=True, slots=True)
class StatedRelease:
    """The requirements in a release's sdist or commit; not verified by a build, but nearly always right."""

    project: NormalizedName
    version: Version
    requires: tuple[str, ...]
    """Valid requirements (PEP 508)."""
    extras: tuple[str, ...] = ()
    requires_python: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRelease:
    """The release that a commit or a file becomes, or that a file of an index belongs to."""

    release: StatedRelease
    """Of a file of an index, nothing is stated: its index says what it requires."""
    commit: GitOrigin | None = None
    file: FileOrigin | None = None
    hashes: frozenset[str] = frozenset()
    """``sha256:…`` of the file of an index."""

    @property
    def is_of_index(self) -> bool:
        """Return whether it is a release of an index."""
        return self.commit is None and self.file is None

    def pin(self, origin: Origin) -> Pin:
        """Return it as a release that a line asks for."""
        return Pin(
            project=self.release.project,
            version=self.release.version,
            origin=origin,
            commit=self.commit,
            file=self.file,
            hashes=self.hashes,
        )

    def requirement(self, extras: AbstractSet[str]) -> str:
        """Return the requirement of exactly this release."""
        named = f"[{','.join(sorted(extras))}]" if extras else ""
        return f"{self.release.project}{named}=={self.release.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependencies:
    """The dependencies in an input."""

    kind: InputKind
    lock: Lock | None
    """None if the input is open."""
    wanted: tuple[Wanted, ...] = ()
    """The requirements of an open input."""
    sources: tuple[WantedSource | WantedFile, ...] = ()
    """The sources and files of an open input; a lock has its own."""
    folders: tuple[OwnFolder, ...] = ()
    constraints: tuple[Wanted, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    requires_python: SpecifierSet | None = None
    """The Pythons that the input supports; None if it has no such information."""

    def is_for(self, target: Target) -> bool:
        """Return whether the input supports some patch release of a target's Python."""
        last = f"{python_version(target.python)}.{_LAST_PATCH}"
        return self.requires_python is None or self.requires_python.contains(last, prereleases=True)


def read_requires_python(text: object) -> SpecifierSet | None:
    """Return a specifier of Pythons; None for anything else, such as Poetry's own ``^3.11``."""
    return find_specifiers(text) if isinstance(text, str) else None


def may_hold(marker: Marker | None, target: Target, more: Mapping[str, AbstractSet[str]] | None = None) -> bool:
    """Return whether a marker holds in some micro release of the target's Python.

    A target names no micro release, so a lock's entries for older and for newer ones are both wanted.
    """
    return any(holds(marker, target, more, micro=micro) for micro in _micros(marker, target))


def _micros(marker: Marker | None, target: Target) -> set[int]:
    """Return the micro releases to test: every other one gives the same result as one of them."""
    version = re.escape(python_version(target.python))
    named = re.findall(rf"(?<![0-9.]){version}\.([0-9]{{1,4}})(?![0-9])", str(marker or ""))
    return {0, _LAST_PATCH} | {max(int(micro) + step, 0) for micro in named for step in (-1, 0, 1)}


def holds(
    marker: Marker | None, target: Target, more: Mapping[str, AbstractSet[str]] | None = None, *, micro: int = 0
) -> bool:
    """Return whether a marker holds on a target; False if a variable has no value there (PEP 508).

    Args:
        marker: None holds everywhere.
        target: Where.
        more: Marker variables that only lock files have (PEP 751): ``extras`` and ``dependency_groups``.
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
