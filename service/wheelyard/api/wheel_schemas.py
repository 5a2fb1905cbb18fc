"""The parts of a build that the REST API shows: attempts, failures, wheels. Must not know of builds as a whole."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict

from wheelyard.domain.build import Stage, Status, Wheel


class View(BaseModel):
    """What is answered: read from domain values whose fields have the same names."""

    model_config = ConfigDict(frozen=True, from_attributes=True, use_attribute_docstrings=True)


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
    """Digest of the library as the builder had it."""
    package: str | None
    """System package that owns it; null if none does."""
    package_version: str | None
    source_package: str | None


class BuildRequirementView(View):
    """A wheel that was installed into the isolated build environment."""

    filename: str
    sha256: str


class WheelView(View):
    """A wheel that was built, repaired, proven and published."""

    filename: str
    sha256: str
    size_bytes: int
    tag: str
    """Its compatibility tags after repair."""
    tag_before_repair: str
    """The tags that the build backend gave it."""
    policy: str | None
    """The most portable policy that it complies with; null for a pure wheel."""
    is_pure: bool
    extensions: tuple[str, ...]
    """Importable names of its extension modules."""
    grafted: tuple[GraftedLibraryView, ...]
    build_requirements: tuple[BuildRequirementView, ...]
    imported_modules: tuple[str, ...]
    """What verification imported in the bare runtime image."""
    builder_image: str
    runtime_image: str
    url: str | None
    """Address of its bytes."""
    index_url: str | None
    """Address of the Simple API that lists it, for ``pip install --index-url``."""
    install: str | None = None
    """A command line that installs exactly this release from the index."""

    @classmethod
    def of(cls, wheel: Wheel, *, release: str) -> Self:
        """Show a wheel of a release such as ``pyyaml==6.0.2``."""
        view = cls.model_validate(wheel)
        if wheel.index_url is None:
            return view
        command = f"pip install --only-binary :all: --index-url {wheel.index_url} {release}"
        return view.model_copy(update={"install": command})
