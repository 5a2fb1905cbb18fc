"""The container engine and its images."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from wheelyard.domain.catalogue.sbom import ImageContent


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits of a container."""

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
    """The registry of crates; only for the prefetcher (``pipeline/crates.py``), which runs no code of the project."""
    RECIPE = "recipe"
    """The operator's network for builds whose recipe asks for one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerSpec:
    """A container to run: always without root, capabilities or host mounts, and with two exceptions without network."""

    image: str
    command: tuple[str, ...]
    limits: Limits
    labels: Mapping[str, str]
    env: Mapping[str, str]
    network: Network = Network.NONE
    hostname: str = "wheelyard"
    processors: str | None = None
    """The processors that it may use, such as ``0`` or ``0-3``; None is all."""


class Container(Protocol):
    """A running container with its standard streams."""

    async def write(self, data: bytes) -> None:
        """Write bytes to its standard input; raise ConnectionError if it is gone."""
        ...

    async def read_line(self, limit: int) -> bytes:
        """Return one line of its standard output, b"" at the end; raise ValueError if it is longer than the limit."""
        ...

    async def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes of its standard output, b"" at the end."""
        ...

    async def wait(self) -> int:
        """Wait until it has ended and is removed; return its exit code."""
        ...

    async def ran_out_of_memory(self) -> bool:
        """Return whether the engine saw the kernel kill a process in an ended container for want of memory."""
        ...


class LogSink(Protocol):
    """Accepts a log while it is written."""

    async def write(self, data: bytes) -> None:
        """Write output of a container, or of a program that builds images: untrusted text."""
        ...

    async def note(self, text: str, *, stage: str | None = None) -> None:
        """Write a note of our own; ``stage`` if it begins one."""
        ...


class Engine(Protocol):
    """The container engine."""

    def run(self, spec: ContainerSpec, *, log: LogSink) -> AbstractAsyncContextManager[Container]:
        """Run a container whose standard error goes to the log; it is killed and removed when the block ends."""
        ...

    async def remove_leftovers(self, labels: Mapping[str, str]) -> int:
        """Kill and remove our containers with these labels; return their number."""
        ...

    async def ping(self) -> None:
        """Return if the engine answers, else raise EngineUnavailableError."""
        ...


class Images(Protocol):
    """The images that builds run in, built when they are first needed."""

    async def builder(  # noqa: PLR0913  (each is one property of the image)
        self,
        *,
        suite: str,
        python: str,
        architecture: str,
        apt: Sequence[str],
        toolchains: Sequence[str] = (),
        log: LogSink,
    ) -> str:
        """Return the id of a suite's builder for a Python, with these toolchains and system packages.

        Raises ImageBuildFailedError, or ToolchainTooOldError if the suite has no toolchain that is new enough.
        """
        ...

    async def runtime(
        self, *, suite: str, python: str, architecture: str, apt: Sequence[str] = (), log: LogSink
    ) -> str:
        """Return the id of the bare runtime image, with these system packages if there are any.

        Raises ImageBuildFailedError.
        """
        ...

    async def installer(self, *, suite: str, architecture: str, log: LogSink) -> Path:
        """Return the uv program for containers of a suite on an architecture; raise DownloadFailedError."""
        ...

    def package_manager(self, suite: str) -> str:
        """Return the package manager of a suite's builders: ``apt``, ``dnf`` or ``apk``; raise NotFoundError."""
        ...

    async def content(self, image: str) -> ImageContent:
        """Return what is in an image: its system packages, Pythons and tools; raise OperatorError."""
        ...

    async def note_use(self, images: Collection[str]) -> None:
        """Record that a build uses images, so that none is removed before its last container has started."""
        ...
