"""The parts of a build that the REST API shows: attempts, failures, wheels. Must not know of builds as a whole."""

from dataclasses import replace
from datetime import datetime
from typing import Self

from wheelyard.api.schemas.base import View
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.domain.builds.build import Stage, Status, Wheel
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import WheelOrigin
from wheelyard.domain.packaging.policy_reason import PURE


class BriefFailureView(View):
    """Why a build made no wheel, as lists show it."""

    stage: Stage | None
    """The stage that failed; null if the attempt ended outside of any, such as when its worker was lost."""
    code: str
    """Stable code; each has a heading in ``docs/errors.md``."""
    summary: str
    """What went wrong, and why, in a sentence."""
    hint: str
    """What to do next; may be empty."""


class FailureView(View):
    """Why an attempt made no wheel."""

    stage: Stage | None
    """The stage that failed; null if the attempt ended outside of any, such as when its worker was lost."""
    code: str
    """Stable code; each has a heading in ``docs/errors.md``."""
    summary: str
    """What went wrong, and why, in a sentence."""
    hint: str
    """What to do next; may be empty."""
    retryable: bool
    """True if the same request can succeed later without any change."""
    log_excerpt: str
    """The log's lines that matter, at most forty; may be empty."""


class StageTimingView(View):
    """When a stage began and how long it took."""

    stage: Stage
    started_at: datetime
    seconds: float


class AttemptView(View):
    """One run of a build by one worker."""

    number: int
    """Counted from 1."""
    worker: str
    """Name of the worker that ran it."""
    status: Status
    started_at: datetime
    finished_at: datetime | None
    timings: tuple[StageTimingView, ...]
    """The stages that it went through, in order; filled in when the attempt ends."""
    failure: FailureView | None
    log_size_bytes: int
    log_truncated: bool
    """True if the log was cut at its limit."""


class GraftedLibraryView(View):
    """A shared library that was copied into the wheel."""

    soname: str
    """The name that extensions asked for, such as ``libyaml-0.so.2``."""
    path: str
    """Its path inside the wheel."""
    sha256: str
    """Digest of the copy in the wheel, whose name and search path were changed."""
    origin_sha256: str | None
    """Digest of the library as the builder had it; null if that is not known."""
    package: str | None
    """System package that owns it; null if none does."""
    package_version: str | None
    source_package: str | None
    """The source package and its version."""
    origin: str | None
    """Where the builder had it; null if it is not known."""
    needed_by: tuple[str, ...]
    """What asks for it: paths inside the wheel, and names of other grafted libraries."""
    chain: tuple[str, ...]
    """The shortest way to it from a file of the project's own, both included."""


class PolicyNeedView(View):
    """Something that a file of the wheel needs and that more portable policies do not promise."""

    file: str
    """Its path inside the wheel."""
    grafted: str | None
    """The name by which it was asked for, if repair copied it in; null for a file of the project's own."""
    library: str
    """The system's library that it needs this of, such as ``libc.so.6``."""
    version: str | None
    """The version of the symbols, such as ``GLIBC_2.14``; null if the library itself is what is not promised."""
    symbols: tuple[str, ...]
    """The symbols of that version that it needs, ten at most."""
    chain: tuple[str, ...]
    """The way to it from a file of the project's own: paths inside the wheel, and names of grafted libraries."""
    more_symbols: int
    """How many symbols of that version there are beyond those that are listed."""


class PolicyReasonView(View):
    """What sets the wheel's policy."""

    sentence: str
    """The reason in one sentence: which file needs what, through which chain, and what would lower it."""
    policy: str
    """The policy, without it ``any``: a pure wheel's platform tag."""
    needs: tuple[PolicyNeedView, ...]
    """What keeps it from a more portable policy; empty if there is none."""
    more_needs: int
    """How many there are beyond those that are listed."""
    lower: str | None
    """The policy that it would have without these needs; null if that is not known, or there is no better one."""


class BuildRequirementView(View):
    """A wheel that was installed into the isolated build environment."""

    filename: str
    sha256: str


class WheelView(View):
    """A wheel that was built, repaired, proven and published."""

    filename: str
    sha256: str
    size_bytes: int
    origin: WheelOrigin = WheelOrigin.BUILT
    """A build's wheel is always `built` here; other wheels on the index may be `mirrored`."""
    tag: str
    """Its compatibility tags after repair."""
    tag_before_repair: str
    """The tags that the build backend gave it."""
    policy: str | None
    """The most portable policy that it complies with; null for a pure wheel."""
    policy_reason: PolicyReasonView | None
    """Why it has that policy, or none; null for native wheels from before this was recorded."""
    is_pure: bool
    extensions: tuple[str, ...]
    """Importable names of its extension modules."""
    grafted: tuple[GraftedLibraryView, ...]
    build_requirements: tuple[BuildRequirementView, ...]
    imported_modules: tuple[str, ...]
    """What verification imported in the bare runtime image."""
    warnings: tuple[str, ...]
    """What its user should know, a sentence each."""
    builder_image: str
    runtime_image: str
    level: Level
    """`staging` before everybody gets it, `prod` for what users install."""
    url: str | None
    """Address of its bytes; null if it was deleted."""
    index_url: str | None
    """Address of the Simple API that lists it, for ``pip install --index-url``; null if it was deleted."""
    install: str | None = None
    """A command line that installs exactly this release from the index."""

    @classmethod
    def of(cls, wheel: Wheel, *, release: str, links: IndexLinks) -> Self:
        """Show a wheel of a release such as ``pyyaml==6.0.2``, with the addresses of our own index."""
        view = cls.model_validate(replace(wheel, policy_reason=PURE) if wheel.is_pure else wheel)
        if wheel.index_url is None:
            return view
        staged = wheel.level is Level.STAGING
        addresses = {
            "url": links.file(wheel.filename),
            "index_url": links.simple(staged=staged),
            "install": links.install_command(release, staged=staged),
        }
        return view.model_copy(update=addresses)
