"""How an attempt healed itself: its rounds, what each added and why, and the recipe that follows."""

from dataclasses import dataclass
from enum import StrEnum

from wheelyard.domain.healing.findings import Finding


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
    """The recipe's key: ``apt``, ``toolchains``, ``build-requires.add``, ``build-constraints``, ``repair.graft``,
    ``test.apt`` or ``test.requires``."""
    value: str
    source: InferenceSource
    reason: str
    """What it mends, for people: ``fftw3.h is in libfftw3-dev``."""
    line: str = ""
    """The line of the log, or the file of the sdist, that asked for it."""


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

    @property
    def added(self) -> tuple[Inference, ...]:
        """Return everything that was added, in order."""
        return tuple(one for round_ in self.rounds for one in round_.added)
