"""How an attempt healed itself: its rounds, what each added and why, and the recipe that follows."""

from dataclasses import dataclass
from enum import StrEnum

from wheelyard.domain.healing.findings import Finding


class HealMode(StrEnum):
    """What is done with what a failure says."""

    ON = "on"
    """It is added, and the build goes on."""
    PROPOSE = "propose"
    """It is only proposed, as a recipe beside the failure."""
    OFF = "off"


@dataclass(frozen=True, kw_only=True, slots=True)
class HealRules:
    """How much a project's own text may cause."""

    mode: HealMode = HealMode.ON
    most_rounds: int = 8
    most_packages: int = 40
    """System packages that are added to one build, without their dependencies."""
    most_bytes: int = 2 << 30
    """Installed size of these packages, in bytes."""


class InferenceSource(StrEnum):
    """Where something that was added comes from."""

    PREDICTED = "predicted"
    """The sdist's own files, read before the build."""
    LEARNT = "learnt"
    """A former build of the project that healed itself."""
    FAILURE = "failure"
    """What a stage that failed said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inference:
    """One value that was added to a build's recipe, and why."""

    key: str
    """The recipe's key: ``apt``, ``toolchains``, ``build-requires.add``, ``build-constraints``, ``cythonize``,
    ``repair.graft`` or ``test.apt``."""
    value: str
    source: InferenceSource
    reason: str
    """What it mends, for people: ``fftw3.h is in libfftw3-dev``."""
    line: str = ""
    """The line of the log, or the file of the sdist, that asked for it."""
    size_bytes: int = 0
    """The installed size of a system package without its dependencies; 0 for anything else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HealRound:
    """One try of a stage, and what was added after it."""

    stage: str
    """The stage that failed, such as ``build``; empty for what was added before the first try."""
    findings: tuple[Finding, ...]
    added: tuple[Inference, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Healing:
    """All rounds of an attempt."""

    rounds: tuple[HealRound, ...] = ()
    could_have: tuple[str, ...] = ()
    """Optional libraries that were not added, one sentence each: ``could also have WebP: libwebp-dev``."""
    unused: tuple[Inference, ...] = ()
    """What was added and turned out to be unnecessary; the recipe leaves it out."""
    recipe: str = ""
    """The recipe that follows, as TOML; empty if nothing was added."""
    is_proposed: bool = False
    """True if the last round's values were not tried, because the operator wants to be asked."""

    @property
    def added(self) -> tuple[Inference, ...]:
        """Return everything that was added, in order."""
        return tuple(one for round_ in self.rounds for one in round_.added)
