"""Narrow constraints on build requirements to the one that matters, by building again with one alone.

A drift of which the log does not say whose it is takes all build requirements back to the day of the release. Once that
has worked, each that is known to break projects is tried alone, at most ``_MOST_TRIES`` of them.
"""

from dataclasses import replace
from typing import Final

from wheelyard.domain.healing.healing import Inference, InferenceSource
from wheelyard.errors import BuildFailedError
from wheelyard.pipeline.build import build
from wheelyard.pipeline.job import Job, Tools

_KEY: Final = "build-constraints"
_USUAL: Final = (
    "setuptools",
    "cython",
    "numpy",
    "pybind11",
    "scikit-build",
    "scikit-build-core",
    "meson-python",
    "cffi",
)
"""Build requirements whose releases took something away that projects used, the most frequent first."""
_MOST_TRIES: Final = 2


async def build_narrowed(job: Job, tools: Tools) -> Job:
    """Build the wheel; if several constraints were inferred for it, build it again with one of them, if that works."""
    built = await build(job, tools)
    several = _inferred(job)
    if len(several) < 2:  # noqa: PLR2004  one needs no narrowing
        return built
    for one in sorted(several, key=_rank)[:_MOST_TRIES]:
        await job.note(f"it was built; is {one.value} alone enough?")
        try:
            return await build(_with_only(job, one, several), tools)
        except BuildFailedError as error:
            await job.note(f"{one.value} alone is not enough: {error.exit_reason}")
    return built


def _inferred(job: Job) -> list[Inference]:
    """Return the constraints that the last round of healing added."""
    rounds = job.healing.rounds if job.healing else ()
    last = rounds[-1].added if rounds else ()
    return [one for one in last if one.key == _KEY and one.source is InferenceSource.FAILURE]


def _rank(one: Inference) -> int:
    name = one.value.partition("<")[0]
    return _USUAL.index(name) if name in _USUAL else len(_USUAL)


def _with_only(job: Job, one: Inference, several: list[Inference]) -> Job:
    """Return the job as if only one of several constraints had been added."""
    dropped = {other.value for other in several if other is not one}
    order = job.claim.order
    kept = tuple(text for text in order.recipe.build_constraints if text not in dropped)
    shorter = replace(order, recipe=replace(order.recipe, build_constraints=kept))
    healing = job.healing
    if healing is not None:
        *former, last = healing.rounds
        added = tuple(other for other in last.added if other.key != _KEY or other.value not in dropped)
        healing = replace(healing, rounds=(*former, replace(last, added=added)))
    return job.knowing(claim=replace(job.claim, order=shorter), healing=healing)
