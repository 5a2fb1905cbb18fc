"""Stage build: what a container may ask for, what it may hand over, and what its failures become."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine import Script, ScriptedAgent
from tests.fakes.sources import MemorySourceIndex
from tests.unit.pipeline_harness import PURE, SDIST, PipelineHarness, honest_build, make_harness, make_wheel

from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile, SourceFile
from wheelyard.errors import (
    BuildRequirementsError,
    BuildTimeoutError,
    EngineUnavailableError,
    HashMismatchError,
    ProjectError,
    RecipeError,
    SourceMismatchError,
    UntrustedOutputError,
    WheelsMissingError,
    WheelyardError,
)
from wheelyard.pipeline.build import build
from wheelyard.pipeline.job import known
from wheelyard.pipeline.prepare import fetch


def reporting(kind: str = "report", **fields: object) -> Script:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send_file(PURE, make_wheel())
        agent.send(kind, **fields)

    return script


def asking(*rounds: object) -> Script:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        for requirements in rounds:
            agent.send("need", requirements=requirements)
            await agent.receive()
        agent.send_file(PURE, make_wheel())
        agent.send("report", wheel=PURE, epoch=1, sources=[])

    return script


async def test_wheel_and_epoch_are_kept(pipeline: PipelineHarness) -> None:
    built = (await build(pipeline.prepared, pipeline.tools)).built
    assert built is not None
    assert (built.path.name, built.path.read_bytes(), built.epoch) == (PURE, make_wheel(), 315532800)
    assert built.requirements == ()


async def test_modules_that_the_log_says_are_made_are_kept(pipeline: PipelineHarness) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.write_log(b"running build_ext\nbuilding 'demo._")
        await agent.write_log(
            b"c' extension\nbuilding 'demo._c' extension\n" + b"x" * 5000 + b"\nbuilding 'demo._d\x1b'"
        )
        await agent.write_log(b' extension\nbuilding extension "demo._e" failed')
        await honest_build(agent)

    pipeline.engine.scripts = [script]
    built = known((await build(pipeline.prepared, pipeline.tools)).built)
    assert [(one.name, one.line) for one in built.tried] == [
        ("demo._c", "building 'demo._c' extension"),
        ("demo._e", 'building extension "demo._e" failed'),
    ]
    assert b"x" * 5000 in pipeline.log.data


async def test_number_of_tried_modules_is_limited(pipeline: PipelineHarness) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.write_log(b"".join(b"building 'm%d' extension\n" % number for number in range(1000)))
        await honest_build(agent)

    pipeline.engine.scripts = [script]
    built = known((await build(pipeline.prepared, pipeline.tools)).built)
    assert len(built.tried) == 500


async def test_agent_gets_the_sdist_and_the_recipes_words(pipeline: PipelineHarness) -> None:
    seen: dict[str, Any] = {}

    async def script(agent: ScriptedAgent) -> None:
        seen["job"] = await agent.receive()
        seen["sdist"], seen["program"] = agent.files["demo-1.0.tar.gz"].data, agent.program
        agent.send_file(PURE, make_wheel())
        agent.send("report", wheel=PURE, epoch=1, sources=[])

    recipe = EffectiveRecipe(
        env=(("CFLAGS", "-O1"),),
        config_settings=(("editable", "no"), ("setup-args", ("-Da=1", "-Db=2"))),
        patches=(RecipeFile.of("a.patch", b"p"),),
        before_build=(RecipeFile.of("b.sh", b"b"),),
        after_build=(RecipeFile.of("c.sh", b"c"),),
    )
    pipeline.order = replace(pipeline.order, recipe=recipe)
    pipeline.engine.scripts = [script]
    await build(pipeline.prepared, pipeline.tools)
    assert (seen["sdist"], seen["program"]) == (SDIST, b"the agent")
    job = seen["job"]
    assert job["env"] == {"CFLAGS": "-O1"}
    assert job["config_settings"] == {"editable": "no", "setup-args": ["-Da=1", "-Db=2"]}
    assert job["patches"] == [{"name": "a.patch", "base64": "cA=="}]
    assert job["hooks"] == {
        "before-build": [{"name": "b.sh", "base64": "Yg=="}],
        "after-build": [{"name": "c.sh", "base64": "Yw=="}],
    }
    assert seen["job"]["python"] == "/opt/python/3.13/bin/python3.13"


async def test_recipes_sources_are_fetched_by_hash_and_sent_with_their_places(pipeline: PipelineHarness) -> None:
    seen: dict[str, Any] = {}

    async def script(agent: ScriptedAgent) -> None:
        seen["job"] = await agent.receive()
        seen["files"] = {name: file.data for name, file in agent.files.items()}
        agent.send_file(PURE, make_wheel())
        agent.send("report", wheel=PURE, epoch=1, sources=[])

    added = [pipeline.source.add(name, name.encode()) for name in ("lib-1.0.tar.gz", "other-2.0.zip")]
    sources = tuple(
        SourceFile(url=f"{file.url}", sha256=file.sha256, to=to)
        for file, to in zip(added, ("a.tgz", "b/"), strict=True)
    )
    pipeline.order = replace(pipeline.order, recipe=EffectiveRecipe(sources=sources))
    pipeline.engine.scripts = [script]
    fetched = await fetch(pipeline.job, pipeline.tools)
    await build(pipeline.prepared.knowing(sources=fetched.sources), pipeline.tools)
    assert [(one["file"], one["to"]) for one in seen["job"]["sources"]] == [("source-0", "a.tgz"), ("source-1", "b/")]
    assert (seen["files"]["source-0"], seen["files"]["source-1"]) == (b"lib-1.0.tar.gz", b"other-2.0.zip")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://files.acme.example/acme-lib-1.0.tar.gz?x=a/b", "source-acme-lib-1.0.tar.gz"),
        ("https://files.acme.example/acme-1.0", "source-acme-1.0"),
        ("https://files.acme.example/", "source-"),
    ],
)
async def test_source_does_not_pass_for_a_release_of_a_project(pipeline: PipelineHarness, url: str, name: str) -> None:
    asked: list[IndexFile] = []

    class Asked(MemorySourceIndex):
        async def fetch(self, file: IndexFile) -> Path:
            asked.append(file)
            return pipeline.folder

    source = SourceFile(url=url, sha256="0" * 64, to="lib/")
    pipeline.order = replace(pipeline.order, recipe=EffectiveRecipe(sources=(source,)))
    await fetch(pipeline.job, replace(pipeline.tools, source=Asked(pipeline.folder)))
    (file,) = asked[1:]
    assert file.filename == name
    OwnProjects.of(["acme", "acme-*"]).refuse(file.project)


async def test_source_with_other_bytes_than_promised_ends_the_attempt(pipeline: PipelineHarness) -> None:
    file = pipeline.source.add("lib-1.0.tar.gz", b"lib")
    source = SourceFile(url=file.url, sha256="0" * 64, to="lib/")
    pipeline.order = replace(pipeline.order, recipe=EffectiveRecipe(sources=(source,)))
    with pytest.raises(SourceMismatchError) as caught:
        await fetch(pipeline.job, pipeline.tools)
    assert (caught.value.url, caught.value.found, caught.value.retryable) == (file.url, file.sha256, False)
    assert "expects sha256 000000" in str(caught.value)
    assert "correct sources.sha256" in caught.value.hint


async def test_sdist_with_other_bytes_than_promised_is_the_mirrors_fault(pipeline: PipelineHarness) -> None:
    pipeline.source.altered = True
    with pytest.raises(HashMismatchError):
        await fetch(pipeline.job, pipeline.tools)


async def test_build_requirements_are_amended_by_the_recipe(pipeline: PipelineHarness) -> None:
    names = ("cmake-4.0-py3-none-any.whl", "ninja-1.0-py3-none-any.whl")
    pipeline.resolver.wheels = [pipeline.source.add(name, name.encode()) for name in names]
    recipe = EffectiveRecipe(build_requires=("cmake",), dropped_requires=("ninja",))
    pipeline.order = replace(pipeline.order, recipe=recipe)
    pipeline.engine.scripts = [asking(["Ninja>=1"])]
    built = (await build(pipeline.prepared, pipeline.tools)).built
    assert built is not None
    assert [one.filename for one in built.requirements] == [names[0]]


async def test_container_has_the_limits_and_labels_of_the_job(pipeline: PipelineHarness) -> None:
    await build(pipeline.prepared, pipeline.tools)
    (spec,) = pipeline.engine.runs
    assert (spec.image, spec.limits) == ("builder", pipeline.limits.default)
    assert {"org.wheelyard.worker": "worker-1", "org.wheelyard.build": "b1"}.items() <= dict(spec.labels).items()
    assert pipeline.engine.running == {}


async def test_each_build_requirement_is_sent_once_and_recorded(pipeline: PipelineHarness) -> None:
    got: list[list[str]] = []

    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        for requirements in (["flit-core"], ["flit-core", "wheel>=0.40"]):
            agent.send("need", requirements=requirements)
            got.append((await agent.receive())["files"])
            assert set(got[-1]) <= agent.files.keys()
        agent.files.clear()
        agent.send("need", requirements=["flit-core"])
        await agent.receive()
        assert not agent.files
        agent.send_file(PURE, make_wheel())
        agent.send("report", wheel=PURE, epoch=1, sources=[])

    flit, wheel = "flit_core-3.12.0-py3-none-any.whl", "wheel-0.45.1-py3-none-any.whl"
    pipeline.resolver.wheels = [pipeline.source.add(name, name.encode()) for name in (flit, wheel)]
    pipeline.engine.scripts = [script]
    built = (await build(pipeline.prepared, pipeline.tools)).built
    assert got == [[flit], [flit, wheel]]
    assert built is not None
    assert [one.filename for one in built.requirements] == [flit, wheel]
    assert "build requirements: flit-core, wheel>=0.40" in pipeline.log.text


async def test_build_constraints_of_the_recipe_bind(pipeline: PipelineHarness) -> None:
    names = ("cython-3.0.12-py3-none-any.whl", "cython-3.1.0-py3-none-any.whl")
    pipeline.resolver.wheels = [pipeline.source.add(name, name.encode()) for name in names]
    pipeline.order = replace(pipeline.order, recipe=EffectiveRecipe(build_constraints=("cython<3.1",)))
    pipeline.engine.scripts = [asking(["cython"])]
    built = (await build(pipeline.prepared, pipeline.tools)).built
    assert built is not None
    assert [one.filename for one in built.requirements] == [names[0]]


async def test_requirement_without_a_wheel_is_a_failure_of_its_own(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts = [asking(["no-such-backend"])]
    with pytest.raises(BuildRequirementsError, match="no-such-backend"):
        await build(pipeline.prepared, pipeline.tools)
    assert pipeline.engine.running == {}


async def test_requirement_that_could_be_built_is_named_once_the_container_is_gone(pipeline: PipelineHarness) -> None:
    pipeline.resolver.buildable = {"backend": "2.0"}
    pipeline.engine.scripts = [asking(["backend>=1"])]
    with pytest.raises(WheelsMissingError) as caught:
        await build(pipeline.prepared, pipeline.tools)
    assert caught.value.releases == (("backend", "2.0"),)
    assert pipeline.engine.running == {}


@pytest.mark.parametrize("text", ["--index-url=x", "a @ file:///etc/passwd", "a; os_name ~= 'x'", "a\nb", "-r /x", ""])
async def test_requirement_that_is_no_plain_one_reaches_no_resolver(pipeline: PipelineHarness, text: str) -> None:
    pipeline.engine.scripts = [asking([text])]
    with pytest.raises(BuildRequirementsError):
        await build(pipeline.prepared, pipeline.tools)


@pytest.mark.parametrize(
    "script",
    [
        asking([], [], [], []),
        asking([f"p{number}" for number in range(201)]),
        asking([f"p{number}; {'(' * 30}os_name=='{'x' * 600}'{')' * 30}" for number in range(100)]),
        asking("setuptools"),
        asking([["setuptools"]]),
        asking(None),
        reporting("unknown"),
        reporting("x" * 1000),
        reporting(wheel=PURE),
        reporting(wheel=PURE, epoch="now"),
        reporting(wheel=PURE, epoch=-1),
        reporting(wheel=PURE, epoch=10**400),
        reporting(wheel="other-1.0-py3-none-any.whl", epoch=1),
        reporting(wheel=f"../{PURE}", epoch=1),
        reporting(wheel="x" * 5000, epoch=1),
        reporting(wheel=None, epoch=1),
        reporting(epoch=1),
    ],
)  # fmt: skip
async def test_what_is_not_agreed_on_is_refused(pipeline: PipelineHarness, script: Script) -> None:
    pipeline.engine.scripts = [script]
    with pytest.raises(UntrustedOutputError) as caught:
        await build(pipeline.prepared, pipeline.tools)
    assert (caught.value.stage, len(caught.value.reason) < 1000) == ("build", True)
    assert pipeline.engine.running == {}


LIE = {"kind": "elf-corrupt", "subject": "demo/_c.so", "detail": "it is cut off", "fatal": True}


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({"code": "build-failed", "exit_reason": "it ended with exit code 1"}, "build-failed", "exit code 1"),
        ({"code": "invalid-sdist", "reason": "it is empty"}, "invalid-sdist", "demo-1.0.tar.gz is not a usable sdist"),
        ({"code": "repair-failed", "reason": "no"}, "repair-failed", "manylinux_2_36_x86_64"),
        ({"code": "extension-missing", "missing": ["demo._c"]}, "extension-missing", "demo._c"),
        (
            {"code": "wheel-claims-false", "lies": [{**LIE, "detail": "x\n\x1b[2J"}]},
            "wheel-claims-false",
            "demo 1.0 claims what is not so: demo/_c.so: x [2J (elf-corrupt).",
        ),
        ({"code": "wheel-claims-false", "lies": [LIE] * 7}, "wheel-claims-false", "(elf-corrupt); and 2 more."),
        ({"code": "wheel-claims-false", "lies": 5}, "wheel-claims-false", "the container named nothing"),
        ({"code": "verify-failed", "problems": ["import demo: no"]}, "verify-failed", "import demo: no"),
        ({"code": "verify-failed", "problems": 5}, "verify-failed", "demo"),
        ({"code": "no-such-code", "reason": "whatever"}, "build-failed", "whatever"),
        ({"code": "build-failed", "exit_reason": "x" * 9999}, "build-failed", "xxx"),
        ({"code": "patch-failed", "patch": "a.patch", "reason": "no", "hunk": "-x"}, "patch-failed", "no.\n-x\n"),
        ({"code": "hook-failed", "hook": "before-build/a.sh", "exit_reason": "no"}, "hook-failed", "before-build/a.sh"),
        ({"code": "source-unusable", "to": "vendor/", "reason": "no"}, "source-unusable", "vendor/"),
        ({"code": "patch-failed", "patch": 5, "hunk": "x" * 9999}, "patch-failed", "5"),
        ({}, "build-failed", "it gave no reason"),
        ({"code": "build-failed", "oom_kills": 1}, "memory-limit", "256 MiB"),
        ({"code": "build-failed", "oom_kills": "many"}, "build-failed", "no reason"),
        ({"code": "build-failed", "oom_kills": 0, "refused_processes": 3}, "process-limit", "64 processes"),
        (
            {"code": "build-failed", "oom_kills": 1, "use": {"memory_bytes": 250 << 20}},
            "memory-limit",
            "limit of 256 MiB; its peak was 250.0 MiB.",
        ),
        ({"code": "build-failed", "refused_processes": 3, "use": {"processes": 61}}, "process-limit", "peak was 61."),
        ({"code": "disk-limit", "use": {"scratch_bytes": 63 << 20}}, "disk-limit", "63.0 MiB were in use at"),
        ({"code": "disk-limit", "use": {"scratch_bytes": -1}}, "disk-limit", "whose limit is 64 MiB."),
        ({"code": "disk-limit", "use": {"scratch_bytes": 1 << 63}}, "disk-limit", "whose limit is 64 MiB."),
        ({"code": "disk-limit", "use": [["scratch_bytes", 5]]}, "disk-limit", "whose limit is 64 MiB."),
        ({"code": "build-failed", "oom_kills": 1, "refused_processes": 3}, "memory-limit", "256 MiB"),
        ({"code": "disk-limit"}, "disk-limit", "64 MiB"),
        ({"code": "open-files-limit"}, "open-files-limit", "16384 open files"),
    ],
)  # fmt: skip
async def test_reported_failure_becomes_a_typed_error(
    pipeline: PipelineHarness, fields: Mapping[str, Any], code: str, said: str
) -> None:
    pipeline.engine.scripts = [reporting("failure", **fields)]
    with pytest.raises((ProjectError, RecipeError)) as caught:
        await build(pipeline.prepared, pipeline.tools)
    assert caught.value.code == code
    assert said in caught.value.summary
    assert len(caught.value.summary) < 2000


async def test_stage_that_takes_too_long_is_stopped(pipeline: PipelineHarness) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        await asyncio.Event().wait()

    pipeline.limits = replace(pipeline.limits, default=replace(pipeline.limits.default, time_seconds=1))
    pipeline.engine.scripts = [script]
    with pytest.raises(BuildTimeoutError) as caught:
        await build(pipeline.prepared, pipeline.tools)
    assert (caught.value.stage, caught.value.limit_seconds) == ("build", 1)
    assert caught.value.reached_seconds is not None
    assert caught.value.reached_seconds >= 1
    assert f"limit of 1 seconds, at {caught.value.reached_seconds:.1f} seconds" in caught.value.summary
    assert pipeline.engine.running == {}


async def test_cancelled_stage_leaves_no_container(pipeline: PipelineHarness) -> None:
    begun = asyncio.Event()

    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        begun.set()
        await asyncio.Event().wait()

    pipeline.engine.scripts = [script]
    stage = asyncio.ensure_future(build(pipeline.prepared, pipeline.tools))
    await asyncio.wait_for(begun.wait(), 10)
    assert len(pipeline.engine.running) == 1
    stage.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stage
    assert pipeline.engine.running == {}


async def test_engine_that_is_down_is_the_operators_affair(pipeline: PipelineHarness) -> None:
    pipeline.engine.switch_off()
    with pytest.raises(EngineUnavailableError) as caught:
        await build(pipeline.prepared, pipeline.tools)
    assert caught.value.retryable


async def test_index_that_is_down_ends_the_container(pipeline: PipelineHarness) -> None:
    pipeline.resolver.fault = BuildRequirementsError(requirements=["x"], reason="it is gone")
    pipeline.engine.scripts = [asking(["x"])]
    with pytest.raises(WheelyardError):
        await build(pipeline.prepared, pipeline.tools)
    assert pipeline.engine.running == {}


def test_stands_do_not_share_their_scripts(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts.append(honest_build)
    assert len(make_harness(pipeline.folder).engine.scripts) == 1
