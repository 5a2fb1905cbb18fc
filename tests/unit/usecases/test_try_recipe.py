"""A release is tried by the same planner and stages as in the service, and nothing of it is published."""

import asyncio
import errno
import hashlib
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.contract.samples import sample_order, sample_wheel
from tests.fakes.images import MemoryRecipes
from tests.unit.pipeline_harness import PURE, make_harness, make_wheel
from tests.unit.recipe_texts import HEAD, parse_recipe
from tests.unit.recorded_samples import predicate_of, provenance_of, read
from tests.unit.run_build_harness import Endless

from wheelyard.adapters.host.disk import disk_full_error
from wheelyard.assembly.parts import Parts
from wheelyard.cli import recipes
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.builds.build import Proof, SdistSource, SourceKind, Stage, Status
from wheelyard.domain.builds.log_text import LineSplitter, gutter_text
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import (
    BuildFailedError,
    EngineUnavailableError,
    FileExistsAlreadyError,
    InvalidWheelError,
    NoTargetFitsError,
    NotFoundError,
    UnknownProjectError,
    WheelsMissingError,
)
from wheelyard.pipeline.job import Job, StageFunction, Step, Tools
from wheelyard.pipeline.publish import save_in
from wheelyard.pipeline.steps import steps_to
from wheelyard.resources import data_path
from wheelyard.settings import Settings
from wheelyard.usecases.comparison.rebuild import RebuildWheel
from wheelyard.usecases.request_build import BroughtWheel, BuilderFacts, BuildRequest, PlanBuild
from wheelyard.usecases.run_build import AttemptOptions
from wheelyard.usecases.try_recipe import RepairWheel, TryRecipe, _read_brought

REQUEST = BuildRequest(requirement="demo", python="3.13", platform="manylinux_2_36_x86_64", requested_by="me")
WHEEL = replace(sample_wheel(), url=None, index_url=None)


class Shown:
    """The log as it was shown so far, our notes behind an arrow."""

    def __init__(self) -> None:
        self.data = b""
        self.came = asyncio.Event()
        """Set once something of a container's output was shown."""

    def __call__(self, data: bytes) -> None:
        self.data += data
        if b"printed" in data:
            self.came.set()

    @property
    def text(self) -> str:
        splitter = LineSplitter()
        return gutter_text([*splitter.feed(self.data.decode()), *splitter.end()])


async def prove(job: Job, _: Tools) -> Job:
    await job.note(f"flags {dict(job.claim.order.recipe.env)}")
    return job.knowing(wheel=WHEEL)


async def fail(job: Job, _: Tools) -> Job:
    await job.log.write(b"printed\n")
    raise BuildFailedError(release=job.claim.order.project, exit_reason="it must")


async def lose_engine(_: Job, __: Tools) -> Job:
    raise EngineUnavailableError(engine="docker", reason="it is down")


async def miss_wheels(_: Job, __: Tools) -> Job:
    raise WheelsMissingError(releases=[("other", "1.0")], target="this target")


def trial_of(folder: Path, act: StageFunction) -> TryRecipe:
    plan, tools, options = parts_of(folder)
    return TryRecipe(plan=plan, steps=[Step(stage=Stage.VERIFY, act=act)], tools=tools, options=options)


def repair_of(folder: Path, act: StageFunction) -> RepairWheel:
    plan, tools, options = parts_of(folder)
    return RepairWheel(plan=plan, steps=[Step(stage=Stage.VERIFY, act=act)], tools=tools, options=options)


def parts_of(folder: Path) -> tuple[PlanBuild, Tools, AttemptOptions]:
    harness = make_harness(folder)
    catalogue = parse_catalogue((data_path("builders") / "builders.toml").read_text(encoding="utf-8"))
    definitions = {(choice.policy.architecture, choice.suite, choice.python): "d" for choice in catalogue.builders()}
    facts = BuilderFacts(catalogue=catalogue, definitions=definitions, agent_digest="a", build_number=1)
    recipes = MemoryRecipes(parse_recipe(f"{HEAD}[[rule]]\nenv.A = '1'\napt = ['libyaml-dev']", source="demo.toml"))
    options = AttemptOptions(
        worker="me",
        folder=folder / "attempts",
        lease_seconds=20,
        log_bytes=1 << 16,
        log_ceiling_bytes=1 << 16,
        log_bytes_per_second=1 << 20,
        disk_full=disk_full_error,
    )
    return PlanBuild(source=harness.source, recipes=recipes, facts=facts), harness.tools, options


def test_order_for_a_wheel_has_the_packages_of_each_place_that_it_may_be_proven_on(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    rules = "[[rule]]\ntest.apt = ['libgl1']\n[[rule]]\nwhen.suite = ['trixie']\ntest.apt = ['libgl1t64']"
    recipes = MemoryRecipes(parse_recipe(f"{HEAD}{rules}", source="demo.toml"))
    plan = PlanBuild(source=make_harness(tmp_path).source, recipes=recipes, facts=parts[0]._facts)
    name = "demo-1.0-cp313-cp313-manylinux_2_31_x86_64.whl"
    order = plan.bring(BroughtWheel(filename=name, url="file:x", sha256="0" * 64, size_bytes=1, requires_python=None))
    both = ("libgl1", "libgl1t64")
    assert order.recipe.test_apt == ("libgl1",)
    pythons = parts[0]._facts.catalogue.suite["trixie"].pythons
    assert dict(order.recipe.test_apt_on) == {f"trixie {python}": both for python in pythons}


def test_same_bytes_under_another_name_are_another_order(tmp_path: Path) -> None:
    parts = parts_of(tmp_path)
    plan = PlanBuild(source=make_harness(tmp_path).source, recipes=MemoryRecipes(), facts=parts[0]._facts)
    names = [f"demo-1.0-{tag}-manylinux_2_31_x86_64.whl" for tag in ("cp313-cp313", "cp313-abi3")]
    wheels = [
        BroughtWheel(filename=name, url="file:x", sha256="0" * 64, size_bytes=1, requires_python=None) for name in names
    ]
    orders = [plan.bring(wheel) for wheel in (*wheels, wheels[0])]
    assert orders[0].key != orders[1].key
    assert orders[0].key == orders[2].key


async def test_log_is_shown_and_the_proven_wheel_is_the_result(tmp_path: Path) -> None:
    shown = Shown()
    build = await trial_of(tmp_path, prove)(REQUEST, show=shown)
    assert (build.status, build.wheel, build.failure) == (Status.SUCCEEDED, WHEEL, None)
    assert shown.text == "==> stage verify\n==> flags {'A': '1'}\n"


async def test_build_has_one_attempt_that_records_how_it_went(tmp_path: Path) -> None:
    shown = Shown()
    build = await trial_of(tmp_path, prove)(REQUEST, show=shown)
    (attempt,) = build.attempts
    assert (attempt.number, attempt.worker, attempt.status) == (1, "me", Status.SUCCEEDED)
    assert attempt.log_size_bytes == len(shown.data) > 0
    assert [timing.stage for timing in attempt.timings] == [Stage.VERIFY]
    assert build.started_at is not None
    assert build.finished_at is not None
    assert build.created_at <= build.started_at <= build.finished_at
    assert build.order.project == "demo"


async def test_log_is_shown_while_the_build_runs(tmp_path: Path) -> None:
    shown = Shown()

    async def wait_for_the_reader(job: Job, _: Tools) -> Job:
        await job.log.write(b"printed\n")
        await asyncio.wait_for(shown.came.wait(), 10)
        await job.note("seen")
        return job.knowing(wheel=WHEEL)

    build = await trial_of(tmp_path, wait_for_the_reader)(REQUEST, show=shown)
    assert build.status is Status.SUCCEEDED
    assert shown.text == "==> stage verify\n| printed\n==> seen\n"


async def test_failure_is_a_result(tmp_path: Path) -> None:
    shown = Shown()
    build = await trial_of(tmp_path, fail)(REQUEST, show=shown)
    assert build.failure is not None
    assert (build.status, build.failure.code, build.wheel) == (Status.FAILED, "build-failed", None)
    assert build.attempts[0].failure == build.failure
    assert "| printed\n==> verify failed:" in shown.text


@pytest.mark.parametrize(("act", "code"), [(lose_engine, "engine-unavailable"), (miss_wheels, "wheels-missing")])
async def test_what_a_worker_would_try_again_later_is_a_failure_at_once(
    tmp_path: Path, act: StageFunction, code: str
) -> None:
    shown = Shown()
    build = await trial_of(tmp_path, act)(REQUEST, show=shown)
    assert build.failure is not None
    assert "==> verify failed:" in shown.text
    assert (build.status, build.attempts[0].status, build.failure.code) == (Status.FAILED, Status.FAILED, code)


async def test_interrupt_stops_the_stage_and_leaves_nothing(tmp_path: Path) -> None:
    stage, shown = Endless(), Shown()
    trial = asyncio.create_task(trial_of(tmp_path, stage)(REQUEST, show=shown))
    await asyncio.wait_for(stage.begun.wait(), 10)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(trial, 10)
    assert stage.stopped
    assert list((tmp_path / "attempts").iterdir()) == []
    assert shown.text == "==> stage verify\n"


async def test_request_that_is_refused_is_an_error(tmp_path: Path) -> None:
    shown = Shown()
    with pytest.raises(UnknownProjectError):
        await trial_of(tmp_path, prove)(replace(REQUEST, requirement="nothing"), show=shown)
    assert shown.data == b""


async def test_wheel_is_kept_as_it_was_verified(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    job = harness.repaired()
    await save_in(tmp_path / "dist" / "new")(job, harness.tools)
    assert job.repaired is not None
    (kept,) = (tmp_path / "dist" / "new").iterdir()
    assert (kept.name, kept.read_bytes()) == (job.repaired.path.name, job.repaired.path.read_bytes())


async def test_other_wheel_of_the_same_name_is_not_replaced_unless_it_may_be(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    job, folder = harness.repaired(), tmp_path / "dist"
    keep = save_in(folder, may_replace=False)
    await keep(job, harness.tools)
    await keep(job, harness.tools)
    (saved,) = folder.iterdir()
    saved.write_bytes(b"another")
    with pytest.raises(FileExistsAlreadyError):
        await keep(job, harness.tools)
    assert saved.read_bytes() == b"another"
    await save_in(folder)(job, harness.tools)
    assert saved.read_bytes() != b"another"


async def test_wheel_that_cannot_be_saved_whole_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_the_disk(_: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "full")

    harness = make_harness(tmp_path)
    monkeypatch.setattr(shutil, "copyfile", fill_the_disk)
    with pytest.raises(OSError, match="full"):
        await save_in(tmp_path / "dist")(harness.repaired(), harness.tools)
    assert list((tmp_path / "dist").iterdir()) == []


async def test_recorded_build_is_run_with_its_own_recipe_and_without_a_proof(tmp_path: Path) -> None:
    plan, tools, options = parts_of(tmp_path)
    today, recipe, shown = await plan.decide(REQUEST), EffectiveRecipe(env=(("A", "2"),)), Shown()
    recorded = replace(
        read(provenance_of(predicate_of(sample_order()))),
        project=today.project,
        version=today.version,
        suite=today.builder,
        sdist_sha256=today.sdist.sha256,
        recipe={"env": recipe.env},
        recipe_digest=recipe.digest,
    )

    async def deliver(job: Job, _: Tools) -> Job:
        await job.note(f"flags {dict(job.claim.order.recipe.env)}")
        return job

    rebuild = RebuildWheel(plan=plan, steps=[Step(stage=Stage.PUBLISH, act=deliver)], tools=tools, options=options)
    build = await rebuild(recorded, show=shown)
    assert (build.status, build.wheel, build.order.recipe) == (Status.SUCCEEDED, None, recipe)
    assert "==> flags {'A': '2'}" in shown.text
    assert [step.stage for step in steps_to(deliver, proven=False)][-2:] == [Stage.REPAIR, Stage.PUBLISH]


def test_last_stage_alone_may_be_another_or_none() -> None:
    *proving, last = steps_to(prove)
    assert [step.stage for step in proving] == list(Stage)[:-1]
    assert last == Step(stage=Stage.PUBLISH, act=prove)
    assert steps_to(None) == tuple(proving)


async def print_without_end(job: Job, _: Tools) -> Job:
    await job.log.write(b"one\n==> half")
    await job.note("between")
    await job.log.write(b"\xe2\x82 the last words")
    return job.knowing(wheel=WHEEL)


async def test_last_line_without_an_end_is_shown_and_each_line_says_whose_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trial_of(tmp_path, print_without_end)

    @asynccontextmanager
    async def open_trial(*_: object, **__: object) -> AsyncIterator[TryRecipe]:
        yield trial

    monkeypatch.setattr(recipes, "open_trial", open_trial)
    options = recipes.TrialOptions(python="3.13", platform=REQUEST.platform, folder=None, keep=None)
    await recipes._run("demo", options, Settings(state_dir=tmp_path / "state"))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["==> stage verify", "| one", "| ==> half", "==> between", "| \ufffd the last words"]


async def test_wheel_becomes_an_order_with_what_its_recipe_says_of_repair(tmp_path: Path) -> None:
    wheel = tmp_path / PURE
    wheel.write_bytes(make_wheel())
    build = await repair_of(tmp_path, prove)(wheel, show=Shown())
    order = build.order
    assert order.sdist == SdistSource(
        filename=PURE,
        url=wheel.as_uri(),
        sha256=hashlib.sha256(make_wheel()).hexdigest(),
        size_bytes=len(make_wheel()),
        kind=SourceKind.WHEEL,
    )
    assert (order.is_brought, order.builder, order.requirement) == (True, "bookworm", "demo==1.0")
    assert (order.recipe.apt, order.recipe.env) == (("libyaml-dev",), ())
    assert (build.status, build.wheel) == (Status.SUCCEEDED, WHEEL)


async def test_suite_of_a_repair_can_be_named(tmp_path: Path) -> None:
    wheel = tmp_path / PURE
    wheel.write_bytes(make_wheel())
    build = await repair_of(tmp_path, prove)(wheel, suite="trixie", show=Shown())
    assert (build.order.builder, build.order.target.platform) == ("trixie", "manylinux_2_41_x86_64")


def test_wheel_that_may_not_be_read_is_refused_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("wheelyard.usecases.try_recipe.check_wheel", refuse)
    (tmp_path / PURE).write_bytes(make_wheel())
    with pytest.raises(InvalidWheelError, match="it cannot be read \\(Permission denied\\)"):
        _read_brought(tmp_path / PURE, None)


@pytest.mark.parametrize(
    ("filename", "content", "error"),
    [
        ("nothing-1.0-py3-none-any.whl", None, NotFoundError),
        (PURE, b"no zip", InvalidWheelError),
        ("demo.whl", make_wheel(), InvalidWheelError),
        ("other-1.0-py3-none-any.whl", make_wheel(), InvalidWheelError),
        ("demo-1.0-cp39-cp39-win_amd64.whl", make_wheel("demo-1.0-cp39-cp39-win_amd64.whl"), NoTargetFitsError),
    ],
)
async def test_file_that_cannot_be_taken_is_an_error_before_anything_runs(
    tmp_path: Path, filename: str, content: bytes | None, error: type[Exception]
) -> None:
    shown = Shown()
    if content is not None:
        (tmp_path / filename).write_bytes(content)
    with pytest.raises(error):
        await repair_of(tmp_path, prove)(tmp_path / filename, show=shown)
    assert shown.data == b""


def test_files_are_repaired_in_turn_and_one_refusal_does_not_stop_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "broken-1.0-py3-none-any.whl", tmp_path / PURE]
    for file in files:
        file.write_bytes(make_wheel())
    proofs = (Proof(suite="bookworm", python="3.13", platform="p", imported_modules=("demo",), runtime_image="i"),)

    async def change(job: Job, _: Tools) -> Job:
        return job.knowing(wheel=replace(WHEEL, proofs=proofs, changes=("It was written anew, with a build tag.",)))

    repair = repair_of(tmp_path, change)

    @asynccontextmanager
    async def open_repair(*_: object, **__: object) -> AsyncIterator[RepairWheel]:
        yield repair

    async def make_parts(settings: Settings) -> Parts:
        return Parts(settings)

    monkeypatch.setattr(recipes, "open_repair", open_repair)
    monkeypatch.setattr(recipes, "make_parts", make_parts)
    monkeypatch.setattr(recipes, "configure_logs", lambda **_: None)  # other tests read this process's logs
    monkeypatch.setattr(recipes, "load_settings", lambda: Settings(state_dir=tmp_path / "state"))
    options = recipes.RepairOptions(keep=tmp_path / "out", suite=None, folder=None)

    with capture_logs():
        code = recipes.repair_files(files, options, as_json=False)

    printed = capsys.readouterr().out
    assert code is ExitCode.BUILD_FAILED
    assert "broken-1.0-py3-none-any.whl\n  result   refused: invalid-wheel\n" in printed
    assert f"{PURE}\n  result   changed into\n    {WHEEL.filename}\n" in printed
    assert "  change   It was written anew, with a build tag.\n  proven   bookworm, Python 3.13\n" in printed
    assert max(map(len, printed.replace(WHEEL.filename, "").splitlines())) <= 80

    with capture_logs():
        assert recipes.repair_files(files[1:], options, as_json=True) is ExitCode.OK
    (document,) = json.loads(capsys.readouterr().out)
    assert (document["result"], document["wheel"]["filename"]) == ("changed", WHEEL.filename)
    assert document["wheel"]["proofs"][0]["suite"] == "bookworm"
