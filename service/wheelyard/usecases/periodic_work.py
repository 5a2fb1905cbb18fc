"""Work that is done once an interval for all workers: compact metrics, delete old logs, builds and workers.

Work that concerns one host alone, such as its images, is elsewhere. ``repeat`` runs the routines of all parts.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from wheelyard.errors import OperatorError
from wheelyard.interfaces import MetricStore, PeriodicStore, UploadBytes
from wheelyard.logs import get_logger

RETENTION_SECONDS: Final = 3600.0
FOLD_SECONDS: Final = 60.0
_GONE_DAYS: Final = 7.0
_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """How long things are stored, in days; 0 is for ever."""

    logs_days: float
    """Logs, and the bytes of uploads that were refused."""
    builds_days: float
    """Builds that failed or were cancelled; those with a wheel stay."""


class PeriodicWork:
    """Work that any worker may do, but only one at a time does."""

    def __init__(self, store: PeriodicStore, metrics: MetricStore, uploads: UploadBytes, retention: Retention) -> None:
        self._store = store
        self._uploads = uploads
        self._metrics = metrics
        self._retention = retention

    async def __call__(self) -> bool:
        """Do what is due; return whether this worker was the one to delete what is old."""
        if await self._store.begin("totals", interval_seconds=FOLD_SECONDS):
            await self._metrics.fold()
        if not await self._store.begin("retention", interval_seconds=RETENTION_SECONDS):
            return False
        keep = self._retention
        logs = await self._store.drop_logs(days=keep.logs_days) if keep.logs_days else 0
        builds = await self._store.drop_builds(days=keep.builds_days) if keep.builds_days else 0
        workers = await self._store.drop_workers(days=_GONE_DAYS)
        parts = await self._uploads.drop_chunks(days=keep.logs_days)
        _log.info("retention-done", logs=logs, builds=builds, workers=workers, upload_parts=parts)
        return True


async def repeat(name: str, act: Callable[[], Awaitable[object]], *, seconds: float, eager: bool = False) -> NoReturn:
    """Repeat an action until cancelled; after an error, of whatever kind, it is tried again at the next interval.

    Args:
        name: as it is logged.
        act: what is done.
        seconds: the pause.
        eager: repeat without a pause while it returns True.
    """
    while True:
        has_more: object = False
        try:
            has_more = await act()
        except OperatorError as error:
            _log.warning("routine-failed", routine=name, reason=error.summary)
        except Exception:  # noqa: BLE001  a fault in a routine must not end what runs beside it
            _log.exception("routine-failed", routine=name)
        await asyncio.sleep(0 if eager and has_more is True else seconds)
