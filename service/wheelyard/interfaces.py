"""The outside world as the use cases see it: one small Protocol each. Must not import what implements them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from packaging.utils import NormalizedName

from wheelyard.domain.access import AuditEntry, AuditFilter, Change, Scope
from wheelyard.domain.build import Build, BuildOrder, Stage, Status
from wheelyard.domain.build_graph import Need
from wheelyard.domain.builder_status import EngineImages
from wheelyard.domain.dependencies import ResolvedRelease, StatedRelease
from wheelyard.domain.figures import Figures, Tally
from wheelyard.domain.index import HeldFile, Level, PublishedFile
from wheelyard.domain.index_check import IndexReport, LastReport
from wheelyard.domain.indexed_wheel import (
    IndexChanges,
    IndexedWheel,
    IndexEntry,
    ProjectFilter,
    ProjectPage,
    WheelFilter,
    WheelPage,
)
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
from wheelyard.domain.prebuild import Prebuild, PrebuildTurn
from wheelyard.domain.prebuild_list import PrebuildFilter, PrebuildPage
from wheelyard.domain.queue import Offer, Priority, WorkerCard, WorkerStatus
from wheelyard.domain.queue_estimate import Line
from wheelyard.domain.recipe import Recipe
from wheelyard.domain.recipe_source import RecipeStatus, SourceStatus
from wheelyard.domain.release import IndexFile, ProjectFiles
from wheelyard.domain.statistics import Statistics
from wheelyard.domain.target import Target
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.domain.webhook import WebhookMessage
from wheelyard.domain.wheel_contents import WheelContents
from wheelyard.errors import WheelyardError


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


class ReleaseResolver(Protocol):
    """Finds the releases that an application's requirements come down to, without running any project's code."""

    async def resolve(
        self,
        requirements: Sequence[str],
        *,
        constraints: Sequence[str],
        stated: Sequence[StatedRelease],
        target: Target,
    ) -> tuple[ResolvedRelease, ...]:
        """Choose one release of each project that the requirements need on the target.

        ``stated`` are releases that have no wheel, and what their sdists say that they need. Raises
        RequirementsUnsatisfiableError with the resolver's own explanation if there is no such set, and
        IndexUnavailableError.
        """
        ...


class RecipeBook(Protocol):
    """Where recipes are found."""

    def find(self, project: NormalizedName) -> Recipe | None:
        """Return the project's recipe, None if it needs none.

        Raises RecipeInvalidError if it cannot be used, and RecipesUnavailableError if a place cannot be looked into.
        """
        ...

    def describe(self, project: NormalizedName) -> RecipeStatus | None:
        """Say what the project's recipe is and what is wrong with it; None if it has none."""
        ...

    def list_recipes(self) -> tuple[RecipeStatus, ...]:
        """Describe every project's recipe, those that cannot be used too, sorted by project."""
        ...

    def list_sources(self) -> tuple[SourceStatus, ...]:
        """Say where recipes are looked for; later ones win."""
        ...


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

    async def request_cancel(self, build_id: str, *, requested_by: str) -> Build:
        """Cancel a queued build at once and ask a running one to stop; a finished one stays; raises NotFoundError."""
        ...

    async def ping(self) -> None:
        """Return if the store answers, else raise DatabaseUnavailableError."""
        ...


class EqualBuilds(Protocol):
    """Finds the build that an order would join."""

    async def find_equal(self, key: str) -> Build | None:
        """Read the build with this key that is queued, running or succeeded; None if an order would begin a new one."""
        ...


class RetryStore(Protocol):
    """Begins builds again by hand."""

    async def retry(self, build_id: str, *, requested_by: str, trace: Trace = NO_TRACE) -> Submission:
        """Queue a failed or cancelled build anew, with all its allowed attempts; end the pause of one that waits.

        Joins the equal build if somebody has asked for one meanwhile; others stay as they are. Raises NotFoundError.
        """
        ...


class WorkQueue(Protocol):
    """Which build a worker does next."""

    async def claim_next(self, offer: Offer) -> Claim | None:
        """Take the first build in line that the worker can do; None if there is none, or no room for it yet.

        Interactive builds go before others; among equals, requesters take turns. What it costs does not depend on how
        many builds wait.
        """
        ...

    async def sweep(self) -> int:
        """Put builds whose worker is gone back into the queue, or end them; let those whose pause is over go on.

        Any number of workers may call it at any time. Returns how many builds it touched.
        """
        ...


class CancelSignals(Protocol):
    """Tells workers of a wish to cancel without delay; it may be missed, so heartbeats tell of it too."""

    def cancel_asked(self, build_id: str) -> AbstractAsyncContextManager[asyncio.Event]:
        """Give an event that is set when somebody asks to cancel the build from now on."""
        ...


class WorkerBook(Protocol):
    """Which workers there are."""

    async def report(self, card: WorkerCard) -> None:
        """Record what a worker says about itself, and that it is there."""
        ...

    async def list_workers(self) -> tuple[WorkerStatus, ...]:
        """List the workers by name; one that has been silent for half a minute, and did not stop, is lost."""
        ...


class ImageReports(Protocol):
    """Which images the engines of the workers have; the API's host may have no engine."""

    async def report(self, found: EngineImages) -> None:
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


class FigureStore(Protocol):
    """Figures of everything that the processes of this Wheelyard have in common, for monitoring."""

    async def read(self) -> Figures:
        """Read all of them, as of one moment; totals never go down."""
        ...

    async def add(self, tallies: Sequence[Tally]) -> None:
        """Add to the totals what this process alone has counted."""
        ...

    async def fold(self) -> None:
        """Bring the totals into short form; they stay what they are. Any number of workers may call it at any time."""
        ...


class LineStore(Protocol):
    """Who waits."""

    async def read(self, *, limit: int) -> Line:
        """Read what runs, and the first builds that wait, in the order in which they are taken."""
        ...


class NameStore(Protocol):
    """Names that somebody may be about to type."""

    async def names(self, prefix: str, *, limit: int) -> tuple[str, ...]:
        """Name, sorted, projects of which there is a wheel or a build and whose normalised name begins so."""
        ...


class StatisticsStore(Protocol):
    """Figures of what was built."""

    async def summarise(self, *, days: int) -> Statistics:
        """Count what ended in the last days, by the store's clock."""
        ...


class NeedStore(Protocol):
    """Releases that builds wait for and that have to be ordered; whoever orders them may be killed at any time."""

    async def open_needs(self) -> tuple[Need, ...]:
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


class BuildTimes(Protocol):
    """How long builds have taken."""

    async def typical_seconds(self, projects: Collection[str]) -> Mapping[str, float]:
        """Give the median of each project's successful builds; projects without any are left out."""
        ...


class PrebuildStore(Protocol):
    """What people want for whole applications, and how far it has come."""

    async def create(self, prebuild: Prebuild) -> None:
        """Keep a new prebuild with its items, and write it into the audit log."""
        ...

    async def get(self, prebuild_id: str) -> Prebuild:
        """Read one, its builds' status as it is now; raises NotFoundError."""
        ...

    async def list_prebuilds(self, *, limit: int) -> tuple[Prebuild, ...]:
        """Read the newest ones, without their items and builds."""
        ...

    async def cancel(self, prebuild_id: str, *, cancelled_by: str) -> Prebuild:
        """End one, and with it the builds in the queue that nobody else wants, all in one transaction.

        No build is started for it any more, whoever is at it. One that is over stays as it is; raises NotFoundError.
        """
        ...


class PrebuildTurns(Protocol):
    """Who brings which prebuild on; fenced: a turn that was lost changes nothing any more."""

    async def claim(self, *, lease_seconds: float) -> PrebuildTurn | None:
        """Take the unfinished one that was looked at longest ago and that nobody holds; None if there is none."""
        ...

    async def renew(self, turn: PrebuildTurn, *, lease_seconds: float) -> bool:
        """Extend the lease; False if the turn was lost, or the prebuild is over."""
        ...

    async def withdraw(self, turn: PrebuildTurn, build_ids: Collection[str]) -> tuple[str, ...]:
        """Cancel those of these builds that nobody else wants, queued or running; return their ids."""
        ...

    async def save(self, turn: PrebuildTurn) -> bool:
        """Keep what has changed: items, started builds, the end; and let go of it. False if the turn was lost."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class DueWebhook:
    """A webhook that is to be sent now."""

    prebuild_id: str
    url: str
    attempt: int
    """Counts the attempts, this one included; who holds an older one changes nothing any more."""


class WebhookOutbox(Protocol):
    """Webhooks of prebuilds that are over; each is put in by the transaction that ends its prebuild."""

    async def claim(self, *, lease_seconds: float) -> DueWebhook | None:
        """Take the one that is due for longest; it is due again after the lease. None if there is none."""
        ...

    async def delivered(self, due: DueWebhook) -> None:
        """Note that it has arrived."""
        ...

    async def failed(self, due: DueWebhook, fault: str, *, pause_seconds: float | None) -> None:
        """Note why it has not, and let it be tried again after a pause; None gives it up."""
        ...


class WebhookSender(Protocol):
    """Sends webhooks."""

    async def send(self, message: WebhookMessage) -> None:
        """Send one; raises WebhookRefusedError if its address is not allowed, and WebhookFailedError."""
        ...


class PrebuildLists(Protocol):
    """Prebuilds a page at a time."""

    async def page(self, wanted: PrebuildFilter) -> PrebuildPage:
        """List prebuilds, newest first, with how many of their items stand where; raises NotFoundError."""
        ...


class TokenStore(Protocol):
    """API tokens; only a digest of each secret is kept. Changes are in the audit log, in the same transaction."""

    async def create(
        self, *, name: str, scope: Scope, secret_digest: str, expires_at: datetime | None, created_by: str
    ) -> Token:
        """Record a token."""
        ...

    async def find(self, secret_digest: str) -> Token | None:
        """Find the live token with this digest and note its use; None if it is unknown, expired or revoked."""
        ...

    async def list_tokens(self) -> tuple[Token, ...]:
        """List every token, newest first."""
        ...

    async def revoke(self, token_id: str, *, revoked_by: str) -> Token:
        """End a token and its sessions; raises NotFoundError."""
        ...


class SessionStore(Protocol):
    """Sessions of people who signed in with a token; only a digest of each session's secret is kept."""

    async def open(self, secret_digest: str, *, token: Token, expires_at: datetime) -> None:
        """Record a session of a token."""
        ...

    async def find(self, secret_digest: str) -> Token | None:
        """Find the session's token and note its use; None if the session or the token is unknown or over."""
        ...

    async def close(self, secret_digest: str) -> None:
        """End a session; one that is not there is no error."""
        ...


class AuditStore(Protocol):
    """Who changed what, and when. Stores that change something write it here in the same transaction."""

    async def record(self, change: Change) -> None:
        """Write down a change that no store makes by itself."""
        ...

    async def list_entries(self, wanted: AuditFilter) -> tuple[AuditEntry, ...]:
        """List entries, newest first."""
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


class CrateCache(Protocol):
    """Keeps archives of vendored crates, so that equal manifests are fetched once."""

    async def find(self, key: str) -> Path | None:
        """Return the archive that is kept under a key (a sha256 in hexadecimal), its content checked."""
        ...

    async def keep(self, key: str, archive: Path) -> Path:
        """Keep a copy of an archive; raises DiskFullError."""
        ...


class UploadBook(Protocol):
    """Which uploads attempts have begun: what one that died left on the index is known by it."""

    async def begin(self, claim: Claim, *, filename: str, sha256: str) -> bool:
        """Note that the claim's attempt uploads a file now; False if the claim was lost, and with it the right to."""
        ...

    async def is_orphan(self, filename: str, *, sha256: str) -> bool:
        """Tell whether these bytes are of an upload whose attempt is over, and nothing of the name was recorded."""
        ...


Permit = Callable[[], Awaitable[None]]
"""Asked right before something is sent to an index; raises what stands in the way."""


class WheelIndex(Protocol):
    """Our own index, which users install from."""

    async def publish(self, wheel: Path, *, sha256: str, permit: Permit | None = None) -> PublishedFile:
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


class WheelShelf(Protocol):
    """The files that an index server holds, as it sees them."""

    def open(self, url: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read a file; raises NotFoundError if it is not there, IndexUnavailableError if the server does not answer."""
        ...

    async def list_files(self) -> tuple[HeldFile, ...]:
        """List everything that is held; raises IndexUnavailableError."""
        ...

    async def remove(self, project: str, filename: str) -> None:
        """Remove a file from every level; one that is not there is no error.

        Raises IndexRefusedError or IndexUnavailableError.
        """
        ...


class WheelStore(Protocol):
    """What is known of the wheels on our index."""

    async def changes(self, since: int) -> IndexChanges:
        """Tell which projects' wheels have changed since a serial; 0 is the beginning."""
        ...

    async def names(self, *, level: Level) -> tuple[str, ...]:
        """Name every project that has a wheel at this level or above, sorted."""
        ...

    async def wheels_of(self, project: str) -> tuple[IndexedWheel, ...]:
        """Read all of a project's wheels, deleted ones too, the oldest upload first; empty if there are none."""
        ...

    async def find(self, filename: str) -> IndexedWheel:
        """Read one wheel, deleted or not; raises NotFoundError."""
        ...

    async def metadata_of(self, filename: str) -> bytes:
        """Read a wheel's METADATA; raises NotFoundError if it is not kept, or the wheel is deleted."""
        ...


class ContentsStore(Protocol):
    """What wheels contain."""

    async def contents_of(self, filename: str) -> WheelContents:
        """Read what a wheel contains, deleted or not; raises NotFoundError if it is not kept."""
        ...

    async def keep_contents(self, filename: str, contents: WheelContents) -> None:
        """Take note of what a wheel contains; raises NotFoundError."""
        ...


class IndexReports(Protocol):
    """How devpi and the database compared at the last look."""

    async def save(self, report: IndexReport) -> None:
        """Keep a report, by the store's clock, in the place of the last one."""
        ...

    async def last(self) -> LastReport | None:
        """Read the newest report; None if there never was one."""
        ...


class WheelRecords(Protocol):
    """Takes note of wheels that were published without a build."""

    async def record(self, entry: IndexEntry) -> None:
        """Record a wheel; the same again is no error; raises IndexConflictError for other bytes under its name."""
        ...


class WheelLists(Protocol):
    """Wheels and projects a page at a time."""

    async def list_wheels(self, wanted: WheelFilter) -> WheelPage:
        """List wheels, newest first."""
        ...

    async def list_projects(self, wanted: ProjectFilter) -> ProjectPage:
        """List projects that have a wheel, by name."""
        ...


class WheelEdits(Protocol):
    """What people change about wheels; each raises NotFoundError for one that is not there or was deleted.

    Each change is written to the audit log in one step with it; ``by`` says who makes it.
    """

    async def yank(self, filename: str, *, reason: str, by: str) -> IndexedWheel:
        """Mark a wheel as yanked (PEP 592), or give another reason."""
        ...

    async def unyank(self, filename: str, *, by: str) -> IndexedWheel:
        """Take the mark away."""
        ...

    async def promote(self, filename: str, *, url: str, by: str) -> IndexedWheel:
        """Record that prod holds the wheel, and where."""
        ...

    async def keep_metadata(self, filename: str, metadata: bytes, *, by: str) -> IndexedWheel:
        """Keep a METADATA that was not kept before; for deleted wheels too."""
        ...

    async def delete(self, filename: str, *, by: str) -> IndexedWheel:
        """Take a wheel off the lists for good; its name stays taken, and deleting it again is no error."""
        ...
