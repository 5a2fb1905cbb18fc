"""Which builds run and wait, in PostgreSQL, in the order in which they are claimed. Must not claim any."""

from typing import Final

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.rows import Row, readable, summary_of
from wheelyard.domain.builds.estimate import Line, LiveBuild
from wheelyard.domain.builds.queue import Lane

_COLUMNS: Final = """
id, project, version, python, platform, status, stage, created_at, finished_at, wheel, failure, priority, not_before,
waiting, lane, started_at
"""
# Builds that pause come last: those before them are taken first, whatever their turn.
_WAITING: Final = f"""
select {_COLUMNS} from builds where status = 'queued' and not waiting
order by not_before nulls first, priority, turn, sequence limit %(limit)s
"""  # noqa: S608  (a constant)
_RUNNING: Final = f"select {_COLUMNS} from builds where status = 'running' order by sequence limit 500"  # noqa: S608
_TOTAL: Final = """
select count(*) filter (where not waiting) as total, count(*) filter (where waiting) as blocked
from builds where status = 'queued'
"""


class PostgresLine:
    """The LineStore on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, *, limit: int) -> Line:
        """Read what runs and the first of what waits."""
        running = await self._database.fetch_all(_RUNNING, {})
        waiting = await self._database.fetch_all(_WAITING, {"limit": limit})
        counts = await self._database.fetch_one(_TOTAL, {}) or {}
        return Line(running=readable("build", running, _live), waiting=readable("build", waiting, _live), **counts)


def _live(row: Row) -> LiveBuild:
    architecture, suite, python = row["lane"].split("/")
    lane = Lane(architecture=architecture, suite=suite, python=python)
    return LiveBuild(build=summary_of(row), lane=lane, started_at=row["started_at"])
