"""Metrics in memory: the fake of the PostgreSQL store, on the other stores' state."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from tests.fakes.prebuilds import MemoryPrebuilds
from tests.fakes.queue import MemoryFleet
from tests.fakes.records import MemoryState

from wheelyard.domain.builds.build import Build, Status
from wheelyard.domain.builds.metrics import Count, IndexSize, Metrics, QueueDepth
from wheelyard.domain.builds.queue import Lane, Priority
from wheelyard.domain.builds.statistics import (
    DURATION_BOUNDS,
    DayBytes,
    DayCount,
    ProjectBytes,
    ProjectCount,
    SlowBuild,
    Statistics,
)
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import IndexedWheel


class MemoryMetrics:
    """The MetricStore in memory."""

    def __init__(self, state: MemoryState, prebuilds: MemoryPrebuilds) -> None:
        self._state = state
        self._prebuilds = prebuilds

    async def read(self) -> Metrics:
        """Count what there is, and add up what there has been."""
        return Metrics(
            queue=tuple(self._queue()),
            running=tuple(sorted(self._running().items(), key=lambda item: str(item[0]))),
            index=tuple(size for level in sorted(Level) if (size := self._size(level)).wheels),
            unfinished_prebuilds=self._prebuilds.count_unfinished(),
            tallies=_added_up(self._state.counts),
            workers=await MemoryFleet(self._state).list_workers(),
        )

    async def add(self, tallies: Sequence[Count]) -> None:
        """Add counts like any others."""
        self._state.counts.extend(tallies)

    async def fold(self) -> None:
        """Keep only the sums."""
        self._state.counts[:] = _added_up(self._state.counts)

    async def summarise(self, *, days: int) -> Statistics:
        """Count what ended in the last days."""
        since = self._state.clock() - timedelta(days=days)
        builds = [record.build for record in self._state.records.values()]
        ended = [build for build in builds if build.finished_at is not None and build.finished_at >= since]
        begun = [build for build in ended if build.started_at is not None]
        wheels = [entry.wheel for entry in self._state.wheels.values()]
        files = [wheel for wheel in wheels if wheel.deleted_at is None]
        wheels = [wheel for wheel in wheels if wheel.is_wheel]
        kept = [wheel for wheel in files if wheel.is_wheel]
        return Statistics(
            days=_days(ended),
            waits=classify([_seconds(build.created_at, build.started_at) for build in begun]),
            durations=classify([_took(build) for build in begun if build.status is Status.SUCCEEDED]),
            slowest=_slowest(begun),
            requested=self._requested(),
            published=_published([wheel for wheel in wheels if wheel.uploaded_at >= since]),
            largest=_largest(kept),
            wheels=len(kept),
            index_bytes=sum(wheel.size_bytes for wheel in files),
            log_bytes=sum(attempt.log_size_bytes for build in builds for attempt in build.attempts),
        )

    def _builds(self, status: Status) -> list[Build]:
        return [record.build for record in self._state.records.values() if record.build.status is status]

    def _queue(self) -> list[QueueDepth]:
        waiting: defaultdict[tuple[Lane, Priority], list[Build]] = defaultdict(list)
        for build in self._builds(Status.QUEUED):
            waiting[build.order.lane, build.priority].append(build)
        return [
            self._depth(lane, priority, builds)
            for (lane, priority), builds in sorted(waiting.items(), key=lambda item: (str(item[0][0]), item[0][1].rank))
        ]

    def _depth(self, lane: Lane, priority: Priority, builds: list[Build]) -> QueueDepth:
        now = self._state.clock()
        ready = [build for build in builds if build.not_before is None and not build.waits_for]
        oldest = max(((now - build.created_at).total_seconds() for build in ready), default=0.0)
        paused = sum(build.not_before is not None for build in builds)
        return QueueDepth(
            lane=lane,
            priority=priority,
            ready=len(ready),
            paused=paused,
            waiting=len(builds) - len(ready) - paused,
            oldest_seconds=oldest,
        )

    def _running(self) -> dict[Lane, int]:
        count: defaultdict[Lane, int] = defaultdict(int)
        for build in self._builds(Status.RUNNING):
            count[build.order.lane] += 1
        return count

    def _size(self, level: Level) -> IndexSize:
        wheels = [entry.wheel for entry in self._state.wheels.values()]
        listed = [wheel for wheel in wheels if wheel.deleted_at is None and wheel.level is level]
        return IndexSize(
            level=level,
            wheels=sum(wheel.is_wheel for wheel in listed),
            size_bytes=sum(wheel.size_bytes for wheel in listed),
        )

    def _requested(self) -> tuple[ProjectCount, ...]:
        """Count requests; their times are not stored in memory, where nothing gets old."""
        counts = Counter(self._state.records[request.build_id].build.order.project for request in self._state.requests)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
        return tuple(ProjectCount(project=project, requests=count) for project, count in ranked)


def _added_up(tallies: Sequence[Count]) -> tuple[Count, ...]:
    sums: dict[tuple[str, tuple[str, ...], float], Count] = {}
    for one in tallies:
        key = (one.name.value, one.labels, one.bucket)
        former = sums.get(key, replace(one, count=0, amount=0.0))
        sums[key] = replace(former, count=former.count + one.count, amount=former.amount + one.amount)
    return tuple(sums[key] for key in sorted(sums))


_SHOWN = 10


def _days(builds: Sequence[Build]) -> tuple[DayCount, ...]:
    by_day = Counter((build.finished_at.astimezone(UTC).date(), build.status) for build in builds if build.finished_at)
    return tuple(
        DayCount(
            day=day,
            succeeded=by_day[day, Status.SUCCEEDED],
            failed=by_day[day, Status.FAILED],
            cancelled=by_day[day, Status.CANCELLED],
        )
        for day in sorted({day for day, _ in by_day})
    )


def _published(wheels: Sequence[IndexedWheel]) -> tuple[DayBytes, ...]:
    by_day: defaultdict[date, list[int]] = defaultdict(list)
    for wheel in wheels:
        by_day[wheel.uploaded_at.astimezone(UTC).date()].append(wheel.size_bytes)
    return tuple(DayBytes(day=day, wheels=len(by_day[day]), size_bytes=sum(by_day[day])) for day in sorted(by_day))


def _largest(wheels: Sequence[IndexedWheel]) -> tuple[ProjectBytes, ...]:
    by_project: defaultdict[str, list[int]] = defaultdict(list)
    for wheel in wheels:
        by_project[wheel.project].append(wheel.size_bytes)
    found = (ProjectBytes(project=name, wheels=len(one), size_bytes=sum(one)) for name, one in by_project.items())
    return tuple(sorted(found, key=lambda one: (-one.size_bytes, one.project))[:_SHOWN])


def _slowest(builds: Sequence[Build]) -> tuple[SlowBuild, ...]:
    found = (
        SlowBuild(build_id=one.id, project=one.order.project, version=one.order.version, seconds=_took(one))
        for one in builds
    )
    return tuple(sorted(found, key=lambda one: (-one.seconds, one.build_id))[:_SHOWN])


def _took(build: Build) -> float:
    return _seconds(build.started_at, build.finished_at)


def _seconds(begin: datetime | None, end: datetime | None) -> float:
    return (end - begin).total_seconds() if begin and end else 0.0


def classify(seconds: Sequence[float]) -> tuple[int, ...]:
    """Return the number of durations in each class: the first one whose upper bound is not below it."""
    counts = [0] * (len(DURATION_BOUNDS) + 1)
    for one in seconds:
        counts[sum(bound < one for bound in DURATION_BOUNDS)] += 1
    return tuple(counts)
