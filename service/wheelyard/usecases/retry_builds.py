"""Put many builds that failed or were cancelled back into the queue: those that a filter names, the newest first."""

from dataclasses import dataclass, replace

from wheelyard.domain.build import Status
from wheelyard.domain.ledger import MAX_RETRIES, BuildFilter, RetriedBuilds
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.interfaces import BuildStore, RetryStore


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryBuilds:
    """Retries builds by a filter, each in a transaction of its own, with its line in the audit log."""

    builds: BuildStore
    retries: RetryStore

    async def __call__(self, wanted: BuildFilter, *, requested_by: str, trace: Trace = NO_TRACE) -> RetriedBuilds:
        """Retry the builds that fit.

        A build that a newer one of the same release and target has followed is left alone: that one counts.

        Args:
            wanted: Which builds; failed ones unless its status is ``cancelled``.
            requested_by: Who asks.
            trace: The HTTP request.
        """
        status = Status.CANCELLED if wanted.status is Status.CANCELLED else Status.FAILED
        limit = min(wanted.limit, MAX_RETRIES)
        page = await self.builds.list_builds(replace(wanted, status=status, is_newest=True, before=None, limit=limit))
        submissions = [
            await self.retries.retry(build.id, requested_by=requested_by, trace=trace) for build in page.builds
        ]
        return RetriedBuilds(submissions=tuple(submissions), has_more=page.next_before is not None)
