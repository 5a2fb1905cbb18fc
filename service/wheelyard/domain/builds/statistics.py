"""Figures of what was built in some days: how many, how well, how fast. Must not know where builds are kept."""

from dataclasses import dataclass
from datetime import date
from typing import Final

DURATION_BOUNDS: Final = (5, 10, 30, 60, 120, 300, 600, 1200, 3600)
"""Upper ends of the classes of durations, in seconds; the last class has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DayCount:
    """The builds that ended on a day, in UTC."""

    day: date
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def success_rate(self) -> float | None:
        """The share of those that ended by themselves which succeeded; None if there were none."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None


@dataclass(frozen=True, kw_only=True, slots=True)
class SlowBuild:
    """A build that took long."""

    build_id: str
    project: str
    version: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectCount:
    """How often a project was asked for."""

    project: str
    requests: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DayBytes:
    """What was published on a day, in UTC."""

    day: date
    wheels: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectBytes:
    """What a project's wheels take."""

    project: str
    wheels: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderUse:
    """What a folder takes."""

    name: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskUse:
    """What the state directory takes, and what is left beside it."""

    path: str
    folders: tuple[FolderUse, ...]
    """What is directly in it, the largest first."""
    free_bytes: int
    total_bytes: int
    """Of the file system that it is on."""

    @property
    def size_bytes(self) -> int:
        """What all folders take."""
        return sum(folder.size_bytes for folder in self.folders)


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """What happened in the last days."""

    days: tuple[DayCount, ...]
    """Days on which a build ended, the oldest first."""
    waits: tuple[int, ...]
    """How many builds waited how long for their first attempt, by class of duration."""
    durations: tuple[int, ...]
    """How many builds that succeeded took how long from their first attempt on, by class of duration."""
    slowest: tuple[SlowBuild, ...]
    requested: tuple[ProjectCount, ...]
    """The projects that were asked for most often."""
    published: tuple[DayBytes, ...] = ()
    """Days on which a wheel was published, the oldest first."""
    largest: tuple[ProjectBytes, ...] = ()
    """The projects whose wheels take most, of all that are not deleted."""
    wheels: int = 0
    """How many wheels the index has."""
    index_bytes: int = 0
    """What they take."""
    log_bytes: int = 0
    """What the attempts that are kept have written into their logs."""

    @property
    def succeeded(self) -> int:
        """How many succeeded."""
        return sum(day.succeeded for day in self.days)

    @property
    def failed(self) -> int:
        """How many failed."""
        return sum(day.failed for day in self.days)

    @property
    def success_rate(self) -> float | None:
        """The share of those that ended by themselves which succeeded; None if there were none."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None
