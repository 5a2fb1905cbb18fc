"""Combine a requirements file and the files that it names into one input.

This module decides how files nest. ``adapters/resolver/requirements.py`` parses the lines as pip does.
"""

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.domain.builds.git_source import GitRequest
from wheelyard.domain.dependencies.files import (
    Dependencies,
    InputKind,
    MarkedPin,
    Origin,
    OwnFolder,
    Pin,
    PinList,
    Skipped,
    Wanted,
    WantedFile,
    WantedSource,
)
from wheelyard.domain.packaging.release import pinned_version
from wheelyard.errors import DependencyFileInvalidError, DependencyFileMissingError

_DEEPEST: Final = 20
_SHOWN_LINES: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementLine:
    """One requirement of a file."""

    line: int
    requirement: Requirement
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NestedFile:
    """A file that another file names with ``-r`` or ``-c``."""

    line: int
    name: str
    is_constraints: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class UnusableLine:
    """A line that has no meaning here."""

    line: int
    text: str
    reason: str
    is_wanted: bool = True
    """True if it requires something that is on no index."""
    is_malformed: bool = False
    """True if no installer can read it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceLine(UnusableLine):
    """A line that asks for a source in git: it can be built if its host is allowed."""

    source: GitRequest
    extras: frozenset[NormalizedName] = frozenset()
    marker: Marker | None = None

    def wanted(self, origin: Origin) -> WantedSource:
        """Return what it asks for."""
        return WantedSource(source=self.source, origin=origin, text=self.text, extras=self.extras, marker=self.marker)


@dataclass(frozen=True, kw_only=True, slots=True)
class FileLine(UnusableLine):
    """A line that asks for the sdist or wheel at an address."""

    project: NormalizedName
    version: Version
    hashes: frozenset[str]
    address: str
    extras: frozenset[NormalizedName] = frozenset()
    marker: Marker | None = None

    def wanted(self, origin: Origin) -> WantedFile:
        """Return what it asks for."""
        return WantedFile(
            project=self.project,
            version=self.version,
            hashes=self.hashes,
            address=self.address,
            origin=origin,
            text=self.text,
            extras=self.extras,
            marker=self.marker,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderLine(UnusableLine):
    """A line that names a folder of the user's own: installers build it where it is."""

    folder: str
    """Its path as it is written."""
    extras: frozenset[NormalizedName] = frozenset()

    def of(self, origin: Origin) -> OwnFolder:
        """Return the folder, with the path that the names of the given files have."""
        path = posixpath.normpath(self.folder)
        inside = not path.startswith(("/", "..")) and ":" not in path and "\\" not in path
        return OwnFolder(
            origin=origin, text=self.text, path=path if inside else None, extras=self.extras, reason=self.reason
        )


ParsedLine = RequirementLine | NestedFile | UnusableLine
LineParser = Callable[[str], tuple[ParsedLine, ...]]


@dataclass(slots=True)
class _Reading:
    """The result so far."""

    files: Mapping[str, str]
    parse: LineParser
    lines: list[tuple[Origin, RequirementLine]] = field(default_factory=list)
    constraints: list[tuple[Origin, RequirementLine]] = field(default_factory=list)
    sources: list[WantedSource | WantedFile] = field(default_factory=list)
    folders: list[OwnFolder] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    seen: set[tuple[str, bool]] = field(default_factory=set)


def read_requirements(files: Mapping[str, str], *, start: str, parse: LineParser) -> Dependencies:
    """Read a requirements file and all files that it names.

    The input is locked if every requirement is one exact version with a hash, as ``pip install --require-hashes`` wants
    it: then it must name everything that is installed. Otherwise it is open.

    Args:
        files: Texts by relative path.
        start: The first file.
        parse: Parser of a text's lines.

    Raises:
        DependencyFileMissingError: A file is missing.
        DependencyFileInvalidError: Files include each other in a cycle, or lines cannot be read.
    """
    reading = _Reading(files=files, parse=parse)
    _read_file(reading, start, constraints=False)
    if reading.malformed:
        raise malformed_lines(start, reading.malformed)
    lock = _as_lock(reading)
    return Dependencies(
        kind=InputKind.REQUIREMENTS,
        lock=lock,
        wanted=() if lock else tuple(_wanted(reading.lines)),
        sources=() if lock else tuple(reading.sources),
        folders=tuple(reading.folders),
        constraints=tuple(_wanted(reading.constraints)),
        skipped=tuple(reading.skipped),
    )


def _read_file(reading: _Reading, name: str, *, constraints: bool, depth: int = 0, named_by: str | None = None) -> None:
    if (name, constraints) in reading.seen:
        return
    reading.seen.add((name, constraints))
    if name not in reading.files:
        raise DependencyFileMissingError(file=name, reason="its content was not given", named_by=named_by)
    if depth > _DEEPEST:
        raise DependencyFileInvalidError(file=name, problems=[f"it is the {depth}th file that the one before names"])
    for line in reading.parse(reading.files[name]):
        origin = Origin(file=name, line=line.line)
        if isinstance(line, NestedFile):
            _read_nested(reading, origin, line, constraints=constraints, depth=depth)
        else:
            _take(reading, origin, line, constraints=constraints)


def _take(reading: _Reading, origin: Origin, line: RequirementLine | UnusableLine, *, constraints: bool) -> None:
    match line:
        case RequirementLine():
            (reading.constraints if constraints else reading.lines).append((origin, line))
        case SourceLine() | FileLine() if not constraints:
            reading.sources.append(line.wanted(origin))
        case FolderLine() if not constraints:
            reading.folders.append(line.of(origin))
        case UnusableLine(text=text, reason=reason, is_malformed=True):
            reading.malformed.append(f"{origin}: {text!r}: {reason}")
        case UnusableLine(text=text, reason=reason, is_wanted=wanted):
            wanted = wanted and not constraints
            reading.skipped.append(Skipped(origin=origin, text=text, reason=reason, is_wanted=wanted))


def malformed_lines(file: str, problems: Sequence[str]) -> DependencyFileInvalidError:
    """Return the error for lines that cannot be read, with the place of each."""
    shown = [*problems[:_SHOWN_LINES]]
    if len(problems) > _SHOWN_LINES:
        shown.append(f"and {len(problems) - _SHOWN_LINES} more such lines")
    return DependencyFileInvalidError(file=file, problems=shown, hint="Correct each line that is named.")


def _read_nested(reading: _Reading, origin: Origin, line: NestedFile, *, constraints: bool, depth: int) -> None:
    path = nested_path(origin.file, line.name)
    if path is None:
        reason = "a file at an address of its own, or outside of the folder, is not read"
        reading.skipped.append(Skipped(origin=origin, text=line.name, reason=reason))
    else:
        constraints = constraints or line.is_constraints
        _read_file(reading, path, constraints=constraints, depth=depth + 1, named_by=str(origin))


def nested_path(parent: str, nested: str) -> str | None:
    """Return the file that ``-r`` or ``-c`` names, relative to the first file's folder; None if it is outside."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(parent), nested))
    return None if "://" in nested or path.startswith(("/", "..")) else path


def _as_lock(reading: _Reading) -> PinList | None:
    if not all(line.hashes and exact_version(line.requirement) for _, line in reading.lines):
        return None
    pins = tuple(
        MarkedPin(pin=_pin(origin, line, version), marker=line.requirement.marker)
        for origin, line in reading.lines
        if (version := exact_version(line.requirement)) is not None
    )
    return PinList(entries=pins, wanted_sources=tuple(reading.sources)) if pins else None


def _pin(origin: Origin, line: RequirementLine, version: Version) -> Pin:
    name = canonicalize_name(line.requirement.name)
    return Pin(project=name, version=version, origin=origin, hashes=frozenset(line.hashes))


def exact_version(requirement: Requirement) -> Version | None:
    """Return the one version that a requirement allows; None if it allows more."""
    return pinned_version(requirement.specifier)


def _wanted(lines: Iterable[tuple[Origin, RequirementLine]]) -> Iterator[Wanted]:
    return (
        Wanted(requirement=line.requirement, origin=origin, hashes=frozenset(line.hashes)) for origin, line in lines
    )
