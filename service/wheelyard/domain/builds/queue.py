"""The order in which builds are taken, and by whom: priorities, needs, capacities, workers. Must not know the queue."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

RETRY_LIMIT_SECONDS: Final = 900.0
"""Longest pause between two attempts."""


class Priority(StrEnum):
    """Who waits for a build: somebody, or a program that has much else to do."""

    INTERACTIVE = "interactive"
    BATCH = "batch"

    @property
    def rank(self) -> int:
        """Say how long it may wait; the smallest goes first."""
        return list(Priority).index(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceRequest:
    """What a build takes of its worker's capacity; None is whatever the worker gives to a build by default."""

    cpus: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """What a worker can give to builds that run at the same time."""

    slots: int
    """How many builds at most."""
    cpus: float
    memory_bytes: int

    def without(self, taken: "Capacity") -> "Capacity":
        """Give what is left once this is taken."""
        return Capacity(
            slots=self.slots - taken.slots,
            cpus=self.cpus - taken.cpus,
            memory_bytes=self.memory_bytes - taken.memory_bytes,
        )

    def share(self, resource_request: ResourceRequest, default: ResourceRequest) -> "Capacity":
        """Give what a build takes; one that wants more processors than there are takes all."""
        cpus = resource_request.cpus or default.cpus or 0.0
        memory = resource_request.memory_bytes or default.memory_bytes or 0
        return Capacity(slots=1, cpus=min(cpus, self.cpus), memory_bytes=memory)

    def covers(self, share: "Capacity") -> bool:
        """Tell whether there is room for it."""
        return share.slots <= self.slots and share.cpus <= self.cpus and share.memory_bytes <= self.memory_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """Where a build can run: it waits in one lane, and a worker serves some."""

    architecture: str
    suite: str
    python: str

    def __str__(self) -> str:
        return f"{self.architecture}/{self.suite}/{self.python}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """A worker that would take a build: who it is, where it can build, and what room it has."""

    worker: str
    lease_seconds: float
    lanes: tuple[Lane, ...]
    total: Capacity
    """What it has when it is idle; a build that needs more memory than this is not for it."""
    free: Capacity
    """What it has now; the first build in line waits for the room that it needs, and others behind it."""
    default: ResourceRequest
    """What a build takes that does not say."""


class WorkerState(StrEnum):
    """What a worker is up to."""

    ACTIVE = "active"
    DRAINING = "draining"
    """It takes nothing new, and ends when what runs has ended."""
    STOPPED = "stopped"
    LOST = "lost"
    """It has not been heard of for a while; its builds are taken over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostMetrics:
    """What a worker's host has of disk and images, as it was a moment ago."""

    disk_size_bytes: int
    """Of the file system that its state directory is on."""
    disk_free_bytes: int
    engine_answers: bool
    containers: int = 0
    """Containers of its builds that run."""
    images: int = 0
    """Images of ours that the engine has."""
    image_bytes: int = 0
    """What they take; layers that several share count each time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerRegistration:
    """What a worker says about itself."""

    name: str
    host: str
    lanes: tuple[Lane, ...]
    capacity: Capacity
    state: WorkerState
    host_figures: HostMetrics | None = None
    """None as long as it has not looked yet."""

    @property
    def architecture(self) -> str:
        """The machine that it builds on."""
        return self.lanes[0].architecture if self.lanes else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerStatus:
    """A worker as the service knows it."""

    registration: WorkerRegistration
    started_at: datetime
    seen_at: datetime
    """When it was last heard of."""
    builds: tuple[str, ...]
    """Ids of the builds that it holds."""


MAX_DEATHS: Final = 2
"""A build with which so many workers have died is given to no other; after the first one it runs alone."""


def retry_delay(tries: int, *, first_seconds: float) -> float:
    """Say how long a build waits after so many failed attempts: twice as long each time, up to a quarter of an hour."""
    return min(first_seconds * 2.0 ** min(tries - 1, 30), RETRY_LIMIT_SECONDS)
