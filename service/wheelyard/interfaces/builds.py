"""Builds, their attempts and logs, as their stores give them. Must not import what implements it."""

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
    """What people asked for and what became of it."""

    async def submit(
        self,
        order: BuildOrder,
        *,
        requested_by: str,
        priority: Priority = Priority.INTERACTIVE,
        prebuild_id: str | None = None,
        trace: Trace = NO_TRACE,
    ) -> Submission:
        """Record an order and put it into the queue, in one transaction, or join the equal build that is there.

        A build that is joined while it waits goes forward to where a new one would have its place. ``prebuild_id``
        says for which prebuild it is; raises RequestCancelledError if that was cancelled meanwhile.
        """
        ...

    async def get(self, build_id: str) -> Build:
        """Read one build; raises NotFoundError."""
        ...

    async def list_builds(self, wanted: BuildFilter) -> BuildPage:
        """List builds, newest first."""
        ...

    async def newest_of(self, projects: Collection[str], *, is_final: bool = False) -> Mapping[str, BuildSummary]:
        """Read the newest build of each project, or the newest that is over; those without any are left out."""
        ...

    async def request_cancel(self, build_id: str, *, requested_by: str) -> Build:
        """Cancel a queued build at once and ask a running one to stop, for all who want it; a finished one stays.

        Raises NotFoundError.
        """
        ...

    async def leave(self, build_id: str, *, requested_by: str) -> Build:
        """Let somebody want a build no longer, and cancel it if nobody else wants it and nothing waits for it.

        Raises NotFoundError, and NotYoursError if they have never asked for it.
        """
        ...

    async def is_wanted_by(self, build_id: str, requested_by: str) -> bool:
        """Tell whether somebody has asked for a build and not left it."""
        ...

    async def retry(self, build_id: str, *, requested_by: str, trace: Trace = NO_TRACE) -> Submission:
        """Queue a failed or cancelled build anew, with all its allowed attempts; end the pause of one that waits.

        Joins the equal build if somebody has asked for one meanwhile; others stay as they are. Raises NotFoundError.
        """
        ...

    async def find_equal(self, key: str) -> Build | None:
        """Read the build with this key that is queued, running or succeeded; None if an order would begin a new one."""
        ...

    async def typical_seconds(self, projects: Collection[str]) -> Mapping[str, float]:
        """Give the median of each project's successful builds; projects without any are left out."""
        ...

    async def ping(self) -> None:
        """Return if the store answers, else raise DatabaseUnavailableError."""
        ...


class AttemptStore(Protocol):
    """What a worker may write, fenced: a claim that was lost changes nothing any more."""

    async def claim(self, build_id: str, *, worker: str, lease_seconds: float) -> Claim | None:
        """Take a queued build, or one whose lease has run out; None if somebody else holds it or it is over."""
        ...

    async def beat(self, claim: Claim, *, lease_seconds: float) -> Beat:
        """Extend the lease and learn whether somebody asked to cancel."""
        ...

    async def enter_stage(self, claim: Claim, stage: Stage) -> bool:
        """Record the stage that begins; False if the claim was lost."""
        ...

    async def append_log(self, claim: Claim, data: bytes) -> bool:
        """Add to the attempt's log; False if the claim was lost."""
        ...

    async def finish(self, claim: Claim, outcome: Outcome) -> Status | None:
        """End the attempt, and say what has become of its build; None if the claim was lost and nothing was written."""
        ...

    def cancel_asked(self, build_id: str) -> AbstractAsyncContextManager[asyncio.Event]:
        """Give an event that is set when somebody asks to cancel the build from now on.

        It may be missed, so heartbeats tell of it too.
        """
        ...


class MissingReleaseStore(Protocol):
    """Releases that builds wait for and that have to be ordered; whoever orders them may be killed at any time."""

    async def open_dependencies(self) -> tuple[Need, ...]:
        """List what is waited for and not ordered yet, the first that came first."""
        ...

    async def supply(self, need: Need, order: BuildOrder) -> None:
        """Submit the order, or join the equal build, and let the build of the need wait for it, in one transaction.

        If that build is done, the waiting one goes on; if the two would wait for each other, it fails with
        ``requirement-cycle``. A need that is no longer open is left alone.
        """
        ...

    async def give_up(self, need: Need, error: WheelyardError) -> None:
        """Fail the build of a need that cannot be ordered."""
        ...


class LogStore(Protocol):
    """Logs as readers see them."""

    async def read(self, build_id: str, *, attempt: int | None = None, offset: int = 0) -> LogPart:
        """Read what is there from an offset on; the newest attempt if none is named; raises NotFoundError."""
        ...

    def watch(self, build_id: str) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Yield once whenever the build may have changed (status, stage or log), and at least every second."""
        ...


class MetricStore(Protocol):
    """Metrics of everything that the processes of this Wheelyard have in common, and statistics of what was built."""

    async def read(self) -> Metrics:
        """Read all of them, as of one moment; totals never go down."""
        ...

    async def add(self, tallies: Sequence[Count]) -> None:
        """Add to the totals what this process alone has counted."""
        ...

    async def fold(self) -> None:
        """Bring the totals into short form; they stay what they are. Any number of workers may call it at any time."""
        ...

    async def summarise(self, *, days: int) -> Statistics:
        """Count what ended in the last days, by the store's clock."""
        ...
