"""How devpi and the database compared at the last look, in memory: the twin of the PostgreSQL one."""

from dataclasses import replace

from tests.fakes.records import MemoryState

from wheelyard.domain.index.check import IndexReport, LastReport


class MemoryIndexReports:
    """The IndexReports in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state
        self._last: LastReport | None = None

    async def save(self, report: IndexReport) -> None:
        """Put a report in the place of the last one."""
        self._last = replace(LastReport.of(report), checked_at=self._state.clock())

    async def last(self) -> LastReport | None:
        """Read the newest report."""
        return self._last
