"""Builds, their attempts and logs, as their stores provide them."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from wheelyard.domain.builds.build import Build, BuildOrder, BuildSummary, Stage, Status
from wheelyard.domain.builds.graph import Need
from wheelyard.domain.builds.metrics import Count, Metrics
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import Beat, BuildFilter, BuildPage, Claim, LogPart, Outcome, Submission
from wheelyard.domain.builds.statistics import Statistics
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.errors import WheelyardError


class BuildStore(Protocol):
    """Requests for builds and the builds' states."""

    async def submit(  # noqa: PLR0913  one for each thing that may be known
        self,
        order: BuildOrder,
        *,
        requested_by: str,
        priority: Priority = Priority.INTERACTIVE,
        prebuild_id: str | None = None,
        token_id: str | None = None,
        trace: Trace = NO_TRACE,
    ) -> Submission:
        """Store an order and queue it, in one transaction, or join the equal build that exists.

        An equal build that waits moves forward to the position that a new one would get. ``prebuild_id`` names the
        prebuild that needs it; raises RequestCancelledError if that was cancelled meanwhile. ``token_id`` names the
        token that sent its source; raises UnauthenticatedError if that was revoked, or expired, while it was sent.
        """
        ...

    async def get(self, build_id: str) -> Build:
        """Return a build; raise NotFoundError."""
        ...

    async def list_builds(self, wanted: BuildFilter) -> BuildPage:
        """Return builds, newest first."""
        ...

    async def newest_of(self, projects: Collection[str], *, is_final: bool = False) -> Mapping[str, BuildSummary]:
        """Return the newest build of each project, or the newest one that is over; projects without one are omitted."""
        ...

    async def request_cancel(self, build_id: str, *, requested_by: str) -> Build:
        """Cancel a queued build at once and ask a running one to stop, for all subscribers; a finished one stays.

        Raises NotFoundError.
        """
        ...

    async def leave(self, build_id: str, *, requested_by: str) -> Build:
        """Remove a caller's subscription to a build, and cancel the build if nothing else needs it.

        Raises NotFoundError, and NotYoursError if the caller has never requested it.
        """
        ...

    async def is_wanted_by(self, build_id: str, requested_by: str) -> bool:
        """Return whether a caller has requested a build and not left it."""
        ...

    async def retry(self, build_id: str, *, requested_by: str, trace: Trace = NO_TRACE) -> Submission:
        """Queue a failed or cancelled build again, with all its allowed attempts; end the pause of one that waits.

        Joins the equal build if one was requested meanwhile; other builds stay as they are. Raises NotFoundError.
        """
        ...

    async def find_equal(self, key: str) -> Build | None:
        """Return the queued, running or succeeded build with this key; None if an order would begin a new one."""
        ...

    async def find_commit(self, url: str, *, tag: str) -> str | None:
        """Return the commit that a repository's tag had in the newest build of it; None if it was never built."""
        ...

    async def typical_seconds(self, projects: Collection[str]) -> Mapping[str, float]:
        """Return the median duration of each project's successful builds; projects without any are omitted."""
        ...

    async def ping(self) -> None:
        """Return if the store answers, else raise DatabaseUnavailableError."""
        ...


class AttemptStore(Protocol):
    """What a worker may write, with a fence: a lost claim changes nothing any more."""

    async def claim(self, build_id: str, *, worker: str, lease_seconds: float) -> Claim | None:
        """Claim a queued build, or one whose lease has expired; None if another worker holds it or it is over."""
        ...

    async def beat(self, claim: Claim, *, lease_seconds: float) -> Beat:
        """Extend the lease and return whether cancellation was requested."""
        ...

    async def enter_stage(self, claim: Claim, stage: Stage) -> bool:
        """Record the stage that begins; return False if the claim was lost."""
        ...

    async def append_log(self, claim: Claim, data: bytes) -> bool:
        """Append to the attempt's log; return False if the claim was lost."""
        ...

    async def finish(self, claim: Claim, outcome: Outcome) -> Status | None:
        """End the attempt, and return the build's new state; None if the claim was lost and nothing was written."""
        ...

    def cancel_asked(self, build_id: str) -> AbstractAsyncContextManager[asyncio.Event]:
        """Yield an event that is set when the build's cancellation is requested from now on.

        The event may be missed, so heartbeats report the request too.
        """
        ...


class MissingReleaseStore(Protocol):
    """Releases that builds wait for and that must be requested; the process that requests them may die at any time."""

    async def open_dependencies(self) -> tuple[Need, ...]:
        """Return what is waited for and not requested yet, oldest first."""
        ...

    async def supply(self, need: Need, order: BuildOrder) -> None:
        """Submit the order, or join the equal build, and let the dependent build wait for it, in one transaction.

        If that build has ended, the dependent one continues; if the two would wait for each other, it fails with
        ``requirement-cycle``. A missing release that is no longer open is left alone.
        """
        ...

    async def give_up(self, need: Need, error: WheelyardError) -> None:
        """Fail the build that waits for a release that cannot be requested."""
        ...


class LogStore(Protocol):
    """Logs for readers."""

    async def read(self, build_id: str, *, attempt: int | None = None, offset: int = 0) -> LogPart:
        """Return what is there from an offset on, of the newest attempt if none is named; raise NotFoundError."""
        ...

    def watch(self, build_id: str) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Yield once whenever the build may have changed (status, stage or log), and at least every second."""
        ...


class MetricStore(Protocol):
    """Metrics that all processes of this installation share, and statistics of builds."""

    async def read(self) -> Metrics:
        """Return all of them at one moment; totals never decrease."""
        ...

    async def add(self, tallies: Sequence[Count]) -> None:
        """Add this process's own counts to the totals."""
        ...

    async def fold(self) -> None:
        """Compact the totals, whose values stay the same. Any number of workers may call it at any time."""
        ...

    async def summarise(self, *, days: int) -> Statistics:
        """Return counts of what ended in the last days, by the store's clock."""
        ...
