"""Tell how a build healed itself: what was missing, where it was found, what was tried, what worked."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from wheelyard.domain.healing.healing import Healing, HealRound, Inference, InferenceSource

_VERBS: Final = {
    "apt": "install {0}",
    "dnf": "install {0}",
    "apk": "install {0}",
    "toolchains": "add the toolchain {0}",
    "build-requires.add": "add the build requirement {0}",
    "build-constraints": "keep {0}",
    "cythonize": "make the C sources of its Cython modules anew",
    "repair.graft": "graft {0}",
    "test.apt": "prove it beside the host's {0}",
}
_BEFORE: Final = {
    InferenceSource.PREDICTED: "Its sdist asks for this",
    InferenceSource.LEARNT: "A former build of the project needed this",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One thing that was missing, and what was done."""

    found: str
    """Where it was found: ``fftw3.h is in libfftw3-dev``."""
    done: str
    """What was done: ``install libfftw3-dev``."""
    line: str
    """The line of the log, or the file of the sdist, that asked for it; may be empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chapter:
    """One try, and what came of it."""

    title: str
    steps: tuple[Step, ...] = ()


def tell_story(healing: Healing, *, succeeded: bool) -> tuple[Chapter, ...]:
    """Return the chapters of a build's healing in order; the last one says how it ended."""
    return tuple(_chapters(healing, succeeded=succeeded))


def _chapters(healing: Healing, *, succeeded: bool) -> Iterator[Chapter]:
    tries = 0
    for round_ in healing.rounds:
        if round_.stage:
            tries += 1
            yield Chapter(title=f"Try {tries} failed in the {round_.stage} stage{_lacks(round_)}", steps=_steps(round_))
        else:
            title = next((_BEFORE[one.source] for one in round_.added if one.source in _BEFORE), "Before the first try")
            yield Chapter(title=title, steps=_steps(round_))
    if healing.is_proposed:
        yield Chapter(title="It was not tried: this service only proposes what a build needs")
    elif succeeded:
        yield Chapter(title=f"Try {tries + 1} succeeded")
    else:
        yield Chapter(title=f"Try {tries + 1} failed, and nothing new was left to try")


def _lacks(round_: HealRound) -> str:
    causes = tuple(dict.fromkeys(one.cause for one in round_.findings if one.cause))
    more = f", and {len(causes) - 1} more" if len(causes) > 1 else ""
    return f": {causes[0]}{more}" if causes else ""


def _steps(round_: HealRound) -> tuple[Step, ...]:
    return tuple(_step(one) for one in round_.added)


def _step(one: Inference) -> Step:
    return Step(found=one.reason, done=_VERBS[one.key].format(one.value), line=one.line)
