"""The state of a package archive: the date of each source's Release file. Must not ask any archive.

https://wiki.debian.org/DebianRepository/Format#Date.2C_Valid-Until
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class ArchiveDate:
    """When an archive was last changed, as it was when packages came from it."""

    source: str
    """Suite as the package manager's list of sources names it, such as ``bookworm-security``."""
    date: datetime
    """Date of its Release file."""

    @classmethod
    def of_release(cls, file_name: str, date: str) -> Self:
        """Read the name that the package manager gives a Release file, and the file's date; raises ValueError."""
        source = file_name.partition("_dists_")[2].rpartition("_")[0]
        return cls(source=source, date=parsedate_to_datetime(date).astimezone(UTC))

    @property
    def text(self) -> str:
        """The date as RFC 3339 has it."""
        return self.date.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_dates(dates: Iterable[ArchiveDate]) -> str:
    """Write a label's value, such as ``bookworm=2026-11-22T08:14:02Z,bookworm-security=…``."""
    return ",".join(f"{one.source}={one.text}" for one in sorted(dates))


def read_dates(text: str) -> tuple[ArchiveDate, ...]:
    """Read a label's value."""
    pairs = (part.split("=") for part in text.split(",") if part)
    return tuple(ArchiveDate(source=source, date=datetime.fromisoformat(date)) for source, date in pairs)
