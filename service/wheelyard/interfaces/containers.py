"""The container engine and its images. Must not import what implements it."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a container may use at most."""

    memory_bytes: int
    cpus: float
    processes: int
    scratch_bytes: int
    """Size of each writable in-memory file system; it counts towards the memory."""
    time_seconds: int
    open_files: int = 16384
    """Open files of each process."""


class Network(StrEnum):
    """What a container may reach."""

    NONE = "none"
    PREFETCH = "prefetch"
    """The registry of crates; for the prefetcher alone (``pipeline/crates.py``): it runs no code of the project's."""
    RECIPE = "recipe"
    """What the operator gives builds whose recipe asks for a network."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerSpec:
    """A container to run: always without root, capabilities or host mounts, and but for two kinds without network."""

    image: str
    command: tuple[str, ...]
    limits: Limits
    labels: Mapping[str, str]
    env: Mapping[str, str]
    network: Network = Network.NONE


class Container(Protocol):
    """A running container, spoken to over its standard streams."""

    async def write(self, data: bytes) -> None:
        """Send bytes to its standard input; raises ConnectionError if it is gone."""
        ...

    async def read_line(self, limit: int) -> bytes:
        """Read one line of its standard output, b"" at the end; raises ValueError if it is longer than the limit."""
        ...

    async def read(self, size: int) -> bytes:
        """Read at most ``size`` bytes of its standard output, b"" at the end."""
        ...

    async def wait(self) -> int:
        """Wait until it has ended and is removed; return its exit code."""
        ...

    async def ran_out_of_memory(self) -> bool:
        """Tell, of one that has ended, whether the engine saw the kernel kill anything in it for want of memory."""
        ...


class LogSink(Protocol):
    """Takes a log as it comes."""

    async def write(self, data: bytes) -> None:
        """Take a piece of what a container, or a program that makes images, prints: a stranger's text."""
        ...

    async def note(self, text: str, *, stage: str | None = None) -> None:
        """Take a line of our own; ``stage`` if it begins one."""
        ...


class Engine(Protocol):
    """The container engine."""

    def run(self, spec: ContainerSpec, *, log: LogSink) -> AbstractAsyncContextManager[Container]:
        """Run a container whose standard error goes to the log; it is killed and removed when the block ends."""
        ...

    async def remove_leftovers(self, labels: Mapping[str, str]) -> int:
        """Kill and remove our containers with these labels; return how many there were."""
        ...

    async def ping(self) -> None:
        """Return if the engine answers, else raise EngineUnavailableError."""
        ...


class Images(Protocol):
    """The images that builds run in, made when they are first needed."""

    async def builder(
        self, *, suite: str, python: str, apt: Sequence[str], toolchains: Sequence[str] = (), log: LogSink
    ) -> str:
        """Return the id of a suite's builder for a Python, with these toolchains and system packages.

        Raises ImageBuildFailedError, or ToolchainTooOldError if the suite has no toolchain that will do.
        """
        ...

    async def runtime(self, *, suite: str, python: str, apt: Sequence[str] = (), log: LogSink) -> str:
        """Return the id of the bare runtime image, with these system packages if there are any.

        Raises ImageBuildFailedError.
        """
        ...

    def package_manager(self, suite: str) -> str:
        """Say what installs packages in a suite's builders: ``apt``, ``dnf`` or ``apk``; raises NotFoundError."""
        ...

    async def note_use(self, images: Collection[str]) -> None:
        """Record that a build uses images, so that none is removed before its last container has started."""
        ...
