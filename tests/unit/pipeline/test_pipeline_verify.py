"""Stage verify: the wheel meets nothing but what it requires, and is described as what was proven."""

from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.engine import Script, ScriptedAgent
from tests.unit.pipeline_harness import PURE_TAGGED, PipelineHarness, honest_verify, make_wheel

from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile
from wheelyard.errors import (
    ExtensionMissingError,
    IndexUnavailableError,
    RequirementsUnsatisfiedError,
    UntrustedOutputError,
    VerifyFailedError,
    WheelsMissingError,
)
from wheelyard.pipeline.job import known
from wheelyard.pipeline.verify import verify

SIX = "six-1.17.0-py2.py3-none-any.whl"


def requiring(*requirements: str) -> bytes:
    return make_wheel(PURE_TAGGED, requires=requirements)


async def test_wheel_is_described_as_it_was_proven(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts = [honest_verify]
    job = pipeline.repaired()
    wheel = (await verify(job, pipeline.tools)).wheel
    assert wheel is not None
    assert job.repaired is not None
    assert (wheel.filename, wheel.sha256) == (PURE_TAGGED, job.repaired.sha256)
    assert (wheel.tag, wheel.tag_before_repair) == ("py3-none-any", "cp313-cp313-linux_x86_64")
    assert (wheel.imported_modules, wheel.is_pure) == (("demo",), True)
    assert (wheel.builder_image, wheel.runtime_image) == ("builder", "runtime")
    assert wheel.size_bytes == len(make_wheel(PURE_TAGGED))


async def test_it_runs_in_the_bare_image_on_the_targets_python(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts = [honest_verify]
    await verify(pipeline.repaired(), pipeline.tools)
    (spec,) = pipeline.engine.runs
    assert (spec.image, spec.command[0]) == ("runtime", "/opt/python/3.13/bin/python3.13")


async def test_emulated_image_gets_the_installer_of_its_architecture(pipeline: PipelineHarness) -> None:
    seen: dict[str, bytes] = {}

    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        seen.update({name: file.data for name, file in agent.files.items()})
        agent.send("report", imported=["demo"], remarks=[])

    pipeline.emulated = frozenset({"x86_64"})
    pipeline.images.folder = pipeline.folder
    (pipeline.folder / "uv-x86_64").write_bytes(b"uv of the image")
    pipeline.engine.scripts = [script]
    await verify(pipeline.repaired(), pipeline.tools)
    assert seen["uv"] == b"uv of the image"


async def test_requirement_that_could_be_built_is_named_before_any_container_runs(pipeline: PipelineHarness) -> None:
    pipeline.resolver.buildable = {"needed": "2.0"}
    pipeline.order = replace(pipeline.order, recipe=EffectiveRecipe(test_requires=("needed",)))
    for content in (requiring("needed"), requiring()):
        with pytest.raises(WheelsMissingError) as caught:
            await verify(pipeline.repaired(content=content), pipeline.tools)
        assert caught.value.releases == (("needed", "2.0"),)
    assert pipeline.engine.runs == []


async def test_wheel_itself_is_not_what_is_missing(pipeline: PipelineHarness) -> None:
    """What it requires may require it in turn."""
    pipeline.resolver.buildable = {"needed": "2.0", "demo": "1.0"}
    with pytest.raises(WheelsMissingError) as caught:
        await verify(pipeline.repaired(content=requiring("needed", "demo")), pipeline.tools)
    assert caught.value.releases == (("needed", "2.0"),)
    with pytest.raises(RequirementsUnsatisfiedError, match="requires demo too"):
        await verify(pipeline.repaired(content=requiring("demo")), pipeline.tools)


async def test_what_it_requires_on_the_target_goes_in_beside_it(pipeline: PipelineHarness) -> None:
    seen: dict[str, Any] = {}

    async def script(agent: ScriptedAgent) -> None:
        seen.update(await agent.receive(), files=set(agent.files))
        agent.send("report", imported=["demo"], remarks=[])

    pipeline.resolver.wheels = [pipeline.source.add(SIX, b"six")]
    pipeline.order = replace(pipeline.order, recipe=EffectiveRecipe(test_imports=("demo",), expected_extensions=("x",)))
    pipeline.engine.scripts = [script]
    content = requiring("six>=1", "other; sys_platform == 'win32'", "docs-tool; extra == 'docs'")
    await verify(pipeline.repaired(content=content), pipeline.tools)
    assert seen["files"] == {"uv", SIX, PURE_TAGGED}
    assert (seen["imports"], seen["expect_extensions"], seen["project"]) == (["demo"], ["x"], "demo")


async def test_recipes_tests_go_in_with_what_they_require(pipeline: PipelineHarness) -> None:
    seen: dict[str, Any] = {}

    async def script(agent: ScriptedAgent) -> None:
        seen.update(await agent.receive(), sent=set(agent.files))
        agent.send("report", imported=["demo"], remarks=[])

    pipeline.resolver.wheels = [pipeline.source.add(SIX, b"six")]
    recipe = EffectiveRecipe(
        test_commands=("python smoke.py",),
        test_requires=("six>=1",),
        test_files=(RecipeFile.of("smoke.py", b"import demo"),),
    )
    pipeline.order = replace(pipeline.order, recipe=recipe)
    pipeline.engine.scripts = [script]
    await verify(pipeline.repaired(), pipeline.tools)
    assert seen["sent"] == {"uv", SIX, PURE_TAGGED}
    assert (seen["commands"], seen["requires"]) == (["python smoke.py"], ["six>=1"])
    assert seen["files"] == [{"name": "smoke.py", "base64": "aW1wb3J0IGRlbW8="}]


async def test_wheel_that_requires_itself_is_not_fetched_from_upstream(pipeline: PipelineHarness) -> None:
    files: set[str] = set()

    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        files.update(agent.files)
        agent.send("report", imported=[], remarks=[])

    pipeline.resolver.wheels = [pipeline.source.add("demo-1.0-py3-none-any.whl", b"theirs")]
    pipeline.engine.scripts = [script]
    await verify(pipeline.repaired(content=requiring("demo")), pipeline.tools)
    assert files == {"uv", PURE_TAGGED}


async def test_what_was_let_pass_is_told_and_what_is_lost_is_sent(pipeline: PipelineHarness) -> None:
    seen: dict[str, Any] = {}

    async def script(agent: ScriptedAgent) -> None:
        seen.update(await agent.receive())
        agent.send("report", imported=["demo"], remarks=["demo.a wants \x1b[31mb.", *(f"no {n}" for n in range(9))])

    pipeline.engine.scripts = [script]
    job = pipeline.repaired()
    job = job.knowing(repaired=replace(known(job.repaired), doubtful=("demo._lost",)))
    wheel = known((await verify(job, pipeline.tools)).wheel)
    assert seen["lost"] == ["demo._lost"]
    assert wheel.warnings[-6:] == (
        *("demo.a wants ?[31mb.", "no 0", "no 1", "no 2", "no 3"),
        "There are 5 more such modules, see the log.",
    )


def test_missing_companion_leads_to_the_tests_requirements() -> None:
    problem = "import bs4_helper: ModuleNotFoundError: No module named 'bs4'"
    hint = VerifyFailedError(wheel="demo 1.0", problems=[problem]).hint
    assert "If bs4 is in another project" in hint
    assert "test.requires" in hint


def test_missing_library_of_the_host_leads_to_the_recipes_key_for_it() -> None:
    problem = "import demo: ImportError: libglib-2.0.so.0: cannot open shared object file: No such file or directory"
    error = VerifyFailedError(wheel="demo 1.0", problems=["import other: no", problem])
    assert "libglib-2.0.so.0 is neither in the wheel nor in a bare image" in error.hint
    assert "test.apt" in error.hint


def test_all_missing_libraries_are_named_and_not_too_many() -> None:
    names = [f"lib{number}.so.1" for number in range(7)]
    error = VerifyFailedError(wheel="demo 1.0", problems=["import demo: no"], missing_libraries=names)
    assert "lib0.so.1, lib1.so.1, lib2.so.1, lib3.so.1, lib4.so.1 and 2 more are neither" in error.hint
    assert "repair.graft" in error.hint


def test_module_that_fails_by_itself_leads_to_the_modules_to_import() -> None:
    assert "test.imports" in VerifyFailedError(wheel="demo 1.0", problems=["import demo: no"]).hint


@pytest.mark.parametrize(
    "requirement",
    ["no-such-thing", "not a requirement", "x @ file:///etc/passwd", "x; os_name ~= 'posix'", "x\0y", "six>9999"],
)
async def test_requirement_that_cannot_be_had_is_named(pipeline: PipelineHarness, requirement: str) -> None:
    pipeline.engine.scripts = [honest_verify]
    with pytest.raises(RequirementsUnsatisfiedError, match=PURE_TAGGED):
        await verify(pipeline.repaired(content=requiring(requirement)), pipeline.tools)
    assert pipeline.engine.runs == []


async def test_index_that_is_down_is_not_the_wheels_fault(pipeline: PipelineHarness) -> None:
    pipeline.resolver.fault = IndexUnavailableError(index="upstream", reason="it is gone")
    with pytest.raises(IndexUnavailableError):
        await verify(pipeline.repaired(content=requiring("six")), pipeline.tools)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"code": "verify-failed", "problems": ["import demo: no"]}, VerifyFailedError),
        ({"code": "extension-missing", "missing": ["demo._c"]}, ExtensionMissingError),
    ],
)
async def test_wheel_that_does_not_work_is_not_described(
    pipeline: PipelineHarness, fields: dict[str, Any], error: type[Exception]
) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("failure", **fields)

    pipeline.engine.scripts = [script]
    with pytest.raises(error):
        await verify(pipeline.repaired(), pipeline.tools)


def wanting(*modules: object) -> Script:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("need", modules=list(modules))
        answer = await agent.receive()
        agent.send("report", imported=["demo", *answer["requirements"], *sorted(agent.files)], remarks=[])

    return script


async def test_project_of_a_module_that_the_wheel_does_not_require_goes_in_beside_it(
    pipeline: PipelineHarness,
) -> None:
    pipeline.resolver.wheels = [pipeline.source.add(SIX, b"six")]
    pipeline.engine.scripts = [wanting("six", "no_such_thing", "demo")]
    wheel = known((await verify(pipeline.repaired(), pipeline.tools)).wheel)
    assert wheel.imported_modules == ("demo", "six", PURE_TAGGED, SIX, "uv")
    assert "no-such-thing, which a module wants, cannot be installed beside the wheel" in pipeline.log.text


@pytest.mark.parametrize("modules", [["six"] * 6, ["six @ file:///x"], ["-r"], ["x" * 101], [5]])
async def test_request_for_anything_but_a_few_modules_is_refused(
    pipeline: PipelineHarness, modules: list[object]
) -> None:
    pipeline.engine.scripts = [wanting(*modules)]
    with pytest.raises(UntrustedOutputError):
        await verify(pipeline.repaired(), pipeline.tools)
    assert pipeline.resolver.calls["resolve"] <= 1


async def test_project_of_a_module_has_the_name_that_it_is_known_to_have(pipeline: PipelineHarness) -> None:
    pipeline.resolver.wheels = [pipeline.source.add("setuptools-80.0-py3-none-any.whl", b"setuptools")]
    pipeline.engine.scripts = [wanting("pkg_resources", "distutils")]
    wheel = known((await verify(pipeline.repaired(), pipeline.tools)).wheel)
    assert "setuptools<81" in wheel.imported_modules
    assert "pkg-resources" not in pipeline.log.text


async def test_modules_are_asked_for_once(pipeline: PipelineHarness) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        for _ in range(2):
            agent.send("need", modules=["six"])
            await agent.receive()

    pipeline.resolver.wheels = [pipeline.source.add(SIX, b"six")]
    pipeline.engine.scripts = [script]
    with pytest.raises(UntrustedOutputError):
        await verify(pipeline.repaired(), pipeline.tools)


@pytest.mark.parametrize("fields", [{}, {"imported": "demo"}, {"imported": [1]}])
async def test_report_without_imports_proves_nothing(pipeline: PipelineHarness, fields: dict[str, Any]) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("report", **fields)

    pipeline.engine.scripts = [script]
    with pytest.raises(UntrustedOutputError):
        await verify(pipeline.repaired(), pipeline.tools)


async def test_missing_libraries_and_modules_are_data_and_only_what_can_be_a_name(pipeline: PipelineHarness) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send(
            "failure",
            code="verify-failed",
            problems=["import demo: no"],
            missing_libraries=["libexpat.so.1", "lib a", 5, "libexpat.so.1", "libb.so.2\n", "x" * 201],
            missing_modules=["psycopg.pq", "not a module", "psycopg"],
        )

    pipeline.engine.scripts = [script]
    with pytest.raises(VerifyFailedError) as caught:
        await verify(pipeline.repaired(), pipeline.tools)
    assert caught.value.missing_libraries == ("libexpat.so.1",)
    assert caught.value.missing_modules == ("psycopg.pq", "psycopg")


PACKAGES = {"libc.so.6": "libc6", "libexpat.so.1": "libexpat1", "libglib-2.0.so.0": "libglib2.0-0"}
BARE_LACKS = ["libexpat.so.1", "libglib-2.0.so.0", "libneighbour.so.1"]


async def test_wheel_says_what_its_host_must_have(pipeline: PipelineHarness) -> None:
    """What the recipe had installed and a bare image lacks; a neighbour's library is no library of the host."""
    seen: list[dict[str, Any]] = []

    async def proof(agent: ScriptedAgent) -> None:
        seen.append(await agent.receive())
        agent.send("report", imported=["demo"], remarks=[], missing_libraries=["libown.so.1"], packages=PACKAGES)

    async def bare(agent: ScriptedAgent) -> None:
        seen.append({**await agent.receive(), "files": set(agent.files)})
        agent.send("report", missing_libraries=BARE_LACKS)

    recipe = EffectiveRecipe(test_apt=("libglib2.0-0", "libexpat1"), excluded_libraries=("libown.so.*",))
    pipeline.order = replace(pipeline.order, recipe=recipe)
    pipeline.engine.scripts = [proof, bare]
    job = pipeline.repaired()
    job = job.knowing(repaired=replace(known(job.repaired), is_pure=False))
    wheel = known((await verify(job, pipeline.tools)).wheel)
    assert seen[0]["names_packages"]
    assert (seen[1]["kind"], seen[1]["files"]) == ("libraries", {PURE_TAGGED})
    assert pipeline.engine.runs[-1].image == pipeline.images.asked[-1] == "runtime-bookworm-3.13"
    assert [(need.soname, need.package) for need in wheel.host_libraries] == [
        ("libexpat.so.1", "libexpat1"),
        ("libglib-2.0.so.0", "libglib2.0-0"),
        ("libown.so.1", None),
    ]
    reasons = [need.reason for need in wheel.host_libraries]
    assert reasons[0] == "its policy promises it on every host, so it was not grafted"
    assert "one registry of types" in reasons[1]
    assert reasons[2] == "its recipe excludes it"


async def test_bare_image_is_only_asked_if_the_recipe_had_packages_installed(pipeline: PipelineHarness) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("report", imported=["demo"], remarks=[], missing_libraries=["liba.so.1"], packages={})

    pipeline.engine.scripts = [script]
    (need,) = known((await verify(pipeline.repaired(), pipeline.tools)).wheel).host_libraries
    assert (need.soname, need.package) == ("liba.so.1", None)
    assert pipeline.images.asked == []


@pytest.mark.parametrize("packages", [[], {"lib a": "x"}, {"liba.so.1": 5}, {"liba.so.1": "a b"}, {"liba.so.1": "x\n"}])
async def test_packages_that_are_none_are_refused(pipeline: PipelineHarness, packages: object) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("report", imported=["demo"], remarks=[], packages=packages)

    pipeline.engine.scripts = [script]
    with pytest.raises(UntrustedOutputError):
        await verify(pipeline.repaired(), pipeline.tools)


def on_free_threaded_python(pipeline: PipelineHarness, gil: object, *, expected: str | None = None) -> None:
    target = replace(pipeline.order.target, python="3.13t")
    pipeline.order = replace(pipeline.order, target=target, recipe=EffectiveRecipe(expected_gil=expected))

    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("report", imported=["demo"], remarks=[], gil=gil)

    pipeline.engine.scripts = [script]


GIL = [
    {"module": "demo._a", "off": True, "threads": True},
    {"module": "demo._b", "off": False, "threads": None},
    {"module": "demo._c", "off": True, "threads": False},
]


async def test_proof_says_how_each_module_gets_on_with_a_free_threaded_python(pipeline: PipelineHarness) -> None:
    on_free_threaded_python(pipeline, GIL)
    wheel = known((await verify(pipeline.repaired(), pipeline.tools)).wheel)
    (proof,) = wheel.proofs
    assert [(one.module, one.gil_off, one.survives_threads) for one in proof.threading] == [
        tuple(one.values()) for one in GIL
    ]
    assert proof.free_threading == "GIL off after 2 of 3 extension modules, 1 of 2 withstood eight threads"
    assert wheel.warnings == (
        "Importing demo._b switches the GIL of Python 3.13t on.",
        "demo._c crashed Python 3.13t when eight threads called it at once.",
    )
    assert pipeline.engine.runs[0].command[0] == "/opt/python/3.13t/bin/python3.13t"


async def test_recipe_that_expects_the_gil_off_refuses_a_module_that_switches_it_on(pipeline: PipelineHarness) -> None:
    on_free_threaded_python(pipeline, GIL, expected="off")
    with pytest.raises(VerifyFailedError, match=r"demo\._b switches the GIL of Python 3\.13t on"):
        await verify(pipeline.repaired(), pipeline.tools)
    on_free_threaded_python(pipeline, GIL[:1], expected="off")
    assert known((await verify(pipeline.repaired(), pipeline.tools)).wheel).warnings == ()


@pytest.mark.parametrize("gil", ["off", [{"module": "demo"}], [{"module": "", "off": 1, "threads": None}], GIL * 1000])
async def test_report_about_the_gil_in_another_form_is_refused(pipeline: PipelineHarness, gil: object) -> None:
    on_free_threaded_python(pipeline, gil)
    with pytest.raises(UntrustedOutputError):
        await verify(pipeline.repaired(), pipeline.tools)
