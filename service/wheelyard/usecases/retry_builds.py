"""Put many builds that failed or were cancelled back into the queue: those that a filter names, the newest first."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from wheelyard.domain.builds.build import Build, BuildOrder, BuildSummary, Status
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import MAX_RETRIES, BuildFilter, BuildPage, RetriedBuilds, Submission
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.errors import TooMuchOpenError
from wheelyard.interfaces import BuildStore
from wheelyard.logs import get_logger


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryBuilds:
    """Retries builds by a filter, each in a transaction of its own, with its line in the audit log."""

    builds: BuildStore

    async def __call__(self, wanted: BuildFilter, *, requested_by: str, trace: Trace = NO_TRACE) -> RetriedBuilds:
        """Retry the builds that fit.

        A build that a newer one of the same release and target has followed is left alone: that one counts. It ends
        early where the caller may not have more builds in the queue; raises TooMuchOpenError if there is room for none.

        Args:
            wanted: Which builds; failed ones unless its status is ``cancelled``.
            requested_by: Who asks.
            trace: The HTTP request.
        """
        status = Status.CANCELLED if wanted.status is Status.CANCELLED else Status.FAILED
        limit = min(wanted.limit, MAX_RETRIES)
        page = await self.builds.list_builds(replace(wanted, status=status, is_newest=True, before=None, limit=limit))
        submissions = list[Submission]()
        try:
            for build in page.builds:
                submissions.append(await self.builds.retry(build.id, requested_by=requested_by, trace=trace))
        except TooMuchOpenError:
            if not submissions:
                raise
        is_cut = len(submissions) < len(page.builds)
        return RetriedBuilds(submissions=tuple(submissions), has_more=is_cut or page.next_before is not None)


_log = get_logger(__name__)


class LoggedBuilds:
    """Builds of another store, and one line in the log about each change."""

    def __init__(self, store: BuildStore) -> None:
        self._store = store

    async def submit(
        self,
        order: BuildOrder,
        *,
        requested_by: str,
        priority: Priority = Priority.INTERACTIVE,
        prebuild_id: str | None = None,
        trace: Trace = NO_TRACE,
    ) -> Submission:
        """Record an order."""
        submission = await self._store.submit(
            order, requested_by=requested_by, priority=priority, prebuild_id=prebuild_id, trace=trace
        )
        build = submission.build
        _log.info(
            "build-joined" if submission.joined else "build-queued",
            build=build.id,
            project=order.project,
            version=order.version,
            target=str(order.target),
            status=build.status.value,
            priority=build.priority.value,
            requested_by=requested_by,
        )
        return submission

    async def get(self, build_id: str) -> Build:
        """Read one build."""
        return await self._store.get(build_id)

    async def find_equal(self, key: str) -> Build | None:
        """Read the build that an order with this key would join."""
        return await self._store.find_equal(key)

    async def list_builds(self, wanted: BuildFilter) -> BuildPage:
        """List builds, newest first."""
        return await self._store.list_builds(wanted)

    async def newest_of(self, projects: Collection[str], *, is_final: bool = False) -> Mapping[str, BuildSummary]:
        """Read the newest build of each project, or the newest that is over."""
        return await self._store.newest_of(projects, is_final=is_final)

    async def request_cancel(self, build_id: str, *, requested_by: str) -> Build:
        """Cancel a queued build at once, and ask a running one to stop."""
        former = await self._store.get(build_id)
        build = await self._store.request_cancel(build_id, requested_by=requested_by)
        _note_cancellation(former, build, requested_by)
        return build

    async def leave(self, build_id: str, *, requested_by: str) -> Build:
        """Want a build no longer."""
        former = await self._store.get(build_id)
        build = await self._store.leave(build_id, requested_by=requested_by)
        if build.status is Status.CANCELLED or build.cancel_requested:
            _note_cancellation(former, build, requested_by)
        elif not former.status.is_final:
            _log.info("build-left", build=build.id, status=build.status.value, requested_by=requested_by)
        return build

    async def is_wanted_by(self, build_id: str, requested_by: str) -> bool:
        """Tell whether somebody wants a build."""
        return await self._store.is_wanted_by(build_id, requested_by)

    async def retry(self, build_id: str, *, requested_by: str, trace: Trace = NO_TRACE) -> Submission:
        """Begin a build again."""
        submission = await self._store.retry(build_id, requested_by=requested_by, trace=trace)
        event = "build-joined" if submission.joined else "build-retried"
        build = submission.build
        _log.info(event, build=build.id, asked=build_id, status=build.status.value, requested_by=requested_by)
        return submission

    async def typical_seconds(self, projects: Collection[str]) -> Mapping[str, float]:
        """Give the median of each project's successful builds."""
        return await self._store.typical_seconds(projects)

    async def ping(self) -> None:
        """Return if the store answers."""
        await self._store.ping()


def _note_cancellation(former: Build, build: Build, requested_by: str) -> None:
    if not former.status.is_final:
        _log.info("cancel-asked", build=build.id, status=former.status.value, requested_by=requested_by)
    if former.status is Status.QUEUED and build.status is Status.CANCELLED:
        _log.info("build-ended", build=build.id, status=build.status.value, code=None)
