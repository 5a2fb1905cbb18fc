"""Builds, their attempts and their wheels."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from wheelyard.domain.builds.components import Component, SourcePackage
from wheelyard.domain.builds.file_source import FileOrigin
from wheelyard.domain.builds.git_source import GitOrigin
from wheelyard.domain.builds.local_source import LocalOrigin, Origin
from wheelyard.domain.builds.queue import Lane, Priority, ResourceRequest
from wheelyard.domain.healing.findings import Finding
from wheelyard.domain.healing.healing import Healing
from wheelyard.domain.index.index import Level
from wheelyard.domain.packaging.policy_reason import PolicyReason
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import RequirementBuildFailedError, WheelyardError


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class MissingRelease:
    """A release that must have a wheel before something else can be built or verified."""

    project: str
    version: str

    def __str__(self) -> str:
        return f"{self.project} {self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class AwaitedBuild:
    """A release that a build waits for."""

    release: MissingRelease
    build_id: str | None
    """The build that makes its wheel; None until it is requested."""


MAX_LOG_EXCERPT_LINES: Final = 40
_MAX_SUMMARY: Final = 2000
_MAX_REASON: Final = 500


def storable(text: str) -> str:
    """Replace characters that no database text can hold: NUL and lone surrogates."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


class Status(StrEnum):
    """The status of a build or an attempt."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Return whether the status never changes by itself again."""
        return self in {Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}


class Stage(StrEnum):
    """The steps of an attempt, in order."""

    RESOLVE = "resolve"
    FETCH = "fetch"
    PREPARE = "prepare"
    BUILD = "build"
    REPAIR = "repair"
    VERIFY = "verify"
    PUBLISH = "publish"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProofResult:
    """How the proof of a refused wheel ended on one target."""

    place: str
    """The suite and the Python."""
    failure: str = ""
    """Why it failed; empty if it passed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why an attempt did not make a wheel: data, not an exception."""

    stage: Stage | None
    """None if the attempt ended outside of any stage (its worker was lost)."""
    code: str
    """A stable code of ``wheelyard.errors``."""
    summary: str
    hint: str
    retryable: bool = False
    log_excerpt: str = ""
    """The log's lines that matter, at most forty."""
    findings: tuple[Finding, ...] = ()
    """Everything that the stage's output says is missing or wrong."""
    changes: tuple[str, ...] = ()
    """What repair had changed in a brought wheel before it was refused, one sentence each."""
    proofs: tuple[ProofResult, ...] = ()
    """How the proof of a brought wheel ended on each target, if it came so far."""
    chain: tuple[str, ...] = ()
    """If a required release got no wheel: the releases of which each needs the next, this build's first."""
    chain_build_id: str | None = None
    """The build of the last release of the chain; None if it could not be requested."""

    def with_hint(self, text: str) -> Self:
        """Return the failure with a further sentence in its hint."""
        return replace(self, hint=storable(f"{self.hint} {text}".strip())[:_MAX_SUMMARY])

    @classmethod
    def of(
        cls,
        error: WheelyardError,
        *,
        stage: Stage | None,
        log_excerpt: str = "",
        findings: tuple[Finding, ...] = (),
    ) -> Self:
        """Return the failure that an error describes."""
        broken = error if isinstance(error, RequirementBuildFailedError) else None
        return cls(
            stage=stage,
            code=error.code,
            chain=broken.chain if broken else (),
            chain_build_id=broken.build_id if broken else None,
            summary=storable(error.summary)[:_MAX_SUMMARY],
            hint=storable(error.hint)[:_MAX_SUMMARY],
            retryable=error.retryable,
            log_excerpt=log_excerpt,
            findings=findings,
            proofs=tuple(
                ProofResult(place=place, failure=storable(reason)[:_MAX_REASON]) for place, reason in error.proofs
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StageTiming:
    """When a stage began and how long it took."""

    stage: Stage
    started_at: datetime
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class GraftedLibrary:
    """A shared library that repair copied into a wheel, and where it came from."""

    soname: str
    """The name that extensions link to, such as ``libyaml-0.so.2``."""
    path: str
    """Its path inside the wheel."""
    sha256: str
    """Digest of the copy in the wheel; repair changed its name and search path."""
    package: str | None
    """The system package that owns it; None if no package does."""
    package_version: str | None
    source_package: str | None = None
    """The source package and its version, such as ``libyaml 0.2.5-1``."""
    origin: str | None = None
    """Its path in the builder; None if it is not known."""
    origin_sha256: str | None = None
    """Digest of the builder's file; None if it is not known."""
    needed_by: tuple[str, ...] = ()
    """What links to it: paths inside the wheel, and names of other grafted libraries."""
    chain: tuple[str, ...] = ()
    """The shortest path of links from a file of the project to it, both included."""
    beyond_policy: bool = False
    """True if the policy promises it on every host, and it was grafted because bare hosts lack it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HostLibraryNeed:
    """A shared library that a wheel needs of its host: the wheel does not have it, and a bare host neither."""

    soname: str
    package: str | None
    """The suite's package that has it; None if it was not there when the wheel was verified."""
    reason: str
    """Why it is not in the wheel, as a part of a sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildRequirement:
    """One wheel that was installed into the isolated build environment."""

    filename: str
    sha256: str
    url: str | None = None
    """Where it came from, without credentials; None for wheels from before this was recorded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadingProof:
    """How an extension module gets on with a free-threaded Python."""

    module: str
    gil_off: bool
    """Whether the GIL is still off after its import in a process of its own."""
    survives_threads: bool | None = None
    """Whether its functions, called by eight threads at once, left the process alive; None if that was not tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """One target on which a wheel was installed and imported in a bare runtime image."""

    suite: str
    python: str
    platform: str
    imported_modules: tuple[str, ...]
    runtime_image: str
    threading: tuple[ThreadingProof, ...] = ()
    """Its extension modules, on a free-threaded Python; empty on any other."""

    @property
    def free_threading(self) -> str | None:
        """Return how its extension modules get on with a free-threaded Python; None if there is nothing to tell."""
        if not self.threading:
            return None
        off = sum(one.gil_off for one in self.threading)
        tried = sum(one.survives_threads is not None for one in self.threading)
        survived = sum(one.survives_threads is True for one in self.threading)
        gil = f"GIL off after {off} of {len(self.threading)} extension modules"
        return f"{gil}, {survived} of {tried} withstood eight threads" if tried else gil


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A wheel that was built or brought, repaired and verified."""

    filename: str
    sha256: str
    size_bytes: int
    tag: str
    """Its compatibility tags after repair, such as ``cp313-cp313-manylinux_2_17_x86_64``."""
    tag_before_repair: str
    policy: str | None
    """The most portable policy that it complies with; None for a pure wheel."""
    is_pure: bool
    extensions: tuple[str, ...]
    """Importable names of its extension modules."""
    grafted: tuple[GraftedLibrary, ...]
    build_requirements: tuple[BuildRequirement, ...]
    imported_modules: tuple[str, ...]
    """What verification imported in the bare runtime image."""
    builder_image: str
    runtime_image: str
    url: str | None = None
    """URL of its bytes, once it is published."""
    index_url: str | None = None
    """URL of devpi's page of it; None if it is deleted. The URL of our own pages depends on the caller."""
    level: Level = Level.PROD
    """Its level on the index."""
    policy_reason: PolicyReason | None = None
    """What sets its policy; None for a pure wheel, and for wheels from before this was recorded."""
    warnings: tuple[str, ...] = ()
    """Warnings for its users, one sentence each."""
    host_libraries: tuple[HostLibraryNeed, ...] = ()
    """What its host must have beyond a bare image."""
    proofs: tuple[Proof, ...] = ()
    """Each target that it was proven on; empty for wheels from before this was recorded."""
    changes: tuple[str, ...] = ()
    """What repair changed in a brought wheel, one sentence each; empty if it is byte for byte what was brought."""
    components: tuple[Component, ...] = ()
    """What others made and it carries, as its SBOM says too."""
    source_packages: tuple[SourcePackage, ...] = ()
    """The source packages of these components, as the signed archive index had them when the wheel was made."""
    sbom: str | None = None
    """Path of its SBOM (PEP 770) in the wheel; None if it has none of ours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One run of a build by one worker."""

    number: int
    worker: str
    status: Status
    started_at: datetime
    finished_at: datetime | None
    timings: tuple[StageTiming, ...]
    failure: Failure | None
    log_size_bytes: int
    log_truncated: bool
    healing: Healing | None = None
    """How it healed itself; None if nothing was added or tried again."""


class SourceKind(StrEnum):
    """The kind of file that a build starts from."""

    SDIST = "sdist"
    WHEEL = "wheel"
    """A wheel that others built: it is repaired and verified."""
    GIT = "git"
    """A commit of a git repository: its sdist is made in a sandbox first."""
    LOCAL = "local"
    """A folder or an sdist that the caller sent."""
    FILE = "file"
    """An sdist at an address. A wheel at an address is a ``WHEEL``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SdistSource:
    """The sdist, or the brought wheel, that a build starts from; fixed when the build is created.

    The sdist of a commit or folder is made by the build: until then its file name and hash are empty.
    """

    filename: str
    url: str
    sha256: str
    size_bytes: int | None
    kind: SourceKind = SourceKind.SDIST
    git: GitOrigin | None = None
    """The commit that the sdist is made of."""
    local: LocalOrigin | None = None
    """What the caller sent: a folder that the sdist is made of, or the sdist."""
    file: FileOrigin | None = None
    """The sdist or wheel at an address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOrder:
    """What to build: one release, for one target, with one recipe, on one builder. Decided, but not yet stored."""

    key: str
    """Content key: equal orders are one build (see ``wheelyard.domain.builds.key``)."""
    requirement: str
    """The requirement as it was requested."""
    project: str
    version: str
    sdist: SdistSource
    target: Target
    builder: str
    """The catalogue's name of the builder's suite."""
    recipe_digest: str
    recipe: EffectiveRecipe = field(default_factory=EffectiveRecipe)
    """The recipe when the build was requested, so that workers need no recipe files."""

    @property
    def is_brought(self) -> bool:
        """Return whether its source is a wheel that others built; its target is then where that is repaired."""
        return self.sdist.kind is SourceKind.WHEEL

    @property
    def origin(self) -> Origin | None:
        """Return what it starts from that is of no index: a commit, what the caller sent, or a file; else None."""
        return self.sdist.git or self.sdist.local or self.sdist.file

    @property
    def resource_request(self) -> ResourceRequest:
        """Return the capacity that it needs, from its recipe's limits."""
        return ResourceRequest(cpus=self.recipe.cpus, memory_bytes=self.recipe.memory_bytes)

    @property
    def lane(self) -> Lane:
        """Return the lane that it can run in."""
        return Lane(architecture=self.target.policy.architecture, suite=self.builder, python=self.target.python)


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """A build order and its progress."""

    id: str
    order: BuildOrder
    status: Status
    stage: Stage | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested: bool
    attempts: tuple[Attempt, ...]
    failure: Failure | None
    wheel: Wheel | None
    priority: Priority = Priority.INTERACTIVE
    not_before: datetime | None = None
    """When it may be retried, while it is queued after a failed attempt."""
    waits_for: tuple[AwaitedBuild, ...] = ()
    """Releases that must be built first; while there are any, it stays queued and no worker takes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSummary:
    """A build without its attempts, as lists show it."""

    id: str
    project: str
    version: str
    target: Target
    status: Status
    stage: Stage | None
    created_at: datetime
    finished_at: datetime | None
    wheel_filename: str | None
    failure: Failure | None
    priority: Priority = Priority.INTERACTIVE
    not_before: datetime | None = None
    waits: bool = False
    """True while it waits for other builds."""

    @property
    def failure_code(self) -> str | None:
        """Return the failure's code; None if it did not fail."""
        return None if self.failure is None else self.failure.code
