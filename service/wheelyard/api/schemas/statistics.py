"""The queue and the statistics, as the REST API shows them."""

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
    """A build that waits."""

    position: int
    """Its place in line, counted from 1."""
    wait_seconds: float | None
    """In how many seconds it begins, by what former builds took; null if nothing is known, or nobody could take it."""
    has_worker: bool
    """False if no worker that is there builds for its Python on its suite."""
    not_before: datetime | None
    """When it may be tried again, after an attempt that failed because something was down."""


class RunningView(QueuedView):
    """A build that runs."""

    stage: Stage | None
    started_at: datetime | None


class QueueView(View):
    """What runs and what waits."""

    running: tuple[RunningView, ...]
    waiting: tuple[WaitingView, ...]
    """The first, in the order in which they are taken."""
    total: int
    """How many wait for their turn."""
    blocked: int
    """How many more wait for other builds, whose wheels they require."""

    @classmethod
    def of(cls, queue: Queue) -> Self:
        """Show the queue."""
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
    """The builds that ended on a day, in UTC."""

    day: date
    succeeded: int
    failed: int
    cancelled: int


class ClassView(View):
    """How many builds took up to so long, and longer than the class before."""

    up_to_seconds: int | None
    """Null for the last class."""
    builds: int


class SlowView(View):
    """A build that took long."""

    build_id: str
    project: str
    version: str
    seconds: float


class RequestedView(View):
    """How often a project was asked for."""

    project: str
    requests: int


class PublishedView(View):
    """What was published on a day, in UTC."""

    day: date
    wheels: int
    size_bytes: int


class LargeView(View):
    """What a project's wheels take."""

    project: str
    wheels: int
    size_bytes: int


class FolderView(View):
    """What a folder takes."""

    name: str
    size_bytes: int


class DiskView(View):
    """What the state directory takes, and what is left beside it."""

    path: str
    folders: tuple[FolderView, ...]
    free_bytes: int
    total_bytes: int


class StatisticsView(View):
    """What happened in the last days, and what is kept."""

    days: tuple[DayView, ...]
    success_rate: float | None
    """The share of those that ended by themselves which succeeded; null if there were none."""
    waits: tuple[ClassView, ...]
    """How long builds waited before their first attempt."""
    durations: tuple[ClassView, ...]
    """How long builds that succeeded took."""
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
        """Show figures."""
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
