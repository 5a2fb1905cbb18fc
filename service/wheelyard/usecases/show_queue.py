"""Show which builds run and wait, in which order, and when each will begin."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from wheelyard.domain.builds.estimate import Queue, QueuePosition, estimate
from wheelyard.interfaces import BuildStore, FleetStore, WorkQueue

MOST_PLACES: Final = 500


class ShowQueue:
    """The use case behind ``GET /v1/queue``."""

    def __init__(
        self, *, queue: WorkQueue, workers: FleetStore, builds: BuildStore, now: Callable[[], datetime]
    ) -> None:
        self._queue = queue
        self._workers = workers
        self._builds = builds
        self._now = now

    async def __call__(self, *, limit: int = MOST_PLACES) -> Queue:
        """Return the queue."""
        line = await self._queue.read(limit=min(limit, MOST_PLACES))
        workers = await self._workers.list_workers()
        projects = {one.build.project for one in (*line.running, *line.waiting)}
        typical = await self._builds.typical_seconds(projects) if projects else {}
        return Queue(line=line, places=estimate(line, workers, typical, now=self._now()))

    async def place_of(self, build_id: str) -> QueuePosition | None:
        """Return a build's position; None if it does not wait, or is not among the first."""
        queue = await self()
        return next((place for place in queue.places if place.build.id == build_id), None)
