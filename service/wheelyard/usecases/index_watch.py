"""Compare devpi with the database now and then, so that somebody sees if they differ. Must not mend anything."""

from typing import Final

from wheelyard.interfaces import PeriodicStore
from wheelyard.logs import get_logger
from wheelyard.usecases.check_index import CheckIndex

CHECK_SECONDS: Final = 6 * 3600.0
_log = get_logger(__name__)


class RegularCheck:
    """What any worker may do, but only one at a time does; the report is kept for the pages."""

    def __init__(self, store: PeriodicStore, check: CheckIndex) -> None:
        self._store = store
        self._check = check

    async def __call__(self) -> bool:
        """Compare if it is time; True if this worker was the one to do it; raises IndexUnavailableError."""
        if not await self._store.begin("index-check", interval_seconds=CHECK_SECONDS):
            return False
        report = await self._check(mend=False, by="a worker")
        _log.info("index-checked", wheels=report.wheels, files=report.files, differences=len(report.findings))
        return True
