"""The stages in order. A new stage is a function and a line here, never a branch."""

from typing import Final

from wheelyard.domain.builds.build import Stage
from wheelyard.pipeline.job import StageFunction, Step
from wheelyard.pipeline.narrow import build_narrowed
from wheelyard.pipeline.prepare import fetch, prepare, resolve
from wheelyard.pipeline.repair import repair
from wheelyard.pipeline.verify import verify

_STEPS: Final[tuple[Step, ...]] = (
    Step(stage=Stage.RESOLVE, act=resolve),
    Step(stage=Stage.FETCH, act=fetch),
    Step(stage=Stage.PREPARE, act=prepare),
    Step(stage=Stage.BUILD, act=build_narrowed),
    Step(stage=Stage.REPAIR, act=repair),
    Step(stage=Stage.VERIFY, act=verify),
)


def steps_to(last: StageFunction | None) -> tuple[Step, ...]:
    """Return the stages; the last one, if there is one, delivers the verified wheel."""
    return _STEPS if last is None else (*_STEPS, Step(stage=Stage.PUBLISH, act=last))
