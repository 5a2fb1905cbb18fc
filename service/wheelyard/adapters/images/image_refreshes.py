"""Refreshes on a schedule: once an interval on a host, each suite by itself. Must not know how a refresh works."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from wheelyard.adapters.images.refresh import ImageUpkeep
from wheelyard.adapters.servers.processes import FileLock
from wheelyard.disk_space import disk_errors
from wheelyard.errors import AlreadyRunningError, DiskFullError, OperatorError, WheelyardError
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
        """Refresh if the interval is over; True if it was. What fails is logged, and tried again later."""
        try:
            with disk_errors(self._stamp.parent):
                return await self._run_alone(interval_seconds)
        except AlreadyRunningError:
            return False
        except DiskFullError as error:
            _log.warning("refresh-failed", code=error.code, reason=error.summary)
            return False

    async def _run_alone(self, interval_seconds: float) -> bool:
        await asyncio.to_thread(self._stamp.parent.mkdir, parents=True, exist_ok=True)
        lock = FileLock(self._stamp.with_suffix(".lock"))
        lock.acquire()
        try:
            return await self._run_if_due(interval_seconds)
        finally:
            lock.release()

    async def _run_if_due(self, interval_seconds: float) -> bool:
        last = await asyncio.to_thread(self._read_time)
        if last is not None and self._clock() - last < interval_seconds:
            return False
        # The time is noted first: with a disk that is full it fails at once and not after an hour's work.
        await asyncio.to_thread(self._note_time)
        if last is None:
            return False
        for suite in self._suites:
            await self._refresh(suite)
        await self._prune()
        return True

    def _read_time(self) -> float | None:
        """Read when it last began; a file that is broken counts as none."""
        try:
            return float(self._stamp.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _note_time(self) -> None:
        fresh = self._stamp.with_suffix(".new")
        fresh.write_text(str(self._clock()))
        fresh.replace(self._stamp)

    async def _refresh(self, suite: str) -> None:
        try:
            for report in await self._upkeep.refresh(suite, lambda _: None):
                changes = [asdict(change) for change in report.changes]
                event = "image-refreshed" if report.refreshed else "image-current"
                _log.info(event, image=report.image, changes=changes, problem=report.problem)
        except (WheelyardError, ValueError) as error:
            # Of one suite; the others are refreshed, and this one again when it is time.
            code, reason = (error.code, error.summary) if isinstance(error, WheelyardError) else ("", str(error))
            _log.warning("refresh-failed", suite=suite, code=code, reason=reason)

    async def _prune(self) -> None:
        try:
            for image in await self._upkeep.prune():
                _log.info("image-removed", image=image.name, size_bytes=image.size_bytes)
        except OperatorError as error:
            _log.warning("prune-failed", code=error.code, reason=error.summary)
