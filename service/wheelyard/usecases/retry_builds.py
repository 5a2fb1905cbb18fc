"""Queue failed or cancelled builds again: one, or those that a filter selects, newest first."""

from dataclasses import dataclass, replace

from wheelyard.build_events import note_retried
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import MAX_RETRIES, BuildFilter, RetriedBuilds, Submission
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.errors import TooMuchOpenError
from wheelyard.interfaces import BuildStore


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
