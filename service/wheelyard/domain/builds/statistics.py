"""Statistics of the builds of some days: numbers, success rates and durations."""

from dataclasses import dataclass
from datetime import date
from typing import Final

DURATION_BOUNDS: Final = (5, 10, 30, 60, 120, 300, 600, 1200, 3600)
"""Upper bounds of the classes of durations, in seconds; the last class has none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DayCount:
    """The builds that ended on a day, in UTC."""

    day: date
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def success_rate(self) -> float | None:
        """Return the share of successes among succeeded and failed builds; None if there were none."""
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
    """The number of requests for a project."""

    project: str
    requests: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DayBytes:
    """The bytes published on a day, in UTC."""

    day: date
    wheels: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectBytes:
    """The size of a project's wheels."""

    project: str
    wheels: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderUse:
    """The size of a folder."""

    name: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskUse:
    """The size of the state directory, and the free space of its file system."""

    path: str
    folders: tuple[FolderUse, ...]
    """Its direct entries, the largest first."""
    free_bytes: int
    total_bytes: int
    """Size of its file system."""

    @property
    def size_bytes(self) -> int:
        """Return the size of all folders."""
        return sum(folder.size_bytes for folder in self.folders)


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """Statistics of the last days."""

    days: tuple[DayCount, ...]
    """Days with ended builds, the oldest first."""
    waits: tuple[int, ...]
    """Number of builds by their wait for the first attempt, by class of duration."""
    durations: tuple[int, ...]
    """Number of succeeded builds by their time since the first attempt, by class of duration."""
    slowest: tuple[SlowBuild, ...]
    requested: tuple[ProjectCount, ...]
    """The most requested projects."""
    published: tuple[DayBytes, ...] = ()
    """Days with published wheels, the oldest first."""
    largest: tuple[ProjectBytes, ...] = ()
    """The projects with the largest wheels in sum, without deleted ones."""
    wheels: int = 0
    """Number of wheels on the index."""
    index_bytes: int = 0
    """Their size."""
    log_bytes: int = 0
    """Size of the logs of stored attempts."""

    @property
    def succeeded(self) -> int:
        """Return how many succeeded."""
        return sum(day.succeeded for day in self.days)

    @property
    def failed(self) -> int:
        """Return how many failed."""
        return sum(day.failed for day in self.days)

    @property
    def success_rate(self) -> float | None:
        """Return the share of successes among succeeded and failed builds; None if there were none."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None
