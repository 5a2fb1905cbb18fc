"""The order in which workers claim builds: priorities, resource requests, capacities and workers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

RETRY_LIMIT_SECONDS: Final = 900.0
"""The longest pause between two attempts."""


class Priority(StrEnum):
    """The priority of a build: a person waits for it, or a batch job does."""

    INTERACTIVE = "interactive"
    BATCH = "batch"

    @property
    def rank(self) -> int:
        """Return its rank; the lowest goes first."""
        return list(Priority).index(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceRequest:
    """The capacity that a build needs; None is the worker's default."""

    cpus: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """The capacity of a worker for builds that run at the same time."""

    slots: int
    """The maximum number of builds."""
    cpus: float
    memory_bytes: int

    def without(self, taken: "Capacity") -> "Capacity":
        """Return the rest after an allocation."""
        return Capacity(
            slots=self.slots - taken.slots,
            cpus=self.cpus - taken.cpus,
            memory_bytes=self.memory_bytes - taken.memory_bytes,
        )

    def share(self, resource_request: ResourceRequest, default: ResourceRequest) -> "Capacity":
        """Return the allocation of a build, which has at most all processors."""
        cpus = resource_request.cpus or default.cpus or 0.0
        memory = resource_request.memory_bytes or default.memory_bytes or 0
        return Capacity(slots=1, cpus=min(cpus, self.cpus), memory_bytes=memory)

    def covers(self, share: "Capacity") -> bool:
        """Return whether there is room for an allocation."""
        return share.slots <= self.slots and share.cpus <= self.cpus and share.memory_bytes <= self.memory_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """Where a build can run. A build waits in one lane, and a worker serves one or more."""

    architecture: str
    suite: str
    python: str

    def __str__(self) -> str:
        return f"{self.architecture}/{self.suite}/{self.python}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """A worker that asks for a build: its name, its lanes and its capacity."""

    worker: str
    lease_seconds: float
    lanes: tuple[Lane, ...]
    total: Capacity
    """Its capacity when it is idle; it never takes a build that needs more memory."""
    free: Capacity
    """Its free capacity; the first build of the queue waits for room, and so do those behind it."""
    default: ResourceRequest
    """The resource request of builds without their own."""
    emulated: tuple[Lane, ...] = ()
    """Lanes that it serves by emulation: only those that no active worker serves natively."""


class WorkerState(StrEnum):
    """The state of a worker."""

    ACTIVE = "active"
    DRAINING = "draining"
    """It takes no new builds, and ends after its running builds."""
    STOPPED = "stopped"
    LOST = "lost"
    """It has sent no heartbeat for a while; its builds are taken over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostMetrics:
    """Disk and images of a worker's host, at its last heartbeat."""

    disk_size_bytes: int
    """Size of the file system of its state directory."""
    disk_free_bytes: int
    engine_answers: bool
    containers: int = 0
    """Number of running build containers."""
    images: int = 0
    """Number of Wheelyard's images in the engine."""
    image_bytes: int = 0
    """Size of the images; shared layers count for each image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerRegistration:
    """A worker's registration."""

    name: str
    host: str
    lanes: tuple[Lane, ...]
    """The lanes of its machine's own architecture."""
    capacity: Capacity
    state: WorkerState
    host_figures: HostMetrics | None = None
    """None until the first measurement."""
    emulated: tuple[Lane, ...] = ()
    """Lanes of other architectures, which it serves by emulation while no active worker serves them natively."""

    @property
    def architecture(self) -> str:
        """Return the architecture of its machine."""
        return self.lanes[0].architecture if self.lanes else ""

    @property
    def served(self) -> tuple[Lane, ...]:
        """Return all lanes that it serves."""
        return (*self.lanes, *self.emulated)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerStatus:
    """A worker as the service knows it."""

    registration: WorkerRegistration
    started_at: datetime
    seen_at: datetime
    """Time of its last heartbeat."""
    builds: tuple[str, ...]
    """Ids of its builds."""


MAX_DEATHS: Final = 2
"""After this many workers died with a build, no other gets it. After the first death the build runs alone."""


def retry_delay(tries: int, *, first_seconds: float) -> float:
    """Return the seconds to wait after a number of failed attempts: doubled each time, up to a quarter of an hour."""
    return min(first_seconds * 2.0 ** min(tries - 1, 30), RETRY_LIMIT_SECONDS)
