"""Stage repair: only a wheel that is what its report says, and what was ordered, goes on."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine import Script, ScriptedAgent
from tests.unit.pipeline_harness import (
    NATIVE,
    NATIVE_REPAIRED,
    PURE,
    PURE_TAGGED,
    REPAIR_REPORT,
    PipelineHarness,
    honest_repair,
    make_harness,
    make_wheel,
    pack_wheel,
)

from wheelyard.domain.builds.expectations import ExtensionSource, TriedModule
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import (
    DownloadFailedError,
    ExtensionMissingError,
    GraftRefusedError,
    IndexUnavailableError,
    PolicyFloorError,
    RepairFailedError,
    UntrustedOutputError,
)
from wheelyard.pipeline import upstream_evidence
from wheelyard.pipeline.repair import repair

GRAFTED = {
    "soname": "libz.so.1",
    "path": "demo.libs/libz-1a2b3c4d.so.1.2.13",
    "sha256": "ab" * 32,
    "package": "zlib1g",
    "package_version": "1:1.2.13",
    "source_package": "zlib 1:1.2.13",
    "origin": "/lib/x86_64-linux-gnu/libz.so.1.2.13",
    "origin_sha256": "cd" * 32,
    "needed_by": ["demo/_c.abi3.so"],
    "chain": ["demo/_c.abi3.so", "libz.so.1"],
    "beyond_policy": True,
}
NEED = {
    "file": "demo/_c.abi3.so",
    "grafted": None,
    "library": "libc.so.6",
    "version": "GLIBC_2.14",
    "symbols": ["memcpy"],
    "more_symbols": 0,
    "chain": ["demo/_c.abi3.so"],
}
REASON = {"policy": "manylinux_2_17_x86_64", "needs": [NEED], "more_needs": 0, "lower": "manylinux_2_5_x86_64"}
NATIVE_REPORT = {
    "is_pure": False,
    "policy": "manylinux_2_17_x86_64",
    "policy_reason": REASON,
    "extensions": ["demo._c"],
    "native_files": ["_c.abi3.so"],
    "grafted": [GRAFTED],
}
LOST = ExtensionSource(name="demo._lost", where="pyproject.toml", certain=True, required=True)
TRIED = TriedModule(name="demo._tried", line="building 'demo._tried' extension")
DOUBTFUL = ExtensionSource(name="demo._maybe", where="setup.py:4", certain=True, required=False)


def holding(member: str) -> bytes:
    """Make a wheel of upstream's with one more member."""
    members = {member: b"", "demo-1.0.dist-info/METADATA": b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n"}
    return pack_wheel(NATIVE, members)


def explained(policy: str) -> dict[str, Any]:
    return {**NATIVE_REPORT, "policy": policy, "policy_reason": {**REASON, "policy": policy}}


def returning(filename: str, report: Mapping[str, Any], content: bytes | None = None) -> Script:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send_file(filename, make_wheel(filename) if content is None else content)
        agent.send("report", **{"wheel": filename, **report})

    return script


async def test_doubtful_claims_become_warnings(pipeline: PipelineHarness) -> None:
    lie = {"kind": "rpath-invalid", "subject": "demo/_c\n.so", "detail": "its search path is wrong", "fatal": False}
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, {**NATIVE_REPORT, "lies": [lie] * 7})]
    repaired = (await repair(pipeline.built(), pipeline.tools)).repaired
    assert repaired is not None
    warning = "demo/_c .so: its search path is wrong (rpath-invalid)."
    assert repaired.warnings == (*[warning] * 5, "2 more claims of it are doubtful, see the log.")
    assert pipeline.log.text.count("warning: demo/_c .so: its search path is wrong") == 7


async def test_refused_wheel_has_the_kind_of_its_lie(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT, make_wheel(NATIVE_REPAIRED, name="other"))]
    with pytest.raises(UntrustedOutputError) as caught:
        await repair(pipeline.built(), pipeline.tools)
    assert [(lie.kind, lie.subject) for lie in caught.value.lies] == [("metadata-mismatch", NATIVE_REPAIRED)]


async def refusal(pipeline: PipelineHarness, script: Script) -> str:
    pipeline.engine.scripts = [script]
    with pytest.raises(UntrustedOutputError) as caught:
        await repair(pipeline.built(), pipeline.tools)
    assert caught.value.stage == "repair"
    return caught.value.reason


async def test_pure_wheel_passes_with_a_build_tag(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts = [honest_repair]
    repaired = (await repair(pipeline.built(PURE), pipeline.tools)).repaired
    assert repaired is not None
    assert (repaired.path.name, repaired.is_pure, repaired.policy) == (PURE_TAGGED, True, None)


async def test_native_wheel_is_described_with_what_was_grafted(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    repaired = (await repair(pipeline.built(), pipeline.tools)).repaired
    assert repaired is not None
    assert (repaired.policy, repaired.extensions) == ("manylinux_2_17_x86_64", ("demo._c",))
    (library,) = repaired.grafted
    assert (library.soname, library.package, library.beyond_policy, library.chain) == (
        "libz.so.1",
        "zlib1g",
        True,
        ("demo/_c.abi3.so", "libz.so.1"),
    )
    assert repaired.policy_reason is not None
    assert "demo/_c.abi3.so needs memcpy@GLIBC_2.14" in repaired.policy_reason.sentence
    assert repaired.warnings == ()


async def test_wheel_that_lost_an_extension_is_refused_with_its_name(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    with pytest.raises(ExtensionMissingError) as caught:
        await repair(pipeline.built(sources=(LOST,)), pipeline.tools)
    assert caught.value.missing == ("demo._lost",)
    assert caught.value.summary == (
        "demo 1.0 was built without its extension modules demo._lost. pyproject.toml declares demo._lost."
    )


async def test_wheel_that_lost_what_its_build_tried_is_refused_with_the_line_of_the_log(
    pipeline: PipelineHarness,
) -> None:
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    with pytest.raises(ExtensionMissingError, match=r"log says: building 'demo\._tried' extension") as caught:
        await repair(pipeline.built(tried=(TRIED,)), pipeline.tools)
    assert caught.value.missing == ("demo._tried",)


async def test_wheel_that_lost_what_upstreams_has_is_refused_with_its_file(pipeline: PipelineHarness) -> None:
    wheel = pipeline.source.add(NATIVE, holding("demo/_maybe.cpython-313-x86_64-linux-gnu.so"))
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    with pytest.raises(ExtensionMissingError) as caught:
        await repair(pipeline.built(sources=(DOUBTFUL,)), pipeline.tools)
    assert caught.value.evidence == (f"Upstream's {NATIVE} has demo/_maybe.cpython-313-x86_64-linux-gnu.so.",)
    assert pipeline.parsers.read == [f"upstream's {wheel.filename}"]


async def test_wheel_that_lacks_what_upstreams_lacks_too_is_right(pipeline: PipelineHarness) -> None:
    pipeline.source.add(NATIVE, holding("demo/_c.abi3.so"))
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    repaired = (await repair(pipeline.built(sources=(DOUBTFUL,)), pipeline.tools)).repaired
    assert repaired is not None
    assert (repaired.warnings, repaired.doubtful) == ((), ())


async def test_wheel_without_a_doubt_is_not_compared(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    await repair(pipeline.built(), pipeline.tools)
    assert pipeline.source.calls == {}


async def test_pure_wheel_is_right_where_upstreams_is_pure(pipeline: PipelineHarness) -> None:
    pipeline.source.add(PURE, make_wheel(PURE))
    pipeline.engine.scripts = [honest_repair]
    repaired = (await repair(pipeline.built(PURE, sources=(DOUBTFUL,)), pipeline.tools)).repaired
    assert repaired is not None
    assert repaired.warnings == ()
    assert "fetch" not in pipeline.source.calls


async def test_pure_wheel_is_refused_where_upstream_has_native_ones_only(pipeline: PipelineHarness) -> None:
    pipeline.source.add(NATIVE, holding("demo/_c.abi3.so"))
    pipeline.engine.scripts = [honest_repair]
    with pytest.raises(ExtensionMissingError, match=r"has demo/_c\.abi3\.so"):
        await repair(pipeline.built(PURE), pipeline.tools)


@pytest.mark.parametrize("fault", ["project_fault", "fetch_fault", "altered", "junk"])
async def test_upstream_that_gives_no_evidence_leaves_the_doubt_and_is_noted(
    pipeline: PipelineHarness, fault: str
) -> None:
    pipeline.source.add(NATIVE, b"junk" if fault == "junk" else holding("demo/_maybe.abi3.so"))
    if fault.endswith("_fault"):
        error = {
            "project_fault": IndexUnavailableError(index="upstream", reason="it is down"),
            "fetch_fault": DownloadFailedError(what=NATIVE, tried=["it is down"]),
        }[fault]
        setattr(pipeline.source, fault, error)
    pipeline.source.altered = fault == "altered"
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    repaired = (await repair(pipeline.built(sources=(DOUBTFUL,)), pipeline.tools)).repaired
    assert repaired is not None
    assert (repaired.warnings, repaired.doubtful) == (("It has no demo._maybe (setup.py:4).",), ("demo._maybe",))
    assert "The wheel is not compared with upstream's" in pipeline.log.text


async def test_large_wheel_of_upstreams_is_not_fetched(
    pipeline: PipelineHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_evidence, "_MAX_BYTES", 10)
    pipeline.source.add(NATIVE, holding("demo/_maybe.abi3.so"))
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    assert (await repair(pipeline.built(sources=(DOUBTFUL,)), pipeline.tools)).repaired is not None
    assert "fetch" not in pipeline.source.calls


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (["demo._a", "demo._b"], "demo 1.0 was built without its extension modules demo._a, demo._b."),
        (["_c"] * 22, f"demo 1.0 was built without its extension modules {', '.join(['_c'] * 20)} and 2 more."),
        (["any native file, though"], "demo 1.0 was built without any native file, though."),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(missing: list[str], said: str) -> None:
    assert ExtensionMissingError(wheel="demo 1.0", missing=missing).summary == said


async def test_pure_wheel_of_sources_that_a_program_builds_is_a_warning(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts = [honest_repair]
    repaired = (await repair(pipeline.built(PURE, sources=(DOUBTFUL,)), pipeline.tools)).repaired
    assert repaired is not None
    warning = "It is pure, though its sdist may hold extension modules: demo._maybe (setup.py:4)."
    assert repaired.warnings == (warning,)


async def test_pure_wheel_that_the_recipe_allows_passes(tmp_path: Path) -> None:
    pipeline = make_harness(tmp_path, EffectiveRecipe(is_pure=True))
    pipeline.engine.scripts = [honest_repair]
    repaired = (await repair(pipeline.built(PURE, sources=(LOST,)), pipeline.tools)).repaired
    assert repaired is not None
    assert repaired.is_pure


async def test_rules_of_grafts_are_named_to_the_tools(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    async def script(agent: ScriptedAgent) -> None:
        seen.update(await agent.receive())
        agent.send_file(NATIVE_REPAIRED, make_wheel(NATIVE_REPAIRED))
        agent.send("report", wheel=NATIVE_REPAIRED, **NATIVE_REPORT)

    pipeline = make_harness(
        tmp_path, EffectiveRecipe(excluded_libraries=("libcuda.so.*",), grafted_beyond_policy=("libexpat.so.1",))
    )
    pipeline.engine.scripts = [script]
    await repair(pipeline.built(), pipeline.tools)
    assert (seen["exclude"], seen["graft"]) == (["libcuda.so.*"], ["libexpat.so.1"])


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (EffectiveRecipe(denied_libraries=("libz.*",)), "libz.so.1 of zlib1g 1:1.2.13 (asked for by demo/_c.abi3.so)"),
        (EffectiveRecipe(max_grafted=0), "1 libraries are grafted, and repair.max-grafted is 0: libz.so.1"),
    ],
)
async def test_library_that_the_recipe_forbids_is_refused_with_its_name(
    tmp_path: Path, recipe: EffectiveRecipe, said: str
) -> None:
    pipeline = make_harness(tmp_path, recipe)
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    with pytest.raises(GraftRefusedError) as caught:
        await repair(pipeline.built(), pipeline.tools)
    assert said in caught.value.summary


@pytest.mark.parametrize(
    "recipe", [EffectiveRecipe(denied_libraries=("libgpl.*", "LIBZ*")), EffectiveRecipe(max_grafted=1)]
)
async def test_library_that_the_recipe_does_not_forbid_passes(tmp_path: Path, recipe: EffectiveRecipe) -> None:
    pipeline = make_harness(tmp_path, recipe)
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    assert (await repair(pipeline.built(), pipeline.tools)).repaired is not None


async def test_wheel_that_needs_more_than_the_recipes_floor_is_refused_with_the_reason(tmp_path: Path) -> None:
    pipeline = make_harness(tmp_path, EffectiveRecipe(policy_floor="manylinux_2_12"))
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    with pytest.raises(PolicyFloorError) as caught:
        await repair(pipeline.built(), pipeline.tools)
    assert (
        "demo 1.0 needs manylinux_2_17_x86_64, and its recipe's repair.floor is manylinux_2_12" in caught.value.summary
    )
    assert "memcpy@GLIBC_2.14" in caught.value.summary


@pytest.mark.parametrize("floor", ["manylinux_2_17", "manylinux_2_28"])
async def test_wheel_that_reaches_the_recipes_floor_passes(tmp_path: Path, floor: str) -> None:
    pipeline = make_harness(tmp_path, EffectiveRecipe(policy_floor=floor))
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    assert (await repair(pipeline.built(), pipeline.tools)).repaired is not None


async def test_pure_wheel_reaches_every_floor(tmp_path: Path) -> None:
    pipeline = make_harness(tmp_path, EffectiveRecipe(policy_floor="manylinux_2_5"))
    pipeline.engine.scripts = [honest_repair]
    assert (await repair(pipeline.built(PURE), pipeline.tools)).repaired is not None


async def test_what_is_doubtful_is_a_warning_in_report_and_log(pipeline: PipelineHarness) -> None:
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    repaired = (await repair(pipeline.built(sources=(DOUBTFUL,)), pipeline.tools)).repaired
    assert repaired is not None
    assert repaired.warnings == ("It has no demo._maybe (setup.py:4).",)
    assert "==> warning: It has no demo._maybe (setup.py:4)." in pipeline.log.text


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("cp39-abi3", "Its tag says Python 3.9 and newer; it was compiled with and tried on 3.13 alone."),
        ("cp313-abi3", ""),
        ("cp313-cp313", ""),
    ],
)
async def test_stable_abi_of_older_pythons_is_a_warning(pipeline: PipelineHarness, tag: str, said: str) -> None:
    filename = NATIVE_REPAIRED.replace("cp313-cp313", tag)
    pipeline.engine.scripts = [returning(filename, NATIVE_REPORT)]
    repaired = (await repair(pipeline.built(), pipeline.tools)).repaired
    assert repaired is not None
    assert [one for one in repaired.warnings if one.startswith("Its tag says")] == ([said] if said else [])


async def test_start_up_code_is_a_warning_in_report_and_log(pipeline: PipelineHarness) -> None:
    members = {f"{letter}.pth": b"import demo\n" for letter in "abcdefg"}
    wheel = make_wheel(NATIVE_REPAIRED, name="demo", version="1.0", requires=(), **members)
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT, wheel)]
    repaired = (await repair(pipeline.built(), pipeline.tools)).repaired
    assert repaired is not None
    one = "Python runs '{}.pth' of it at each of its starts, imported or not. It runs 'import demo'."
    more = "Python runs 2 more files of it at each of its starts, such as 'f.pth', 'g.pth'."
    assert repaired.warnings == (*(one.format(letter) for letter in "abcde"), more)
    assert all(f"==> warning: {warning}\n" in pipeline.log.text for warning in repaired.warnings)


async def test_tools_get_the_wheel_the_platform_and_the_epoch(pipeline: PipelineHarness) -> None:
    seen: dict[str, Any] = {}

    async def script(agent: ScriptedAgent) -> None:
        seen.update(await agent.receive(), files=set(agent.files))
        agent.send_file(NATIVE_REPAIRED, make_wheel(NATIVE_REPAIRED))
        agent.send("report", wheel=NATIVE_REPAIRED, **NATIVE_REPORT)

    pipeline.engine.scripts = [script]
    await repair(pipeline.built(sources=(replace(LOST, name="demo._c"), replace(LOST, name=None))), pipeline.tools)
    assert (seen["extensions"], seen["may_be_pure"]) == (["demo._c"], False)
    assert (seen["wheel"], seen["platform"], seen["epoch"]) == (NATIVE, "manylinux_2_36_x86_64", 1)
    assert (seen["build_tag"], seen["files"]) == ("1.bookworm", {NATIVE})


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("other-1.0-py3-none-any.whl", None),
        ("demo-2.0-py3-none-any.whl", None),
        ("demo-1.0-cp312-cp312-linux_x86_64.whl", None),
        ("demo-1.0-cp313-cp313-manylinux_2_39_x86_64.whl", None),
        ("demo-1.0-cp313-cp313-linux_aarch64.whl", None),
        ("demo.whl", b""),
        (PURE, make_wheel(name="other")),
        (PURE, make_wheel(version="2.0")),
        (PURE, b"no zip file"),
    ],
)
async def test_built_wheel_that_was_not_ordered_never_meets_the_tools(
    pipeline: PipelineHarness, filename: str, content: bytes | None
) -> None:
    files: dict[str, Any] = {}

    async def script(agent: ScriptedAgent) -> None:
        files.update(agent.files)
        await agent.receive()

    pipeline.engine.scripts = [script]
    with pytest.raises(UntrustedOutputError):
        await repair(pipeline.built(filename, content), pipeline.tools)
    assert files == {}


@pytest.mark.parametrize(
    ("filename", "report", "said"),
    [
        (NATIVE, NATIVE_REPORT, "does not have the build tag 1.bookworm"),
        (NATIVE_REPAIRED.replace("bookworm", "trixie"), NATIVE_REPORT, "does not have the build tag 1.bookworm"),
        (PURE_TAGGED, NATIVE_REPORT, "is native, and its tag is not"),
        (NATIVE_REPAIRED, REPAIR_REPORT, "is pure, and its tag is not"),
        (NATIVE_REPAIRED, explained("manylinux_2_39_x86_64"), "does not serve"),
        (NATIVE_REPAIRED, explained("manylinux_2_17_aarch64"), "does not serve"),
        (NATIVE_REPAIRED, explained("linux_x86_64"), "cannot be read"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "policy": None, "policy_reason": None}, "its policy is None"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "grafted": [{"soname": 5}]}, "cannot be read"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "grafted": [GRAFTED] * 501}, "cannot be read"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "grafted": [{**GRAFTED, "chain": ["x"] * 101}]}, "cannot be read"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "grafted": [{**GRAFTED, "sha256": "none"}]}, "cannot be read"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "policy_reason": {**REASON, "needs": [NEED] * 21}}, "cannot be read"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "policy_reason": {**REASON, "lower": "x" * 1001}}, "cannot be read"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "policy_reason": {**REASON, "policy": "linux_x86_64"}}, "explains another"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "policy_reason": None}, "explains another"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "native_files": []}, "the wheel is native"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "grafted": "none"}, "cannot be read"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "extensions": None}, "cannot be read"),
        (NATIVE_REPAIRED, {"is_pure": False}, "cannot be read"),
        ("other-1.0-1.bookworm-cp313-cp313-linux_x86_64.whl", NATIVE_REPORT, "demo 1.0 was ordered"),
        ("demo-1.0-1.bookworm-cp313-cp313-manylinux_2_39_x86_64.whl", NATIVE_REPORT, "does not fit"),
    ],
)
async def test_repaired_wheel_that_is_not_what_its_report_says_is_refused(
    pipeline: PipelineHarness, filename: str, report: Mapping[str, Any], said: str
) -> None:
    assert said in await refusal(pipeline, returning(filename, report))


async def test_repaired_wheel_that_is_no_zip_file_is_refused(pipeline: PipelineHarness) -> None:
    assert "not a zip file" in await refusal(pipeline, returning(NATIVE_REPAIRED, NATIVE_REPORT, b"junk"))


async def test_wheel_that_cannot_comply_is_a_repair_failure(pipeline: PipelineHarness) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("failure", code="repair-failed", reason="it needs GLIBC_2.38 of libc.so.6")

    pipeline.engine.scripts = [script]
    with pytest.raises(RepairFailedError, match=r"manylinux_2_36_x86_64: it needs GLIBC_2\.38"):
        await repair(pipeline.built(), pipeline.tools)
