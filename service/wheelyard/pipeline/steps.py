"""The stages in order. Adding one adds a function and a line here, never a branch."""

from typing import Final

from wheelyard.domain.builds.build import Stage
from wheelyard.pipeline.build import build
from wheelyard.pipeline.fetch import fetch
from wheelyard.pipeline.job import StageFunction, Step
from wheelyard.pipeline.prepare import prepare
from wheelyard.pipeline.publish import publish
from wheelyard.pipeline.repair import repair
from wheelyard.pipeline.resolve import resolve
from wheelyard.pipeline.verify import verify

STEPS: Final[tuple[Step, ...]] = (
    Step(stage=Stage.RESOLVE, act=resolve),
    Step(stage=Stage.FETCH, act=fetch),
    Step(stage=Stage.PREPARE, act=prepare),
    Step(stage=Stage.BUILD, act=build),
    Step(stage=Stage.REPAIR, act=repair),
    Step(stage=Stage.VERIFY, act=verify),
    Step(stage=Stage.PUBLISH, act=publish),
)


def steps_without_publishing(keep: StageFunction | None) -> tuple[Step, ...]:
    """List the stages for a wheel that nobody else shall get; it is kept if there is a stage for it."""
    proving = tuple(step for step in STEPS if step.stage is not Stage.PUBLISH)
    return proving if keep is None else (*proving, Step(stage=Stage.PUBLISH, act=keep))
