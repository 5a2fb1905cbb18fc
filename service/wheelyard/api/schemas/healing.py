"""Models of how a build healed itself."""

from wheelyard.api.schemas.base import View
from wheelyard.api.schemas.findings import LogFindingView
from wheelyard.domain.healing.healing import InferenceSource


class InferenceView(View):
    """One value that was added to a build's recipe, and why."""

    key: str
    """The recipe's key, such as ``apt`` or ``build-constraints``."""
    value: str
    source: InferenceSource
    reason: str
    """What it mends: ``fftw3.h is in libfftw3-dev``."""
    line: str
    """The line of the log, or the file of the sdist, that asked for it; may be empty."""
    size_bytes: int
    """The installed size of a system package without its dependencies; 0 for anything else."""


class HealRoundView(View):
    """One try, and what was added after it."""

    stage: str
    """The stage that failed; empty for what was added before the first try."""
    findings: tuple[LogFindingView, ...]
    added: tuple[InferenceView, ...]


class HealingView(View):
    """How an attempt healed itself."""

    rounds: tuple[HealRoundView, ...]
    could_have: tuple[str, ...]
    """Optional libraries that were not added, one sentence each."""
    unused: tuple[InferenceView, ...]
    """What was added and turned out to be unnecessary; the recipe leaves it out."""
    recipe: str
    """The recipe that follows, as TOML; empty if nothing was added, or if the build failed all the same."""
    is_proposed: bool
    """True if the last round's values were only proposed (``WHEELYARD_HEAL=propose``)."""
