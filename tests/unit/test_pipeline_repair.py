"""Stage repair: only a wheel that is what its report says, and what was ordered, goes on."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.pipeline_stand import (
    NATIVE,
    NATIVE_REPAIRED,
    PURE,
    PURE_TAGGED,
    REPAIR_REPORT,
    PipelineStand,
    honest_repair,
    make_wheel,
)

from wheelyard.adapters.memory_engine import Script, ScriptedAgent
from wheelyard.errors import RepairFailedError, UntrustedOutputError
from wheelyard.pipeline.repair import repair

GRAFTED = {
    "soname": "libz.so.1",
    "path": "demo.libs/libz-1a2b3c4d.so.1.2.13",
    "sha256": "ab" * 32,
    "package": "zlib1g",
    "package_version": "1:1.2.13",
    "source_package": "zlib 1:1.2.13",
}
NATIVE_REPORT = {"is_pure": False, "policy": "manylinux_2_17_x86_64", "extensions": ["demo._c"], "grafted": [GRAFTED]}


def returning(filename: str, report: Mapping[str, Any], content: bytes | None = None) -> Script:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send_file(filename, make_wheel(filename) if content is None else content)
        agent.send("report", **{"wheel": filename, **report})

    return script


async def refusal(pipeline: PipelineStand, script: Script) -> str:
    pipeline.engine.scripts = [script]
    with pytest.raises(UntrustedOutputError) as caught:
        await repair(pipeline.built(), pipeline.tools)
    assert caught.value.stage == "repair"
    return caught.value.reason


async def test_pure_wheel_passes_with_a_build_tag(pipeline: PipelineStand) -> None:
    pipeline.engine.scripts = [honest_repair]
    repaired = (await repair(pipeline.built(PURE), pipeline.tools)).repaired
    assert repaired is not None
    assert (repaired.path.name, repaired.is_pure, repaired.policy) == (PURE_TAGGED, True, None)


async def test_native_wheel_is_described_with_what_was_grafted(pipeline: PipelineStand) -> None:
    pipeline.engine.scripts = [returning(NATIVE_REPAIRED, NATIVE_REPORT)]
    repaired = (await repair(pipeline.built(), pipeline.tools)).repaired
    assert repaired is not None
    assert (repaired.policy, repaired.extensions) == ("manylinux_2_17_x86_64", ("demo._c",))
    assert [(one.soname, one.package) for one in repaired.grafted] == [("libz.so.1", "zlib1g")]


async def test_tools_get_the_wheel_the_platform_and_the_epoch(pipeline: PipelineStand) -> None:
    seen: dict[str, Any] = {}

    async def script(agent: ScriptedAgent) -> None:
        seen.update(await agent.receive(), files=set(agent.files))
        agent.send_file(NATIVE_REPAIRED, make_wheel(NATIVE_REPAIRED))
        agent.send("report", wheel=NATIVE_REPAIRED, **NATIVE_REPORT)

    pipeline.engine.scripts = [script]
    await repair(pipeline.built(), pipeline.tools)
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
    pipeline: PipelineStand, filename: str, content: bytes | None
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
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "policy": "manylinux_2_39_x86_64"}, "does not serve"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "policy": "manylinux_2_17_aarch64"}, "does not serve"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "policy": "linux_x86_64"}, "cannot be read"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "policy": None}, "policy"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "grafted": [{"soname": 5}]}, "cannot be read"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "grafted": "none"}, "cannot be read"),
        (NATIVE_REPAIRED, {**NATIVE_REPORT, "extensions": None}, "cannot be read"),
        (NATIVE_REPAIRED, {"is_pure": False}, "cannot be read"),
        ("other-1.0-1.bookworm-cp313-cp313-linux_x86_64.whl", NATIVE_REPORT, "demo 1.0 was ordered"),
        ("demo-1.0-1.bookworm-cp313-cp313-manylinux_2_39_x86_64.whl", NATIVE_REPORT, "does not fit"),
    ],
)
async def test_repaired_wheel_that_is_not_what_its_report_says_is_refused(
    pipeline: PipelineStand, filename: str, report: Mapping[str, Any], said: str
) -> None:
    assert said in await refusal(pipeline, returning(filename, report))


async def test_repaired_wheel_that_is_no_zip_file_is_refused(pipeline: PipelineStand) -> None:
    assert "not a zip file" in await refusal(pipeline, returning(NATIVE_REPAIRED, NATIVE_REPORT, b"junk"))


async def test_wheel_that_cannot_comply_is_a_repair_failure(pipeline: PipelineStand) -> None:
    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("failure", code="repair-failed", reason="it needs GLIBC_2.38 of libc.so.6")

    pipeline.engine.scripts = [script]
    with pytest.raises(RepairFailedError, match=r"manylinux_2_36_x86_64: it needs GLIBC_2\.38"):
        await repair(pipeline.built(), pipeline.tools)
