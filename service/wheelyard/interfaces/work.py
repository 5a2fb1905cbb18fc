"""The distribution of work: queue, workers, and what is done once across all workers."""

from contextlib import AbstractContextManager
from typing import Protocol

from wheelyard.domain.builds.estimate import LiveQueue
from wheelyard.domain.builds.queue import Allocation, WorkerRegistration, WorkerStatus
from wheelyard.domain.builds.records import Claim
from wheelyard.domain.catalogue.status import EngineImages


class WorkQueue(Protocol):
    """The running and queued builds, and which of them a worker gets next."""

    async def claim_next(self, offer: Allocation) -> Claim | None:
        """Claim the first build in the queue that the worker can run; None if there is none, or no room for it yet.

        Interactive builds go before others; among equals, requesters take turns. The cost does not depend on the length
        of the queue.
        """
        ...

    async def sweep(self) -> int:
        """Queue builds of lost workers again, or end them; resume those whose pause is over.

        Any number of workers may call it at any time. Returns the number of changed builds. A build during which the
        workers of ``MAX_DEATHS`` attempts have died ends with ``worker-killed``.
        """
        ...

    async def note_death(self, worker: str, *, seconds: float) -> int:
        """Record that a worker's process died while its host continued, and that it had begun at most so long ago.

        Each of its builds at that time, unless ended since, counts the death once. Returns the number of these builds.
        """
        ...

    async def read(self, *, limit: int) -> LiveQueue:
        """Return the running builds, and the first waiting ones in the order in which they are claimed."""
        ...


class LeaseKeeper(Protocol):
    """Extends the leases of attempts while the worker's own loop is blocked."""

    def holding(self, claim: Claim) -> AbstractContextManager[None]:
        """Extend the lease of a claim for the length of the block."""
        ...

    def last_beat(self, claim: Claim) -> float:
        """Return when the lease was last extended, by the monotonic clock; 0 if it never was. Does not wait."""
        ...


class FleetStore(Protocol):
    """The workers, and the images of their engines: the API's host may have no engine."""

    async def report_worker(self, registration: WorkerRegistration) -> None:
        """Store a worker's registration and the time of its heartbeat."""
        ...

    async def list_workers(self) -> tuple[WorkerStatus, ...]:
        """Return the workers sorted by name; one without a heartbeat for half a minute that did not stop is lost."""
        ...

    async def report_images(self, found: EngineImages) -> None:
        """Store an engine's present images in the place of the former ones."""
        ...

    async def list_engines(self) -> tuple[EngineImages, ...]:
        """Return every engine that was reported in the last quarter of an hour, by host."""
        ...


class PeriodicStore(Protocol):
    """Work that is done once an interval, whatever the number of workers."""

    async def begin(self, name: str, *, interval_seconds: float) -> bool:
        """Return whether the work is due, and record that it begins; True for one caller an interval."""
        ...

    async def drop_logs(self, *, days: float) -> int:
        """Delete the logs of attempts that ended longer ago; return their number."""
        ...

    async def drop_builds(self, *, days: float) -> int:
        """Delete builds that failed or were cancelled longer ago, with their attempts; return their number."""
        ...

    async def drop_workers(self, *, days: float) -> int:
        """Delete workers whose last heartbeat is longer ago; return their number."""
        ...
