"""Figures of the whole service: how much there is now, and how much there was. Must not know how they are shown."""

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final

from wheelyard.domain.builds.queue import Lane, Priority, WorkerStatus
from wheelyard.domain.index.index import Level

BUCKETS: Final = (0.0, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
"""Upper ends of the classes of what is measured, in seconds; the last class has none. Migrations have them too."""


class Total(StrEnum):
    """What is counted from the first day on."""

    REQUESTS = "requests"
    """By what a request led to: ``queued``, ``joined`` or ``satisfied``."""
    BUILDS = "builds"
    """Ends of builds, by status and code."""
    ATTEMPTS = "attempts"
    """Ends of attempts, by status and code."""
    BUILD_WAIT = "build_wait"
    """Seconds to the first attempt, by priority."""
    BUILD_DURATION = "build_duration"
    """Seconds from the first attempt to the end, by status."""
    STAGE_DURATION = "stage_duration"
    """Seconds, by stage."""
    WHEELS = "wheels"
    """Wheels that came onto the index, by origin."""
    CACHE_LOOKUPS = "cache_lookups"
    """By cache and whether it was a ``hit`` or a ``miss``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """How often something has happened, and how much it was together."""

    name: Total
    labels: tuple[str, ...]
    bucket: float
    """Upper end of the class that each of them was in; the smallest class for what is only counted."""
    count: int = 1
    amount: float = 0.0

    @classmethod
    def of(cls, name: Total, *labels: str, measured: float = 0.0) -> "Count":
        """Count one."""
        measured = max(measured, 0.0)
        place = bisect_left(BUCKETS, measured)
        bucket = BUCKETS[place] if place < len(BUCKETS) else inf
        return cls(name=name, labels=labels, bucket=bucket, amount=measured)


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueDepth:
    """How many builds of a lane and priority wait now."""

    lane: Lane
    priority: Priority
    ready: int = 0
    """Could be taken at once."""
    paused: int = 0
    """Wait for their next attempt."""
    waiting: int = 0
    """Wait for other builds, whose wheels they require."""
    oldest_seconds: float = 0.0
    """How long the one that is ready and was asked for first has been there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexSize:
    """What the index lists at a level."""

    level: Level
    wheels: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics:
    """All of it, as of one moment."""

    queue: tuple[QueueDepth, ...]
    """Lanes in which a build waits."""
    running: tuple[tuple[Lane, int], ...]
    """Builds that run, by lane."""
    index: tuple[IndexSize, ...]
    unfinished_prebuilds: int
    tallies: tuple[Count, ...]
    workers: tuple[WorkerStatus, ...] = ()
    database_bytes: int | None = None
