"""Says in the service's log what becomes of builds when somebody asks for something. Must not change what is stored."""

from collections.abc import Collection, Mapping
from typing import Protocol

from wheelyard.domain.builds.build import Build, BuildOrder, BuildSummary, Status
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import BuildFilter, BuildPage, Submission
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.interfaces import BuildStore, BuildTimes, EqualBuilds, RetryStore
from wheelyard.logs import get_logger

_log = get_logger(__name__)


class Builds(BuildStore, EqualBuilds, RetryStore, BuildTimes, Protocol):
    """All that is asked of builds."""


class LoggedBuilds:
    """Builds of another store, and one line in the log about each change."""

    def __init__(self, store: Builds) -> None:
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
