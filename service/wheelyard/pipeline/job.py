"""What an attempt knows and may use. A stage takes a job and returns it with more facts."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from packaging.utils import NormalizedName

from wheelyard.domain.builds.build import BuildOrder, BuildRequirement, GraftedLibrary, Stage, Wheel
from wheelyard.domain.builds.components import Component, SourcePackage
from wheelyard.domain.builds.expectations import ExtensionSource, TriedModule
from wheelyard.domain.builds.records import Claim
from wheelyard.domain.catalogue.catalogue import BuilderChoice
from wheelyard.domain.catalogue.reach import Reach
from wheelyard.domain.healing.healing import Healing, HealRules
from wheelyard.domain.index.index import PublishedFile
from wheelyard.domain.packaging.policy_reason import PolicyReason
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.provenance.statements import CrateArchive
from wheelyard.domain.sdist.need import Need
from wheelyard.errors import NetworkRefusedError
from wheelyard.interfaces import (
    CrateCache,
    Engine,
    GitFiles,
    GitRepositories,
    Images,
    LogSink,
    Network,
    ParserPool,
    SourceIndex,
    SuiteArchives,
    WheelResolver,
)
from wheelyard.pipeline.limits import GrantedLimits, LimitRules, grant_limits

T = TypeVar("T")


async def no_sdists(_: NormalizedName) -> tuple[IndexFile, ...]:
    """Return no sdists, where none were brought."""
    return ()


async def learn_nothing(_: str) -> None:
    """Know of no former builds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """Everything outside that the stages use."""

    source: SourceIndex
    resolver: WheelResolver
    engine: Engine
    images: Images
    crates: CrateCache
    parsers: ParserPool
    """Parses untrusted text, with limits."""
    read_pyproject: Callable[[Path], bytes | None]
    """Reads the ``pyproject.toml`` of an untrusted sdist; None if there is none."""
    archives: SuiteArchives
    read_needs: Callable[[Path], tuple[Need, ...]]
    """Reads what an untrusted sdist's build needs; ``parsers`` run it."""
    agent: bytes
    """The program that runs inside the containers, as a zip file."""
    installer: Path
    """The uv program of this machine, for bare images that have no installer (docs/decisions/0004)."""
    limits: LimitRules
    emulated: frozenset[str] = frozenset()
    """Architectures that this worker's machine emulates."""
    emulation_time_factor: float = 1.0
    """How many times longer a stage may take if it is emulated."""
    output_bytes: int
    """Largest output that is accepted from one container."""
    build_number: int
    labels: Mapping[str, str]
    """Labels of every container, beside the job's own."""
    learnt: Callable[[str], Awaitable[tuple[str, Healing] | None]] = learn_nothing
    """Returns the version and the healing of the newest healed build of a project; None if there is none."""
    sdists_of: Callable[[NormalizedName], Awaitable[tuple[IndexFile, ...]]] = no_sdists
    """Returns the sdists of a project that others brought, which a wheel of its release is compared with."""
    suites: tuple[str, ...] = ()
    """All suites of the catalogue, in its order."""
    builders: tuple[BuilderChoice, ...] = ()
    """All builders of the catalogue, in its order; a brought wheel is proven on each target that its tags claim."""
    reach: Callable[[], Reach] = Reach
    """Returns which Pythons this host can have."""
    heal: HealRules = field(default_factory=HealRules)
    denied_licenses: tuple[str, ...] = ()
    """Patterns of licenses that the operator ships in no wheel."""
    network_for_recipes: bool = False
    """True if the operator has a network for builds whose recipe asks for one."""
    repositories: GitRepositories | None = None
    """Repositories of others, for builds of commits; None where there are no such builds."""
    ca_bundle: Path | None = None
    """PEM certificates that the prefetcher of crates trusts. Default: those of its image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedImages:
    """The images that a job's containers are made from."""

    builder: str
    runtime: str | None
    """None until it is known on which target the wheel is proven, which a brought wheel's repair decides."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the images that there are."""
        return (self.builder,) if self.runtime is None else (self.builder, self.runtime)


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltWheel:
    """The result of the build container."""

    path: Path
    epoch: int
    """SOURCE_DATE_EPOCH of the build, in seconds since 1970."""
    requirements: tuple[BuildRequirement, ...]
    sources: tuple[ExtensionSource, ...] = ()
    """The extension modules that its sdist suggests."""
    used_packages: frozenset[str] = frozenset()
    """System packages whose headers the compilers read; empty if they did not say."""
    crates: tuple[CrateArchive, ...] = ()
    """The archives of crates that it was given."""
    tried: tuple[TriedModule, ...] = ()
    """The extension modules that the build began to make, by its log."""
    warnings: tuple[str, ...] = ()
    linked: Mapping[str, Any] = field(default_factory=lambda: {"archives": [], "crates": []})
    """What was linked statically: archives of the system and crates."""
    crate_texts: Path | None = None
    """A zip file of the license texts of crates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairedWheel:
    """The result of the repair container."""

    path: Path
    sha256: str
    is_pure: bool
    policy: str | None
    extensions: tuple[str, ...]
    grafted: tuple[GraftedLibrary, ...]
    doubtful: tuple[str, ...] = ()
    """Extension modules that it may have lost: an import of one that fails decides."""
    policy_reason: PolicyReason | None = None
    warnings: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    """What was changed in a brought wheel, one sentence each."""
    components: tuple[Component, ...] = ()
    """What others made and it carries."""
    source_packages: tuple[SourcePackage, ...] = ()
    """The source packages of its components."""
    sbom: str | None = None
    """Path of its SBOM in the wheel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What an attempt knows so far."""

    claim: Claim
    folder: Path
    """A directory of the attempt's own, removed when it ends."""
    log: LogSink
    sdist: Path | None = None
    commit: GitFiles | None = None
    """The commit that its sdist is made of; None once the sdist is known."""
    archive: Path | None = None
    """The folder of the caller's disk that its sdist is made of; None once the sdist is known."""
    brought: Path | None = None
    """The wheel that others built, in place of an sdist."""
    sources: tuple[Path, ...] = ()
    """The recipe's further files, in its order."""
    healing: Healing | None = None
    """What was added to the recipe so far, and why; None until the sdist was looked at."""
    images: PreparedImages | None = None
    built: BuiltWheel | None = None
    repaired: RepairedWheel | None = None
    imported: tuple[str, ...] = ()
    wheel: Wheel | None = None
    published: PublishedFile | None = None
    provenance: bytes | None = None
    """PEP 740's provenance object of the published wheel."""
    started_at: datetime | None = None

    def knowing(self, **facts: object) -> Self:
        """Return the job with more facts."""
        return replace(self, **facts)  # type: ignore[arg-type]  # dataclasses.replace checks the names itself

    async def note(self, text: str) -> None:
        """Write a note of our own into the build's log."""
        await self.log.note(text)


StageFunction = Callable[[Job, Tools], Awaitable[Job]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A stage and the function that does it."""

    stage: Stage
    act: StageFunction


def known(fact: T | None) -> T:
    """Return what an earlier stage has found out; stages run in order, so its absence is our own fault."""
    if fact is None:
        raise AssertionError("a stage ran before the one that it builds on")
    return fact


def is_emulated(order: BuildOrder, tools: Tools) -> bool:
    """Return whether this worker's machine emulates the architecture of an order."""
    return order.target.policy.architecture in tools.emulated


def granted_limits(order: BuildOrder, tools: Tools) -> GrantedLimits:
    """Return the limits of an order's containers."""
    times = tools.emulation_time_factor if is_emulated(order, tools) else 1.0
    return grant_limits(order.recipe, tools.limits, times=times)


def granted_network(job: Job, tools: Tools) -> Network:
    """Return what the build container may reach.

    Raises:
        NetworkRefusedError: its recipe asks for a network, and there is none for it.
    """
    order = job.claim.order
    if not order.recipe.network:
        return Network.NONE
    if not tools.network_for_recipes:
        raise NetworkRefusedError(release=f"{order.project} {order.version}")
    return Network.RECIPE
