"""Where what devpi holds and what we know differ, and what can be done about each case. Must not look at either."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from wheelyard.domain.index.index import HeldFile
from wheelyard.domain.index.wheels import IndexedWheel

MOST_FINDINGS: Final = 300
"""How many disagreements of a report are kept."""


class Difference(StrEnum):
    """A way in which devpi and the database can disagree."""

    MISSING = "missing"
    """We list the wheel, and devpi does not have it."""
    OTHER_BYTES = "other-bytes"
    """devpi holds other bytes than those that were proven."""
    NOT_DELETED = "not-deleted"
    """We deleted the wheel, and devpi still has it."""
    UNKNOWN = "unknown"
    """devpi holds a file that no build of ours has published."""
    NO_METADATA = "no-metadata"
    """We have not kept its METADATA, so installers must fetch the whole wheel for it."""
    NO_CONTENTS = "no-contents"
    """We have not kept what it contains, so its page cannot list it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One disagreement."""

    difference: Difference
    filename: str
    project: str
    detail: str
    mended: bool = False
    """True if it was put right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexReport:
    """How devpi and the database compare."""

    wheels: int
    """How many wheels we list."""
    files: int
    """How many files devpi holds."""
    findings: tuple[Finding, ...]

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing is left to be mended."""
        return all(finding.mended for finding in self.findings)


@dataclass(frozen=True, kw_only=True, slots=True)
class LastReport:
    """The newest report, as much of it as is kept."""

    wheels: int
    files: int
    found: int
    """How many disagreements were found and not mended."""
    findings: tuple[Finding, ...]
    """The first of all, those that were not mended before the others."""
    checked_at: datetime | None = None
    """When that was; None for one that is yet to be kept."""

    @classmethod
    def of(cls, report: IndexReport) -> Self:
        """Cut a report to what is kept."""
        findings = sorted(report.findings, key=lambda finding: finding.mended)
        found = sum(not finding.mended for finding in findings)
        return cls(wheels=report.wheels, files=report.files, found=found, findings=tuple(findings[:MOST_FINDINGS]))


def compare(wheels: Iterable[IndexedWheel], held: Iterable[HeldFile]) -> Iterator[tuple[Finding, IndexedWheel | None]]:
    """Yield what differs, with the wheel as we know it."""
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
    elif wheel.metadata_sha256 is None:
        yield Difference.NO_METADATA, "it was published before metadata was kept"
    elif wheel.file_count is None:
        yield Difference.NO_CONTENTS, "what it contains is not recorded"


def _finding(difference: Difference, filename: str, project: str, detail: str) -> Finding:
    return Finding(difference=difference, filename=filename, project=project, detail=detail)
