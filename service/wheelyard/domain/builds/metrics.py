"""Metrics of the whole service: gauges of the present state, and counters since its first day."""

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Final

from wheelyard.domain.builds.queue import Lane, Priority, WorkerStatus
from wheelyard.domain.index.index import Level

BUCKETS: Final = (0.0, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
"""Upper bounds of the histogram's buckets, in seconds; the last bucket has none. Migrations repeat them."""


class Total(StrEnum):
    """The counters."""

    REQUESTS = "requests"
    """Requests, by result: ``queued``, ``joined`` or ``satisfied``."""
    BUILDS = "builds"
    """Ended builds, by status and code."""
    ATTEMPTS = "attempts"
    """Ended attempts, by status and code."""
    BUILD_WAIT = "build_wait"
    """Seconds to the first attempt, by priority."""
    BUILD_DURATION = "build_duration"
    """Seconds from the first attempt to the end, by status."""
    STAGE_DURATION = "stage_duration"
    """Seconds, by stage."""
    WHEELS = "wheels"
    """Wheels added to the index, by origin."""
    CACHE_LOOKUPS = "cache_lookups"
    """Cache lookups, by cache and ``hit`` or ``miss``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """The number of events with the same labels, and the sum of what was measured."""

    name: Total
    labels: tuple[str, ...]
    bucket: float
    """Upper bound of their bucket; the smallest bucket for events without a measurement."""
    count: int = 1
    amount: float = 0.0

    @classmethod
    def of(cls, name: Total, *labels: str, measured: float = 0.0) -> "Count":
        """Return the count of one event."""
        measured = max(measured, 0.0)
        place = bisect_left(BUCKETS, measured)
        bucket = BUCKETS[place] if place < len(BUCKETS) else inf
        return cls(name=name, labels=labels, bucket=bucket, amount=measured)


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueDepth:
    """The queued builds of a lane and priority."""

    lane: Lane
    priority: Priority
    ready: int = 0
    """Builds that a worker can take now."""
    paused: int = 0
    """Builds that wait for their next attempt."""
    waiting: int = 0
    """Builds that wait for the wheels of other builds."""
    oldest_seconds: float = 0.0
    """Age of the oldest ready build."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexSize:
    """The wheels on a level of the index."""

    level: Level
    wheels: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics:
    """All metrics at one moment."""

    queue: tuple[QueueDepth, ...]
    """Lanes with queued builds."""
    running: tuple[tuple[Lane, int], ...]
    """Running builds, by lane."""
    index: tuple[IndexSize, ...]
    unfinished_prebuilds: int
    tallies: tuple[Count, ...]
    workers: tuple[WorkerStatus, ...] = ()
    database_bytes: int | None = None
