"""The stages in order. A new stage is a function and a line here, never a branch."""

from typing import Final

from wheelyard.domain.builds.build import SourceKind, Stage
from wheelyard.pipeline.brought import fetch_wheel, prepare_repair, prove_everywhere, repair_brought, take_wheel
from wheelyard.pipeline.git_source import fetch_address, fetch_commit, fetch_local, prepare_source
from wheelyard.pipeline.job import Job, StageFunction, Step, Tools
from wheelyard.pipeline.narrow import build_narrowed
from wheelyard.pipeline.prepare import fetch, prepare, resolve
from wheelyard.pipeline.repair import repair
from wheelyard.pipeline.verify import verify


def _by_source(
    *,
    sdist: StageFunction,
    wheel: StageFunction,
    git: StageFunction | None = None,
    local: StageFunction | None = None,
    file: StageFunction | None = None,
) -> StageFunction:
    """Return the stage's function for what an order starts from: the only place that decides it.

    A commit, and what a caller sent, have the stages of an sdist once their sdist is made.
    """
    functions = {
        SourceKind.SDIST: sdist,
        SourceKind.WHEEL: wheel,
        SourceKind.GIT: git or sdist,
        SourceKind.LOCAL: local or sdist,
        SourceKind.FILE: file or sdist,
    }

    async def act(job: Job, tools: Tools) -> Job:
        return await functions[job.claim.order.sdist.kind](job, tools)

    return act


_STEPS: Final[tuple[Step, ...]] = (
    Step(stage=Stage.RESOLVE, act=resolve),
    Step(
        stage=Stage.FETCH,
        act=_by_source(sdist=fetch, wheel=fetch_wheel, git=fetch_commit, local=fetch_local, file=fetch_address),
    ),
    Step(
        stage=Stage.PREPARE,
        act=_by_source(sdist=prepare, wheel=prepare_repair, git=prepare_source, local=prepare_source),
    ),
    Step(stage=Stage.BUILD, act=_by_source(sdist=build_narrowed, wheel=take_wheel)),
    Step(stage=Stage.REPAIR, act=_by_source(sdist=repair, wheel=repair_brought)),
    Step(stage=Stage.VERIFY, act=_by_source(sdist=verify, wheel=prove_everywhere)),
)


def steps_to(last: StageFunction | None, *, proven: bool = True) -> tuple[Step, ...]:
    """Return the stages; the last one, if there is one, delivers the verified wheel.

    Without a proof, the wheel may only be compared.
    """
    steps = tuple(step for step in _STEPS if proven or step.stage is not Stage.VERIFY)
    return steps if last is None else (*steps, Step(stage=Stage.PUBLISH, act=last))
