"""Models of the queue and the statistics."""

from datetime import date, datetime
from typing import Self

from wheelyard.api.schemas.base import View
from wheelyard.domain.builds.build import BuildSummary, Stage
from wheelyard.domain.builds.estimate import Queue
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.statistics import DURATION_BOUNDS, DiskUse, Statistics


class QueuedView(View):
    """A build in the queue."""

    id: str
    project: str
    version: str
    python: str
    platform: str
    priority: Priority
    created_at: datetime


class WaitingView(QueuedView):
    """A waiting build."""

    position: int
    """Position in the queue, counted from 1."""
    wait_seconds: float | None
    """Estimated seconds until it starts, from earlier builds; null if unknown, or if there is no suitable worker."""
    has_worker: bool
    """False if no active worker supports its Python on its suite."""
    not_before: datetime | None
    """Earliest time of the next attempt, after an attempt that failed for a temporary reason."""


class RunningView(QueuedView):
    """A running build."""

    stage: Stage | None
    started_at: datetime | None


class QueueView(View):
    """Running and waiting builds."""

    running: tuple[RunningView, ...]
    waiting: tuple[WaitingView, ...]
    """The next builds, in order."""
    total: int
    """Number of builds that wait for a worker."""
    blocked: int
    """Number of builds that wait for the wheels of other builds."""

    @classmethod
    def of(cls, queue: Queue) -> Self:
        """Return the view of the queue."""
        running = (
            RunningView(**_facts(one.build), stage=one.build.stage, started_at=one.started_at)
            for one in queue.line.running
        )
        waiting = (
            WaitingView(
                **_facts(place.build),
                position=place.position,
                wait_seconds=place.wait_seconds,
                has_worker=place.has_worker,
                not_before=place.build.not_before,
            )
            for place in queue.places
        )
        return cls(running=tuple(running), waiting=tuple(waiting), total=queue.line.total, blocked=queue.line.blocked)


def _facts(build: BuildSummary) -> dict[str, object]:
    return {
        "id": build.id,
        "project": build.project,
        "version": build.version,
        "python": build.target.python,
        "platform": build.target.platform,
        "priority": build.priority,
        "created_at": build.created_at,
    }


class DayView(View):
    """Builds that finished on a day (UTC)."""

    day: date
    succeeded: int
    failed: int
    cancelled: int


class ClassView(View):
    """A class of a histogram: number of builds up to a duration, and longer than the class before."""

    up_to_seconds: int | None
    """Upper bound; null for the last class."""
    builds: int


class SlowView(View):
    """A slow build."""

    build_id: str
    project: str
    version: str
    seconds: float


class RequestedView(View):
    """Number of requests of a project."""

    project: str
    requests: int


class PublishedView(View):
    """Wheels published on a day (UTC)."""

    day: date
    wheels: int
    size_bytes: int


class LargeView(View):
    """Size of a project's wheels."""

    project: str
    wheels: int
    size_bytes: int


class FolderView(View):
    """Size of a folder."""

    name: str
    size_bytes: int


class DiskView(View):
    """Size of the state directory, and free space on its disk."""

    path: str
    folders: tuple[FolderView, ...]
    free_bytes: int
    total_bytes: int


class StatisticsView(View):
    """Statistics of the last days, and sizes of the stored data."""

    days: tuple[DayView, ...]
    success_rate: float | None
    """Share of successful builds among those that were not cancelled; null if there were none."""
    waits: tuple[ClassView, ...]
    """Histogram of the time before the first attempt."""
    durations: tuple[ClassView, ...]
    """Histogram of the duration of successful builds."""
    slowest: tuple[SlowView, ...]
    requested: tuple[RequestedView, ...]
    published: tuple[PublishedView, ...]
    largest: tuple[LargeView, ...]
    wheels: int
    index_bytes: int
    log_bytes: int
    disk: DiskView

    @classmethod
    def of(cls, found: Statistics, disk: DiskUse) -> Self:
        """Return the view of the statistics."""
        names = ("days", "slowest", "requested", "published", "largest", "wheels", "index_bytes", "log_bytes")
        return cls.model_validate(
            {
                **{name: getattr(found, name) for name in names},
                "success_rate": found.success_rate,
                "waits": _classes(found.waits),
                "durations": _classes(found.durations),
                "disk": disk,
            }
        )


def _classes(counts: tuple[int, ...]) -> tuple[ClassView, ...]:
    bounds = (*DURATION_BOUNDS, None)
    return tuple(ClassView(up_to_seconds=bound, builds=one) for bound, one in zip(bounds, counts, strict=True))
