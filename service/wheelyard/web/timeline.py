"""An attempt's stages side by side with how long each took. Must not read anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from wheelyard.domain.builds.build import Attempt, Build, Stage, Status

_MEANINGS: Final = {
    Stage.RESOLVE: "Says what is going to happen",
    Stage.FETCH: "Brings the sdist in, by its hash",
    Stage.PREPARE: "Finds or makes the images",
    Stage.BUILD: "Runs the build backend, without a network",
    Stage.REPAIR: "Audits the wheel and grafts libraries",
    Stage.VERIFY: "Installs and imports it in a bare image",
    Stage.PUBLISH: "Uploads the wheel and reads it back",
}
_SHORTEST_SHARE: Final = 2.0
"""Width of the shortest bar, in percent, so that every stage that ran can be seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageBar:
    """One stage of an attempt."""

    name: str
    meaning: str
    state: str
    """``done``, ``running``, ``failed``, ``waiting`` or ``not reached``."""
    seconds: float | None
    """None if it has not ended, or was not measured."""
    offset: float
    """Where its bar begins, in percent of the attempt."""
    share: float
    """How long its bar is, in percent of the attempt."""


def timeline(build: Build, attempt: Attempt) -> tuple[StageBar, ...]:
    """Put an attempt's stages in order."""
    return tuple(_bars(build, attempt))


def _bars(build: Build, attempt: Attempt) -> Iterator[StageBar]:
    seconds = {timing.stage: timing.seconds for timing in attempt.timings}
    total = sum(seconds.values()) or 1.0
    passed = 0.0
    for stage in Stage:
        took = seconds.get(stage)
        share = max(100 * took / total, _SHORTEST_SHARE) if took is not None else 0.0
        yield StageBar(
            name=stage.value,
            meaning=_MEANINGS[stage],
            state=_state(stage, build, attempt),
            seconds=took,
            offset=round(min(100 * passed / total, 100 - share), 2),
            share=round(share, 2),
        )
        passed += took or 0.0


def _state(stage: Stage, build: Build, attempt: Attempt) -> str:
    if attempt.finished_at is None and build.stage is not None:
        order = list(Stage)
        if stage is build.stage:
            return "running"
        return "done" if order.index(stage) < order.index(build.stage) else "waiting"
    if attempt.finished_at is None:
        return "waiting"
    if attempt.failure is not None and attempt.failure.stage is stage:
        return "failed"
    measured = any(timing.stage is stage for timing in attempt.timings)
    return "done" if measured or attempt.status is Status.SUCCEEDED else "not reached"
