"""Show the queue with estimates of each start, and queue failed or cancelled builds again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from wheelyard.build_events import note_retried
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.estimate import Queue, QueuePosition, estimate
from wheelyard.domain.builds.records import MAX_RETRIES, BuildFilter, RetriedBuilds, Submission
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.errors import TooMuchOpenError
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


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryBuilds:
    """Retries builds, each in a transaction of its own, with its entry in the audit log."""

    builds: BuildStore

    async def one(self, build_id: str, *, requested_by: str, trace: Trace = NO_TRACE) -> Submission:
        """Retry one build; see BuildStore."""
        submission = await self.builds.retry(build_id, requested_by=requested_by, trace=trace)
        note_retried(build_id, submission, requested_by=requested_by)
        return submission

    async def __call__(self, wanted: BuildFilter, *, requested_by: str, trace: Trace = NO_TRACE) -> RetriedBuilds:
        """Retry the builds that match.

        A build that a newer build of the same release and target has followed is not retried: only the newer one
        counts. This ends early when the caller may not have more builds in the queue; it raises TooMuchOpenError if
        there is room for none.

        Args:
            wanted: Which builds; failed ones unless its status is ``cancelled``.
            requested_by: The caller.
            trace: The HTTP request.
        """
        status = Status.CANCELLED if wanted.status is Status.CANCELLED else Status.FAILED
        limit = min(wanted.limit, MAX_RETRIES)
        page = await self.builds.list_builds(replace(wanted, status=status, is_newest=True, before=None, limit=limit))
        submissions = list[Submission]()
        try:
            for build in page.builds:
                submissions.append(await self.one(build.id, requested_by=requested_by, trace=trace))
        except TooMuchOpenError:
            if not submissions:
                raise
        is_cut = len(submissions) < len(page.builds)
        return RetriedBuilds(submissions=tuple(submissions), has_more=is_cut or page.next_before is not None)
