"""A release is tried by the same planner and stages as in the service, and nothing of it is published."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.contract.samples import sample_wheel
from tests.unit.pipeline_stand import make_stand
from tests.unit.recipe_texts import HEAD

from wheelyard.adapters.memory_images import MemoryRecipeBook
from wheelyard.adapters.memory_state import MemoryState
from wheelyard.adapters.memory_store import MemoryAttempts, MemoryBuilds, MemoryLogs
from wheelyard.cli import recipe_trial
from wheelyard.domain.builds.build import Stage, Status
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.recipes.recipe import parse_recipe
from wheelyard.errors import BuildFailedError, UnknownProjectError
from wheelyard.pipeline.job import Job, Step, Tools
from wheelyard.pipeline.keep import keep_in
from wheelyard.pipeline.steps import STEPS, steps_without_publishing
from wheelyard.resources import data_path
from wheelyard.settings import Settings
from wheelyard.usecases.follow_log import FollowLog
from wheelyard.usecases.request_build import BuilderFacts, BuildRequest, RequestBuild
from wheelyard.usecases.run_build import AttemptOptions, RunBuild
from wheelyard.usecases.try_recipe import TryRecipe

REQUEST = BuildRequest(requirement="demo", python="3.13", platform="manylinux_2_36_x86_64", requested_by="me")


class Screen:
    def __init__(self) -> None:
        self.text = ""

    async def write(self, data: bytes) -> None:
        self.text += data.decode()

    async def note(self, text: str, *, stage: str | None = None) -> None:  # noqa: ARG002
        self.text += f"==> {text}\n"


async def prove(job: Job, _: Tools) -> Job:
    await job.note(f"flags {dict(job.claim.order.recipe.env)}")
    return job.knowing(wheel=replace(sample_wheel(), url=None, index_url=None))


async def fail(job: Job, _: Tools) -> Job:
    raise BuildFailedError(release=job.claim.order.project, exit_reason="it must")


def trial_of(folder: Path, step: Step) -> TryRecipe:
    stand = make_stand(folder)
    state = MemoryState(clock=lambda: datetime.now(UTC))
    builds = MemoryBuilds(state)
    catalogue = parse_catalogue((data_path("builders") / "builders.toml").read_text(encoding="utf-8"))
    definitions = {(choice.policy.architecture, choice.suite, choice.python): "d" for choice in catalogue.builders()}
    facts = BuilderFacts(catalogue=catalogue, definitions=definitions, agent_digest="a", build_number=1)
    recipes = MemoryRecipeBook(parse_recipe(f"{HEAD}[[rule]]\nenv.A = '1'", source="demo.toml"))
    options = AttemptOptions(
        worker="me",
        folder=folder / "attempts",
        lease_seconds=20,
        log_bytes=1 << 16,
        log_ceiling_bytes=1 << 16,
        log_bytes_per_second=1 << 20,
    )
    return TryRecipe(
        request_build=RequestBuild(source=stand.source, store=builds, recipes=recipes, facts=facts),
        run_build=RunBuild(store=MemoryAttempts(state), steps=[step], tools=stand.tools, options=options),
        follow_log=FollowLog(builds=builds, logs=MemoryLogs(state)),
        builds=builds,
    )


async def test_log_is_handed_on_and_the_proven_wheel_is_the_result(tmp_path: Path) -> None:
    screen = Screen()
    build = await trial_of(tmp_path, Step(stage=Stage.VERIFY, act=prove))(REQUEST, log=screen)
    assert (build.status, build.wheel) == (Status.SUCCEEDED, replace(sample_wheel(), url=None, index_url=None))
    assert screen.text == "==> stage verify\n==> flags {'A': '1'}\n"


async def test_failure_is_a_result(tmp_path: Path) -> None:
    build = await trial_of(tmp_path, Step(stage=Stage.BUILD, act=fail))(REQUEST, log=Screen())
    assert build.failure is not None
    assert (build.status, build.failure.code) == (Status.FAILED, "build-failed")


async def test_request_that_is_refused_is_an_error(tmp_path: Path) -> None:
    trial = trial_of(tmp_path, Step(stage=Stage.VERIFY, act=prove))
    with pytest.raises(UnknownProjectError):
        await trial(replace(REQUEST, requirement="nothing"), log=Screen())


async def test_wheel_is_kept_as_it_was_verified(tmp_path: Path) -> None:
    stand = make_stand(tmp_path)
    job = stand.repaired()
    await keep_in(tmp_path / "dist" / "new")(job, stand.tools)
    assert job.repaired is not None
    (kept,) = (tmp_path / "dist" / "new").iterdir()
    assert (kept.name, kept.read_bytes()) == (job.repaired.path.name, job.repaired.path.read_bytes())


def test_every_stage_but_publishing_is_the_services_own() -> None:
    assert steps_without_publishing(None) == STEPS[:-1]
    *proving, last = steps_without_publishing(prove)
    assert tuple(proving) == STEPS[:-1]
    assert last == Step(stage=Stage.PUBLISH, act=prove)


async def print_without_end(job: Job, _: Tools) -> Job:
    await job.log.write(b"one\n==> half")
    await job.note("between")
    await job.log.write(b"\xe2\x82 the last words")
    return job.knowing(wheel=replace(sample_wheel(), url=None, index_url=None))


async def test_last_line_without_an_end_is_shown_and_each_line_says_whose_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trial_of(tmp_path, Step(stage=Stage.VERIFY, act=print_without_end))

    @asynccontextmanager
    async def open_trial(*_: object, **__: object) -> AsyncIterator[TryRecipe]:
        yield trial

    monkeypatch.setattr(recipe_trial, "open_trial", open_trial)
    options = recipe_trial.TrialOptions(python="3.13", platform=REQUEST.platform, folder=None, keep=None)
    await recipe_trial._run("demo", options, Settings(state_dir=tmp_path / "state"))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["==> stage verify", "| one", "| ==> half", "==> between", "| \ufffd the last words"]
