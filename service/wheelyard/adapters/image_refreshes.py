"""Refreshes on a schedule: once an interval on a host, each suite by itself. Must not know how a refresh works."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from wheelyard.adapters.child_process import FileLock
from wheelyard.adapters.image_upkeep import ImageUpkeep
from wheelyard.errors import AlreadyRunningError, OperatorError
from wheelyard.logs import get_logger

_log = get_logger(__name__)


class ImageRefreshes:
    """Refreshes the suites of which this host has images.

    The time of the last one is that of a file, because images belong to a host and not to the service; a lock keeps
    several workers on one state directory from doing it twice. A new host has nothing to refresh, so its first interval
    begins when it is first asked.
    """

    def __init__(
        self, upkeep: ImageUpkeep, *, suites: Sequence[str], folder: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._upkeep = upkeep
        self._suites = suites
        self._stamp = folder / "last-refresh"
        self._clock = clock

    async def run_if_due(self, interval_seconds: float) -> bool:
        """Refresh if the interval is over; True if it was. What fails is logged, and tried again an interval later."""
        lock = FileLock(self._stamp.with_suffix(".lock"))
        await asyncio.to_thread(self._stamp.parent.mkdir, parents=True, exist_ok=True)
        try:
            lock.acquire()
        except AlreadyRunningError:
            return False
        try:
            return await self._run_if_due(interval_seconds)
        finally:
            lock.release()

    async def _run_if_due(self, interval_seconds: float) -> bool:
        if not self._stamp.exists():
            self._note_time()
        if self._clock() - float(self._stamp.read_text()) < interval_seconds:
            return False
        for suite in self._suites:
            await self._refresh(suite)
        self._note_time()
        return True

    def _note_time(self) -> None:
        self._stamp.write_text(str(self._clock()))

    async def _refresh(self, suite: str) -> None:
        try:
            for report in await self._upkeep.refresh(suite, lambda _: None):
                changes = [asdict(change) for change in report.changes]
                _log.info(
                    "image-refreshed" if report.refreshed else "image-current", image=report.image, changes=changes
                )
        except OperatorError as error:
            _log.warning("refresh-failed", suite=suite, code=error.code, reason=error.summary)
