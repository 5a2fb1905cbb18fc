"""The outside world as the use cases see it: one small Protocol each. Must not import what implements them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from packaging.utils import NormalizedName

from wheelyard.domain.build import Build, BuildOrder, Stage
from wheelyard.domain.index import PublishedFile
from wheelyard.domain.ledger import (
    Beat,
    BuildFilter,
    BuildPage,
    Claim,
    LogPart,
    Outcome,
    Submission,
    Token,
)
from wheelyard.domain.recipe import Recipe
from wheelyard.domain.release import IndexFile, ProjectFiles
from wheelyard.domain.target import Target


class SourceIndex(Protocol):
    """The upstream index that sdists come from."""

    async def project(self, name: NormalizedName) -> ProjectFiles:
        """Read a project's page; raises UnknownProjectError or IndexUnavailableError."""
        ...

    async def fetch(self, file: IndexFile) -> Path:
        """Bring a file into the content cache and return its path, its sha256 checked.

        Raises HashMismatchError, DownloadFailedError or DiskFullError; nothing half-written stays behind.
        """
        ...


class WheelResolver(Protocol):
    """Finds the wheels that a set of requirements comes down to, without running any project's code."""

    async def resolve(
        self, requirements: Sequence[str], *, target: Target, constraints: Sequence[str] = ()
    ) -> tuple[IndexFile, ...]:
        """Choose one wheel for each project that the requirements need on the target.

        Raises BuildRequirementsError with the resolver's own explanation if there is no such set of wheels, and
        IndexUnavailableError if the index does not answer.
        """
        ...


class RecipeBook(Protocol):
    """Where recipes are found."""

    def find(self, project: NormalizedName) -> Recipe | None:
        """Return the project's recipe, None if it needs none; raises RecipeInvalidError if it cannot be used."""
        ...


class BuildStore(Protocol):
    """What people asked for and what became of it."""

    async def submit(self, order: BuildOrder, *, requested_by: str) -> Submission:
        """Record an order and put it into the queue, in one transaction, or join the equal build that is there."""
        ...

    async def get(self, build_id: str) -> Build:
        """Read one build; raises NotFoundError."""
        ...

    async def list_builds(self, wanted: BuildFilter) -> BuildPage:
        """List builds, newest first."""
        ...

    async def request_cancel(self, build_id: str) -> Build:
        """Cancel a queued build at once and ask a running one to stop; a finished one stays; raises NotFoundError."""
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

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """End the attempt and its build; False if the claim was lost and nothing was written."""
        ...


class LogStore(Protocol):
    """Logs as readers see them."""

    async def read(self, build_id: str, *, attempt: int | None = None, offset: int = 0) -> LogPart:
        """Read what is there from an offset on; the newest attempt if none is named; raises NotFoundError."""
        ...

    def watch(self, build_id: str) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Yield once whenever the build may have changed (status, stage or log), and at least every second."""
        ...


class TokenStore(Protocol):
    """API tokens; only a digest of each secret is kept."""

    async def create(self, *, name: str, secret_digest: str, expires_at: datetime | None) -> Token:
        """Record a token."""
        ...

    async def find(self, secret_digest: str) -> Token | None:
        """Find the live token with this digest and note its use; None if it is unknown, expired or revoked."""
        ...

    async def list_tokens(self) -> tuple[Token, ...]:
        """List every token, newest first."""
        ...

    async def revoke(self, token_id: str) -> Token:
        """End a token; raises NotFoundError."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a container may use at most."""

    memory_bytes: int
    cpus: float
    processes: int
    scratch_bytes: int
    """Size of each writable in-memory file system; it counts towards the memory."""
    time_seconds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerSpec:
    """A container to run: always without root, capabilities or host mounts, and but for one kind without network."""

    image: str
    command: tuple[str, ...]
    limits: Limits
    labels: Mapping[str, str]
    env: Mapping[str, str]
    network: bool = False
    """Only the prefetcher of crates may ask for one (``pipeline/crates.py``): it runs no code of the project's."""


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


class LogSink(Protocol):
    """Takes a log as it comes."""

    async def write(self, data: bytes) -> None:
        """Take a piece of the log."""
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

    async def runtime(self, *, suite: str, python: str, log: LogSink) -> str:
        """Return the id of the bare runtime image."""
        ...


class CrateCache(Protocol):
    """Keeps archives of vendored crates, so that equal manifests are fetched once."""

    async def find(self, key: str) -> Path | None:
        """Return the archive that is kept under a key (a sha256 in hexadecimal), its content checked."""
        ...

    async def keep(self, key: str, archive: Path) -> Path:
        """Keep a copy of an archive; raises DiskFullError."""
        ...


class WheelIndex(Protocol):
    """Our own index, which users install from."""

    async def publish(self, wheel: Path, *, sha256: str) -> PublishedFile:
        """Publish a wheel and read it back to prove it; a wheel that is there already is proven only.

        Raises HashMismatchError or UntrustedOutputError if the file is not the promised wheel, IndexConflictError,
        IndexRefusedError, IndexUnavailableError, or PublishUnprovenError.
        """
        ...

    async def sha256_of(self, project: NormalizedName, filename: str) -> str | None:
        """Tell the sha256 that the index holds a file under, None if it does not; raises IndexUnavailableError."""
        ...

    async def ping(self) -> None:
        """Return if the index answers, else raise IndexUnavailableError."""
        ...
