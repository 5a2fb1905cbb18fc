"""Models of the parts of a build: attempts, failures, wheels."""

from dataclasses import replace
from datetime import datetime
from typing import Self

from wheelyard.api.schemas.base import View
from wheelyard.api.schemas.findings import LogFindingView
from wheelyard.api.schemas.healing import HealingView
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.domain.builds.build import Stage, Status, Wheel
from wheelyard.domain.builds.components import ComponentKind
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import WheelOrigin
from wheelyard.domain.packaging.policy_reason import PURE


class BriefFailureView(View):
    """The failure of a build, as in lists."""

    stage: Stage | None
    """The stage that failed; null if the attempt ended outside of a stage, for example because its worker was lost."""
    code: str
    """Stable code; each has a heading in ``docs/errors.md``."""
    summary: str
    """What went wrong and why, in one sentence."""
    hint: str
    """What to do next; may be empty."""


class ProofResultView(View):
    """How the proof of a refused wheel ended on one target."""

    place: str
    """The suite and the Python."""
    failure: str
    """Why it failed; empty if it passed."""


class FailureView(View):
    """The failure of an attempt."""

    stage: Stage | None
    """The stage that failed; null if the attempt ended outside of a stage, for example because its worker was lost."""
    code: str
    """Stable code; each has a heading in ``docs/errors.md``."""
    summary: str
    """What went wrong and why, in one sentence."""
    hint: str
    """What to do next; may be empty."""
    retryable: bool
    """True if the same request can succeed later without any change."""
    log_excerpt: str
    """The relevant lines of the log, at most forty; may be empty."""
    findings: tuple[LogFindingView, ...] = ()
    """Everything that the stage's output says is missing or wrong, the most specific first; at most forty."""
    changes: tuple[str, ...] = ()
    """What repair had changed in a brought wheel before it was refused, one sentence each."""
    proofs: tuple[ProofResultView, ...] = ()
    """How the proof of a brought wheel ended on each target, if it came so far."""


class StageTimingView(View):
    """Start and duration of a stage."""

    stage: Stage
    started_at: datetime
    seconds: float


class AttemptView(View):
    """One run of a build by a worker."""

    number: int
    """Counted from 1."""
    worker: str
    """Name of the worker."""
    status: Status
    started_at: datetime
    finished_at: datetime | None
    timings: tuple[StageTimingView, ...]
    """Its stages in order; empty until the attempt ends."""
    failure: FailureView | None
    log_size_bytes: int
    log_truncated: bool
    """True if the log was cut at the size limit."""
    healing: HealingView | None
    """How it healed itself; null if nothing was added or tried again."""


class GraftedLibraryView(View):
    """A shared library that the repair copied into the wheel."""

    soname: str
    """The name that extensions require, such as ``libyaml-0.so.2``."""
    path: str
    """Its path inside the wheel."""
    sha256: str
    """Digest of the copy in the wheel, after its name and search path were changed."""
    origin_sha256: str | None
    """Digest of the file on the builder; null if unknown."""
    package: str | None
    """System package that owns the file; null if there is none."""
    package_version: str | None
    source_package: str | None
    """Source package and its version."""
    origin: str | None
    """Path on the builder; null if unknown."""
    needed_by: tuple[str, ...]
    """Files that require it: paths inside the wheel, and names of other grafted libraries."""
    chain: tuple[str, ...]
    """The shortest dependency chain from one of the project's files to this library, including both."""
    beyond_policy: bool
    """True if the wheel's policy promises it on every host, and it was grafted because bare hosts lack it."""


class ComponentView(View):
    """A package or crate that others made, and that a wheel carries."""

    kind: ComponentKind
    """`grafted` for copied shared libraries, `static` for statically linked ones, `crate` for Rust."""
    name: str
    version: str
    """Empty for a file that no package owns."""
    purl: str
    """Package URL."""
    license: str | None
    """SPDX expression; null if it is not known, as of a copyright file that is not machine-readable."""
    license_files: tuple[str, ...]
    """Paths of the texts below ``.dist-info/licenses/`` in the wheel."""
    source: str | None
    """Name of its source package; null for a crate."""
    source_version: str | None
    sha256: str | None
    """Digest of a crate's file, or of a file that no package owns."""
    files: tuple[str, ...]
    """Paths of grafted libraries in the wheel, or of the builder's archives that were linked statically."""


class HostLibraryView(View):
    """A shared library that the wheel needs of its host beyond a bare one."""

    soname: str
    """The name that the wheel's files require, such as ``libglib-2.0.so.0``."""
    package: str | None
    """The suite's package that has it; null if it was not there when the wheel was tested."""
    reason: str
    """Why it is not in the wheel, as a part of a sentence."""


class PolicyNeedView(View):
    """A library or symbol that a file of the wheel needs, and that more portable policies do not provide."""

    file: str
    """Its path inside the wheel."""
    grafted: str | None
    """Required name of the file if it is a grafted library; null for one of the project's files."""
    library: str
    """The needed system library, such as ``libc.so.6``."""
    version: str | None
    """The version of the symbols, such as ``GLIBC_2.14``; null if the policies do not provide the library itself."""
    symbols: tuple[str, ...]
    """The needed symbols of this version, at most ten."""
    chain: tuple[str, ...]
    """The dependency chain from one of the project's files: paths inside the wheel, and names of grafted libraries."""
    more_symbols: int
    """Number of needed symbols of this version that are not listed."""


class PolicyReasonView(View):
    """The reason for the wheel's policy."""

    sentence: str
    """The reason in one sentence: the file, what it needs, the chain, and what would lower the policy."""
    policy: str
    """The policy, or ``any`` for a pure wheel."""
    needs: tuple[PolicyNeedView, ...]
    """What prevents a more portable policy; may be empty."""
    more_needs: int
    """Number of needs that are not listed."""
    lower: str | None
    """The policy without these needs; null if unknown, or if there is no better one."""


class BuildRequirementView(View):
    """A wheel in the isolated build environment."""

    filename: str
    sha256: str


class ThreadingView(View):
    """How an extension module gets on with a free-threaded Python."""

    module: str
    gil_off: bool
    """Whether the GIL is still off after its import in a process of its own."""
    survives_threads: bool | None
    """Whether its functions, called by eight threads at once, left the process alive; null if that was not tried."""


class ProofView(View):
    """A target on which a wheel was installed and imported in a bare runtime image."""

    suite: str
    python: str
    platform: str
    imported_modules: tuple[str, ...]
    runtime_image: str
    threading: tuple[ThreadingView, ...] = ()
    """Its extension modules, on a free-threaded Python; empty on any other."""
    free_threading: str | None = None
    """The same in words; null on any other Python."""


class WheelView(View):
    """A wheel that was built, repaired, tested and published."""

    filename: str
    sha256: str
    size_bytes: int
    origin: WheelOrigin = WheelOrigin.BUILT
    """`brought` for a wheel that was uploaded, else `built`; other wheels on the index can be `mirrored`."""
    tag: str
    """Compatibility tags after the repair."""
    tag_before_repair: str
    """Compatibility tags of the build backend."""
    policy: str | None
    """The most portable policy that the wheel complies with; null for a pure wheel."""
    policy_reason: PolicyReasonView | None
    """The reason for the policy; null for older native wheels, for which it was not recorded."""
    is_pure: bool
    extensions: tuple[str, ...]
    """Import names of its extension modules."""
    grafted: tuple[GraftedLibraryView, ...]
    build_requirements: tuple[BuildRequirementView, ...]
    imported_modules: tuple[str, ...]
    """Modules that the verification imported in the bare runtime image."""
    warnings: tuple[str, ...]
    """Warnings for users, one sentence each."""
    host_libraries: tuple[HostLibraryView, ...]
    """Libraries that its host must have, and that neither the wheel nor a bare image has."""
    changes: tuple[str, ...] = ()
    """What repair changed in a wheel that others built, one sentence each; empty if it is as it was brought."""
    proofs: tuple[ProofView, ...] = ()
    """Every target that it was proven on; empty for older wheels, for which it was not recorded."""
    components: tuple[ComponentView, ...] = ()
    """What others made and the wheel carries; empty for older wheels, for which it was not recorded."""
    sbom: str | None = None
    """Path of its SBOM (CycloneDX, PEP 770) in the wheel; null if it has none of ours."""
    builder_image: str
    runtime_image: str
    level: Level
    """`prod` for the main index, `staging` before promotion."""
    url: str | None
    """URL of the wheel; null if it was deleted."""
    index_url: str | None
    """URL of the index for ``pip install --index-url``; null if the wheel was deleted."""
    install: str | None = None
    """Command that installs this release from the index."""

    @classmethod
    def of(cls, wheel: Wheel, *, release: str, links: IndexLinks, origin: WheelOrigin = WheelOrigin.BUILT) -> Self:
        """Return the view of a wheel of a release such as ``pyyaml==6.0.2``, with URLs of the index."""
        view = cls.model_validate(replace(wheel, policy_reason=PURE) if wheel.is_pure else wheel)
        view = view.model_copy(update={"origin": origin})
        if wheel.index_url is None:
            return view
        staged = wheel.level is Level.STAGING
        addresses = {
            "url": links.file(wheel.filename),
            "index_url": links.simple(staged=staged),
            "install": links.install_command(release, staged=staged),
        }
        return view.model_copy(update=addresses)
