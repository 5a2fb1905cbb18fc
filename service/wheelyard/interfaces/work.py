"""Who works on what: queue, workers, what is done once across all of them. Must not import what implements it."""

from contextlib import AbstractContextManager
from typing import Protocol

from wheelyard.domain.builds.estimate import LiveQueue
from wheelyard.domain.builds.queue import Allocation, WorkerRegistration, WorkerStatus
from wheelyard.domain.builds.records import Claim
from wheelyard.domain.catalogue.status import EngineImages


class WorkQueue(Protocol):
    """Which builds run and wait, and which of them a worker does next."""

    async def claim_next(self, offer: Allocation) -> Claim | None:
        """Take the first build in line that the worker can do; None if there is none, or no room for it yet.

        Interactive builds go before others; among equals, requesters take turns. What it costs does not depend on how
        many builds wait.
        """
        ...

    async def sweep(self) -> int:
        """Put builds whose worker is gone back into the queue, or end them; let those whose pause is over go on.

        Any number of workers may call it at any time. Returns how many builds it touched. A build with which the
        workers of ``MAX_DEATHS`` attempts have died ends with ``worker-killed``.
        """
        ...

    async def note_death(self, worker: str, *, seconds: float) -> int:
        """Note that a worker's process died, on a host that went on, and that it had begun at most so long ago.

        Each of its builds that it had then, and that nobody has ended since, counts it once. Returns how many did.
        """
        ...

    async def read(self, *, limit: int) -> LiveQueue:
        """Read what runs, and the first builds that wait, in the order in which they are taken."""
        ...


class LeaseKeeper(Protocol):
    """Extends the leases of attempts while the worker's own loop cannot."""

    def holding(self, claim: Claim) -> AbstractContextManager[None]:
        """Have the lease of a claim kept while the block lasts."""
        ...

    def last_beat(self, claim: Claim) -> float:
        """Return when the lease was last extended, by the monotonic clock; 0 if it never was. Waits for nothing."""
        ...


class FleetStore(Protocol):
    """Which workers there are, and which images their engines have: the host of the API may have no engine."""

    async def report_worker(self, registration: WorkerRegistration) -> None:
        """Record what a worker says about itself, and that it is there."""
        ...

    async def list_workers(self) -> tuple[WorkerStatus, ...]:
        """List the workers by name; one that has been silent for half a minute, and did not stop, is lost."""
        ...

    async def report_images(self, found: EngineImages) -> None:
        """Record what an engine has now, instead of what it had."""
        ...

    async def list_engines(self) -> tuple[EngineImages, ...]:
        """Tell of every engine that was reported in the last quarter of an hour, by host."""
        ...


class PeriodicStore(Protocol):
    """Work that is done once an interval, whatever the number of workers."""

    async def begin(self, name: str, *, interval_seconds: float) -> bool:
        """Tell whether the work is due, and note that it begins; True for one caller an interval."""
        ...

    async def drop_logs(self, *, days: float) -> int:
        """Forget the logs of attempts that ended longer ago; returns how many."""
        ...

    async def drop_builds(self, *, days: float) -> int:
        """Forget builds that failed or were cancelled longer ago, with their attempts; returns how many."""
        ...

    async def drop_workers(self, *, days: float) -> int:
        """Forget workers that were last heard of longer ago; returns how many."""
        ...
