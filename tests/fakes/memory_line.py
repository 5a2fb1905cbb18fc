"""Which builds run and wait, in memory: the twin of the PostgreSQL one."""

from datetime import UTC, datetime

from tests.fakes.builds import summary_of
from tests.fakes.records import BuildRecord, MemoryState

from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.estimate import Line, LiveBuild

_AT_ONCE = datetime.min.replace(tzinfo=UTC)


class MemoryLine:
    """The LineStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def read(self, *, limit: int) -> Line:
        """Read what runs and the first of what waits."""
        records = list(self._state.records.values())
        queued = [one for one in records if one.build.status is Status.QUEUED]
        waiting = sorted((one for one in queued if not one.build.waits_for), key=_order)
        running = (one for one in records if one.build.status is Status.RUNNING)
        return Line(
            running=tuple(map(_live, running)),
            waiting=tuple(map(_live, waiting[:limit])),
            total=len(waiting),
            blocked=len(queued) - len(waiting),
        )


def _order(record: BuildRecord) -> tuple[datetime, int, int, int]:
    build = record.build
    return build.not_before or _AT_ONCE, build.priority.rank, record.turn, record.sequence


def _live(record: BuildRecord) -> LiveBuild:
    build = record.build
    return LiveBuild(build=summary_of(build), lane=build.order.lane, started_at=build.started_at)
