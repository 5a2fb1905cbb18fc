"""Differences between devpi's files and the database."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from wheelyard.domain.index.index import HeldFile
from wheelyard.domain.index.wheels import IndexedWheel

MOST_FINDINGS: Final = 300
"""The number of findings of a report that are saved."""


class Difference(StrEnum):
    """The kinds of differences between devpi and the database."""

    MISSING = "missing"
    """The wheel is listed, but devpi does not have it."""
    OTHER_BYTES = "other-bytes"
    """devpi has other bytes than those that were verified."""
    NOT_DELETED = "not-deleted"
    """The wheel is deleted, but devpi still has it."""
    UNKNOWN = "unknown"
    """devpi has a file that no build here published."""
    NO_METADATA = "no-metadata"
    """Its METADATA is not stored, so installers must fetch the whole wheel for it."""
    NO_CONTENTS = "no-contents"
    """Its contents are not stored, so its page cannot list them."""
    SPOILT_COPY = "spoilt-copy"
    """The copy on the API's host had other bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A difference between devpi and the database."""

    difference: Difference
    filename: str
    project: str
    detail: str
    mended: bool = False
    """True if it was repaired."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexReport:
    """The result of a comparison of devpi and the database."""

    wheels: int
    """Number of listed wheels and sdists."""
    files: int
    """Number of files in devpi."""
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Return whether nothing is left to repair."""
        return all(finding.mended for finding in self.findings)


@dataclass(frozen=True, kw_only=True, slots=True)
class LastReport:
    """The newest report, as it is saved."""

    wheels: int
    files: int
    found: int
    """Number of findings that were not repaired."""
    findings: tuple[Finding, ...]
    """The first findings; those that were not repaired come first."""
    checked_at: datetime | None = None
    """Time of the check; None before it is saved."""

    @classmethod
    def of(cls, report: IndexReport) -> Self:
        """Return the part of a report that is saved."""
        findings = sorted(report.findings, key=lambda finding: finding.mended)
        found = sum(not finding.mended for finding in findings)
        return cls(wheels=report.wheels, files=report.files, found=found, findings=tuple(findings[:MOST_FINDINGS]))


def compare(wheels: Iterable[IndexedWheel], held: Iterable[HeldFile]) -> Iterator[tuple[Finding, IndexedWheel | None]]:
    """Yield the differences, with the wheel of the database."""
    copies = defaultdict[str, list[HeldFile]](list)
    for file in held:
        copies[file.filename].append(file)
    known = {wheel.filename: wheel for wheel in wheels}
    for wheel in known.values():
        for difference, detail in _judge(wheel, copies[wheel.filename]):
            yield _finding(difference, wheel.filename, wheel.project, detail), wheel
    for filename in sorted(copies.keys() - known.keys()):
        for file in copies[filename]:
            yield _finding(Difference.UNKNOWN, filename, file.project, f"on {file.level}, sha256 {file.sha256}"), None


def spoilt_copies(filenames: Iterable[str], wheels: Iterable[IndexedWheel]) -> Iterator[Finding]:
    """Yield the findings for copies that were wrong and are removed; the next download makes them again."""
    projects = {wheel.filename: wheel.project for wheel in wheels}
    for filename in filenames:
        detail = "on the API's host; it was removed, and the next download makes it again"
        yield replace(_finding(Difference.SPOILT_COPY, filename, projects.get(filename, ""), detail), mended=True)


def _judge(wheel: IndexedWheel, copies: Sequence[HeldFile]) -> Iterator[tuple[Difference, str]]:
    own = next((file for file in copies if file.level is wheel.level), None)
    if wheel.deleted_at is not None:
        if copies:
            yield Difference.NOT_DELETED, f"deleted at {wheel.deleted_at:%Y-%m-%d %H:%M:%S}"
    elif own is None:
        elsewhere = any(file.sha256 == wheel.sha256 for file in copies)
        place = "the other level has its bytes" if elsewhere else "no copy is left"
        yield Difference.MISSING, f"from {wheel.level}; {place}"
    elif own.sha256 != wheel.sha256:
        yield Difference.OTHER_BYTES, f"sha256 {own.sha256} instead of {wheel.sha256}"
    elif not wheel.is_wheel:
        return  # its metadata is not always served, and its contents are not recorded
    elif wheel.metadata_sha256 is None:
        yield Difference.NO_METADATA, "it was published before metadata was kept"
    elif wheel.file_count is None:
        yield Difference.NO_CONTENTS, "what it contains is not recorded"


def _finding(difference: Difference, filename: str, project: str, detail: str) -> Finding:
    return Finding(difference=difference, filename=filename, project=project, detail=detail)
