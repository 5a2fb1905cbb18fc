"""Figures for monitoring in memory: the twin of the PostgreSQL ones, on the other stores' state."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from tests.fakes.prebuilds import MemoryPrebuilds
from tests.fakes.queue import MemoryWorkers
from tests.fakes.records import MemoryState

from wheelyard.domain.builds.build import Build, Status
from wheelyard.domain.builds.metrics import Figures, IndexSize, QueueDepth, Tally
from wheelyard.domain.builds.queue import Lane, Priority
from wheelyard.domain.index.index import Level


class MemoryFigures:
    """The FigureStore in memory."""

    def __init__(self, state: MemoryState, prebuilds: MemoryPrebuilds) -> None:
        self._state = state
        self._prebuilds = prebuilds

    async def read(self) -> Figures:
        """Count what there is, and add up what there has been."""
        return Figures(
            queue=tuple(self._queue()),
            running=tuple(sorted(self._running().items(), key=lambda item: str(item[0]))),
            index=tuple(size for level in sorted(Level) if (size := self._size(level)).wheels),
            unfinished_prebuilds=self._prebuilds.count_unfinished(),
            tallies=_added_up(self._state.tallies),
            workers=await MemoryWorkers(self._state).list_workers(),
        )

    async def add(self, tallies: Sequence[Tally]) -> None:
        """Note them like any other."""
        self._state.tallies.extend(tallies)

    async def fold(self) -> None:
        """Keep the sums alone."""
        self._state.tallies[:] = _added_up(self._state.tallies)

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
        return IndexSize(level=level, wheels=len(listed), size_bytes=sum(wheel.size_bytes for wheel in listed))


def _added_up(tallies: Sequence[Tally]) -> tuple[Tally, ...]:
    sums: dict[tuple[str, tuple[str, ...], float], Tally] = {}
    for one in tallies:
        key = (one.name.value, one.labels, one.bucket)
        former = sums.get(key, replace(one, count=0, amount=0.0))
        sums[key] = replace(former, count=former.count + one.count, amount=former.amount + one.amount)
    return tuple(sums[key] for key in sorted(sums))
