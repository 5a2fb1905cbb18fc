"""The state of a package archive: the date of each source's Release file.

https://wiki.debian.org/DebianRepository/Format#Date.2C_Valid-Until
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class ArchiveDate:
    """The date of an archive's last change when packages were installed from it."""

    source: str
    """The suite in the package manager's sources, such as ``bookworm-security``."""
    date: datetime
    """Date of its Release file."""

    @classmethod
    def of_release(cls, file_name: str, date: str) -> Self:
        """Parse the package manager's name of a Release file, and the file's date; raise ValueError."""
        source = file_name.partition("_dists_")[2].rpartition("_")[0]
        return cls(source=source, date=parsedate_to_datetime(date).astimezone(UTC))

    @property
    def text(self) -> str:
        """Return the date in the form of RFC 3339."""
        return self.date.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_dates(dates: Iterable[ArchiveDate]) -> str:
    """Return a label's value, such as ``bookworm=2026-11-22T08:14:02Z,bookworm-security=…``."""
    return ",".join(f"{one.source}={one.text}" for one in sorted(dates))


def read_dates(text: str) -> tuple[ArchiveDate, ...]:
    """Parse a label's value."""
    pairs = (part.split("=") for part in text.split(",") if part)
    return tuple(ArchiveDate(source=source, date=datetime.fromisoformat(date)) for source, date in pairs)
