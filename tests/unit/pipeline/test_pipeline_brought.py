"""A wheel that others built: unchanged if it is right, corrected if not, and proven on all that its tags claim."""

import asyncio
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.utils import NormalizedName
from tests.fakes.engine import MemoryEngine, Script, ScriptedAgent
from tests.unit.pipeline.test_pipeline_repair import GRAFTED, NATIVE_REPORT, explained
from tests.unit.pipeline_harness import (
    NATIVE,
    NATIVE_REPAIRED,
    PURE,
    REPAIR_REPORT,
    PipelineHarness,
    honest_verify,
    make_harness,
    make_wheel,
    pack_wheel,
)

from wheelyard.domain.builds.build import SdistSource, SourceKind, Stage, Wheel
from wheelyard.domain.builds.file_source import FileOrigin
from wheelyard.domain.catalogue.catalogue import BuilderChoice
from wheelyard.domain.catalogue.reach import PythonReach, Reach, SourceTry
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.target import Policy
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import (
    BuildTimeoutError,
    ExtensionMissingError,
    InvalidWheelError,
    NoTargetFitsError,
    OwnProjectError,
    ProjectError,
    RepairFailedError,
    SourceUnreachableError,
    UntrustedOutputError,
    VerifyFailedError,
    WheelClaimsFalseError,
)
from wheelyard.pipeline.job import Job, Tools, known

COMPLIANT = "demo-1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
BUILDERS = tuple(
    BuilderChoice(suite=suite, python=python, policy=Policy(glibc=(2, minor), architecture="x86_64"))
    for suite, minor in (("bullseye", 31), ("bookworm", 36), ("trixie", 41))
    for python in ("3.13", "3.11")
)


def bringing(
    folder: Path, filename: str, content: bytes | None = None, recipe: EffectiveRecipe | None = None
) -> PipelineHarness:
    """Make the harness of an order whose source is a wheel."""
    pipeline = make_harness(folder, recipe)
    content = make_wheel(filename) if content is None else content
    file = pipeline.source.add(filename, content)
    source = SdistSource(
        filename=filename,
        url=file.url,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        kind=SourceKind.WHEEL,
    )
    pipeline.order = replace(pipeline.order, sdist=source)
    return pipeline


async def go(
    pipeline: PipelineHarness,
    *scripts: Script,
    builders: tuple[BuilderChoice, ...] = BUILDERS,
    sdists: tuple[IndexFile, ...] = (),
    unreachable: tuple[str, ...] = (),
) -> Job:
    """Run all stages; ``sdists`` of the project were brought too, and the sources of some Pythons are unreachable."""

    async def sdists_of(project: NormalizedName) -> tuple[IndexFile, ...]:
        assert project == "demo"
        return sdists

    pipeline.engine = MemoryEngine(*scripts)
    reach = Reach.of([[lacking(one) for one in builders if one.python in unreachable]])
    tools: Tools = replace(pipeline.tools, builders=builders, sdists_of=sdists_of, reach=lambda: reach)
    job = pipeline.job
    for step in pipeline.steps:
        job = await step.act(job, tools)
    return job


def lacking(builder: BuilderChoice) -> PythonReach:
    return PythonReach(
        architecture=builder.policy.architecture,
        suite=builder.suite,
        python=builder.python,
        reachable=False,
        tried=(SourceTry(url="https://mirror.test/Python.tar.xz", answer="it answered 404 Not Found"),),
    )


def leaving(report: Mapping[str, Any] = NATIVE_REPORT) -> Script:
    """Play an agent that finds nothing wrong."""

    async def script(agent: ScriptedAgent) -> None:
        job = await agent.receive()
        assert (job["kind"], job["brought"]) == ("repair", True)
        agent.send("report", wheel=job["wheel"], is_changed=False, **report)

    return script


def changing(filename: str, report: Mapping[str, Any] = NATIVE_REPORT, **more: object) -> Script:
    """Play an agent that makes another wheel."""

    async def script(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send_file(filename, make_wheel(filename))
        agent.send("report", wheel=filename, is_changed=True, **{**report, **more})

    return script


async def broken(agent: ScriptedAgent) -> None:
    await agent.receive()
    agent.send("failure", code="verify-failed", problems=["import demo: ImportError: no"])


def proven(job: Job) -> list[str]:
    wheel: Wheel = known(job.wheel)
    return [f"{proof.suite} {proof.python}" for proof in wheel.proofs]


async def test_wheel_that_is_right_is_published_byte_by_byte_under_its_own_name(tmp_path: Path) -> None:
    content = make_wheel(COMPLIANT)
    pipeline = bringing(tmp_path, COMPLIANT, content)
    job = await go(pipeline, leaving(), *[honest_verify] * 3)
    assert pipeline.index.files == {("demo", COMPLIANT): content}
    wheel = known(job.wheel)
    assert (wheel.changes, wheel.build_requirements, wheel.policy) == ((), (), "manylinux_2_17_x86_64")
    assert "nothing is built: its name, metadata, record and archive are compared" in pipeline.log.text
    assert "nothing was changed" in pipeline.log.text


async def test_wheel_is_proven_in_the_bare_image_of_each_target_that_its_tags_claim(tmp_path: Path) -> None:
    pipeline = bringing(tmp_path, COMPLIANT)
    job = await go(pipeline, leaving(), *[honest_verify] * 3)
    assert proven(job) == ["bullseye 3.13", "bookworm 3.13", "trixie 3.13"]
    assert [spec.image for spec in pipeline.engine.runs] == [
        "builder-bookworm-3.13",
        *(f"runtime-{suite}-3.13" for suite in ("bullseye", "bookworm", "trixie")),
    ]
    assert [proof.imported_modules for proof in known(job.wheel).proofs] == [("demo",)] * 3


async def test_pure_wheel_is_proven_everywhere(tmp_path: Path) -> None:
    job = await go(bringing(tmp_path, PURE), leaving(REPAIR_REPORT), *[honest_verify] * 6)
    assert len(proven(job)) == len(BUILDERS)


async def test_pythons_that_cannot_be_had_are_not_tried_and_the_report_says_so(tmp_path: Path) -> None:
    job = await go(bringing(tmp_path, PURE), leaving(REPAIR_REPORT), *[honest_verify] * 3, unreachable=("3.11",))
    assert proven(job) == ["bullseye 3.13", "bookworm 3.13", "trixie 3.13"]
    assert known(job.wheel).warnings[-1] == (
        "Its tags are also for Pythons whose source cannot be reached (source-unreachable), not tried: "
        "Python 3.11 on bullseye, bookworm, trixie: https://mirror.test/Python.tar.xz (it answered 404 Not Found)."
    )


async def test_wheel_for_pythons_that_cannot_be_had_alone_is_not_proven(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachableError):
        await go(bringing(tmp_path, PURE), leaving(REPAIR_REPORT), unreachable=("3.11", "3.13"))


async def test_targets_of_other_machines_are_not_tried(tmp_path: Path) -> None:
    foreign = replace(BUILDERS[0], policy=Policy(glibc=(2, 31), architecture="aarch64"))
    job = await go(bringing(tmp_path, PURE), leaving(REPAIR_REPORT), honest_verify, builders=(foreign, BUILDERS[2]))
    assert proven(job) == ["bookworm 3.13"]


async def test_stable_abi_for_older_pythons_than_there_are_is_a_warning(tmp_path: Path) -> None:
    stable = "demo-1.0-cp38-abi3-manylinux_2_17_x86_64.whl"
    job = await go(bringing(tmp_path, stable), leaving(), *[honest_verify] * 6)
    assert known(job.wheel).warnings == ("Its tag says Python 3.8 and newer; it was tried on 3.11 and 3.13 alone.",)
    known_python = "demo-1.0-cp311-abi3-manylinux_2_17_x86_64.whl"
    job = await go(bringing(tmp_path, known_python), leaving(), *[honest_verify] * 6)
    assert known(job.wheel).warnings == ()


async def test_failed_proof_names_its_target(tmp_path: Path) -> None:
    pipeline = bringing(tmp_path, COMPLIANT)
    with pytest.raises(VerifyFailedError, match=r"^On bookworm with Python 3\.13: demo 1\.0 does not work"):
        await go(pipeline, leaving(), honest_verify, broken)
    assert pipeline.index.files == {}


async def test_modules_of_the_wheel_are_those_that_every_target_imports(tmp_path: Path) -> None:
    async def less(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("report", imported=[], skipped={}, remarks=["It is old."])

    job = await go(bringing(tmp_path, COMPLIANT), leaving(), honest_verify, less, honest_verify)
    assert known(job.wheel).imported_modules == ()
    assert known(job.wheel).warnings == ("It is old.",)


async def test_changed_wheel_has_a_build_tag_and_says_what_was_changed(tmp_path: Path) -> None:
    path = {"file": "demo/_c.abi3.so", "before": "/opt/lib", "after": "$ORIGIN/../demo.libs"}
    pipeline = bringing(tmp_path, NATIVE)
    lie = {"kind": "rpath-invalid", "subject": "demo/_c.abi3.so", "detail": "it leads out of it", "fatal": False}
    script = changing(NATIVE_REPAIRED, search_paths=[path], dropped_libraries=["libpython3.13.so.1.0"], mended=[lie])
    job = await go(pipeline, script, *[honest_verify] * 3)
    assert list(pipeline.index.files) == [("demo", NATIVE_REPAIRED)]
    corrected, tag, graft, search, dropped = known(job.wheel).changes
    assert corrected == "Corrected: demo/_c.abi3.so: it leads out of it (rpath-invalid)."
    assert tag.startswith(
        "Its tag was cp313-cp313-linux_x86_64, and is cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64: "
    )
    assert "memcpy@GLIBC_2.14" in tag
    assert graft == f"libz.so.1 was put into it, from zlib1g {GRAFTED['package_version']}."
    assert search == "The search path (RPATH) of demo/_c.abi3.so was /opt/lib, and is $ORIGIN/../demo.libs."
    assert dropped == "It links to libpython3.13.so.1.0 no more."


@pytest.mark.parametrize("report", [explained("manylinux_2_34_x86_64"), explained("manylinux_2_18_x86_64")])
async def test_tag_that_is_older_than_what_the_wheel_needs_does_not_pass(
    tmp_path: Path, report: Mapping[str, Any]
) -> None:
    with pytest.raises(UntrustedOutputError, match="does not serve manylinux_2_17_x86_64"):
        await go(bringing(tmp_path, NATIVE), changing(NATIVE_REPAIRED, report))
    with pytest.raises(UntrustedOutputError, match="does not serve manylinux_2_17_x86_64"):
        await go(bringing(tmp_path, COMPLIANT), leaving(report))


async def test_wheel_without_a_policy_in_its_tag_cannot_be_right_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(UntrustedOutputError, match="names no manylinux policy"):
        await go(bringing(tmp_path, NATIVE), leaving())


async def test_changed_wheel_without_a_build_tag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UntrustedOutputError, match=r"does not have the build tag 1\.bookworm"):
        await go(bringing(tmp_path, NATIVE), changing(COMPLIANT))


async def test_true_tag_that_no_target_accepts_is_refused_with_the_targets(tmp_path: Path) -> None:
    newest = "demo-1.0-1.bookworm-cp313-cp313-manylinux_2_42_x86_64.whl"
    with pytest.raises(NoTargetFitsError, match=r"Python 3\.13 on manylinux_2_41_x86_64"):
        await go(bringing(tmp_path, NATIVE), changing(newest, explained("manylinux_2_42_x86_64")))


async def test_false_python_tag_and_missing_library_are_told(tmp_path: Path) -> None:
    async def false_tag(agent: ScriptedAgent) -> None:
        await agent.receive()
        lie = {"kind": "tag-too-general", "subject": "py3-none-any", "detail": "it has demo._c", "fatal": True}
        agent.send("failure", code="wheel-claims-false", lies=[lie])

    async def lacking(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("failure", code="repair-failed", reason="it links libfoo.so.2")

    with pytest.raises(WheelClaimsFalseError, match=r"py3-none-any: it has demo\._c \(tag-too-general\)"):
        await go(bringing(tmp_path, PURE), false_tag)
    with pytest.raises(RepairFailedError, match="any manylinux policy: it links libfoo") as caught:
        await go(bringing(tmp_path, NATIVE), lacking)
    assert "recipe" in caught.value.hint


async def test_wheel_whose_parts_disagree_is_refused_before_any_container(tmp_path: Path) -> None:
    pipeline = bringing(tmp_path, PURE, make_wheel(PURE, version="2.0"))
    with pytest.raises(InvalidWheelError, match=r"METADATA says demo 2\.0") as caught:
        await go(pipeline)
    assert [lie.kind for lie in caught.value.lies] == ["metadata-mismatch"]
    assert caught.value.hint.startswith("Rename the file, or change the name, version or tags")
    assert pipeline.engine.runs == []


async def test_repair_has_the_rules_of_the_recipe_and_the_time_of_the_newest_member(tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    async def listening(agent: ScriptedAgent) -> None:
        asked.update(await agent.receive())
        agent.send("report", wheel=asked["wheel"], is_changed=False, **NATIVE_REPORT)

    buffer = io.BytesIO(make_wheel(COMPLIANT))
    with zipfile.ZipFile(buffer, "a") as bundle:
        bundle.infolist()[0].date_time = (2024, 2, 29, 12, 0, 0)
        bundle._didModify = True  # type: ignore[attr-defined]
    recipe = EffectiveRecipe(apt=("libyaml-dev",), excluded_libraries=("libcuda.so.*",))
    pipeline = bringing(tmp_path, COMPLIANT, buffer.getvalue(), recipe)
    await go(pipeline, listening, *[honest_verify] * 3)
    assert (asked["epoch"], asked["exclude"]) == (1709208000, ["libcuda.so.*"])
    assert pipeline.engine.runs[0].image == "builder-bookworm-3.13"  # it is right, and needs no packages


@pytest.mark.parametrize("first", ["lacking", "changing"])
async def test_only_a_wheel_that_is_to_be_changed_has_the_packages_of_its_recipe_installed(
    tmp_path: Path, first: str
) -> None:
    async def lacking(agent: ScriptedAgent) -> None:
        await agent.receive()
        lie = {"kind": "library-not-promised", "subject": "libyaml-0.so.2", "detail": "it is nowhere", "fatal": True}
        agent.send("failure", code="wheel-claims-false", lies=[lie])

    script = lacking if first == "lacking" else changing(NATIVE_REPAIRED)
    pipeline = bringing(tmp_path, NATIVE, recipe=EffectiveRecipe(apt=("libyaml-dev",)))
    await go(pipeline, script, changing(NATIVE_REPAIRED), *[honest_verify] * 3)
    assert [spec.image for spec in pipeline.engine.runs[:2]] == [
        "builder-bookworm-3.13",
        "builder-bookworm-3.13+libyaml-dev",
    ]
    assert "the recipe's packages are needed: libyaml-dev" in pipeline.log.text


async def test_lie_that_packages_do_not_help_is_told_at_once(tmp_path: Path) -> None:
    async def foreign(agent: ScriptedAgent) -> None:
        await agent.receive()
        lie = {"kind": "foreign-platform", "subject": "demo/_c.so", "detail": "it is for ARM", "fatal": True}
        agent.send("failure", code="wheel-claims-false", lies=[lie])

    pipeline = bringing(tmp_path, NATIVE, recipe=EffectiveRecipe(apt=("libyaml-dev",)))
    with pytest.raises(WheelClaimsFalseError, match="it is for ARM"):
        await go(pipeline, foreign)


async def test_each_proof_has_the_packages_that_the_recipe_names_for_its_suite(tmp_path: Path) -> None:
    recipe = EffectiveRecipe(test_apt=("libgl1",), test_apt_on=(("trixie 3.13", ("libgl1t64",)),))
    pipeline = bringing(tmp_path, COMPLIANT, recipe=recipe)
    await go(pipeline, leaving(), *[honest_verify] * 3)
    assert [spec.image for spec in pipeline.engine.runs[1:]] == [
        "runtime-bullseye-3.13+libgl1",
        "runtime-bookworm-3.13+libgl1",
        "runtime-trixie-3.13+libgl1t64",
    ]


async def test_failed_proof_names_all_targets_that_it_fails_on(tmp_path: Path) -> None:
    with pytest.raises(VerifyFailedError) as caught:
        await go(bringing(tmp_path, COMPLIANT), leaving(), broken, honest_verify, broken)
    assert caught.value.summary.startswith("On bullseye with Python 3.13: demo 1.0 does not work")
    assert "On trixie with Python 3.13: demo 1.0 does not work" in caught.value.summary
    assert "bookworm" not in caught.value.summary
    assert [(place, bool(reason)) for place, reason in caught.value.proofs] == [
        ("bullseye with Python 3.13", True),
        ("bookworm with Python 3.13", False),
        ("trixie with Python 3.13", True),
    ]


@pytest.mark.parametrize("code", ["memory-limit", "disk-limit", "process-limit", "open-files-limit"])
async def test_wheel_that_reaches_a_limit_is_not_tried_on_the_other_targets(tmp_path: Path, code: str) -> None:
    async def greedy(agent: ScriptedAgent) -> None:
        await agent.receive()
        agent.send("failure", code=code)

    pipeline = bringing(tmp_path, COMPLIANT)
    with pytest.raises(ProjectError, match=r"^On bullseye with Python 3\.13: ") as caught:
        await go(pipeline, leaving(), greedy, honest_verify, honest_verify)
    assert caught.value.code == code
    assert len(pipeline.engine.runs) == 2


async def test_all_proofs_together_have_the_time_limit_of_one_stage(tmp_path: Path) -> None:
    async def slow(agent: ScriptedAgent) -> None:
        await asyncio.sleep(0.6)
        await honest_verify(agent)

    pipeline = bringing(tmp_path, COMPLIANT, recipe=EffectiveRecipe(time_seconds=1))
    with pytest.raises(BuildTimeoutError, match=r"^On bookworm with Python 3\.13: .* 1 seconds, at 1\.") as caught:
        await go(pipeline, leaving(), slow, slow, slow)
    assert caught.value.stage == Stage.VERIFY
    assert len(pipeline.engine.runs) == 3


async def test_targets_that_a_proof_fails_on_are_named_up_to_a_limit(tmp_path: Path) -> None:
    builders = tuple(
        BuilderChoice(suite=f"suite{minor}", python="3.13", policy=Policy(glibc=(2, minor), architecture="x86_64"))
        for minor in range(30, 40)
    )
    with pytest.raises(VerifyFailedError, match=r"It fails on 4 more\.") as caught:
        await go(bringing(tmp_path, COMPLIANT), leaving(), *[broken] * 10, builders=builders)
    assert caught.value.summary.count("On suite") == 6


async def test_requires_python_above_the_floor_of_a_stable_abi_is_a_warning(tmp_path: Path) -> None:
    stable = "demo-1.0-cp39-abi3-manylinux_2_17_x86_64.whl"
    metadata = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nRequires-Python: >=3.11\n"
    content = pack_wheel(stable, {"demo.py": b"", "demo-1.0.dist-info/METADATA": metadata})
    job = await go(bringing(tmp_path, stable, content), leaving(), *[honest_verify] * 6)
    assert known(job.wheel).warnings[0] == (
        "Its tag says Python 3.9 and newer, and its Requires-Python 3.11 (requires-python-mismatch)."
    )


async def test_requires_python_that_excludes_the_tag_is_refused_before_any_container(tmp_path: Path) -> None:
    metadata = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nRequires-Python: <3.12\n"
    content = pack_wheel(COMPLIANT, {"demo.py": b"", "demo-1.0.dist-info/METADATA": metadata})
    pipeline = bringing(tmp_path, COMPLIANT, content)
    with pytest.raises(
        InvalidWheelError, match=r"its Requires-Python is <3\.12, which excludes every Python"
    ) as caught:
        await go(pipeline)
    assert [lie.kind for lie in caught.value.lies] == ["requires-python-mismatch"]
    assert pipeline.engine.runs == []


DECLARED: Final = {"name": "demo._lost", "where": "pyproject.toml", "certain": True, "required": True}


def comparing(files: dict[str, bytes], sources: object) -> Script:
    """Play an agent that has compared the wheel with the sdist."""

    async def script(agent: ScriptedAgent) -> None:
        job = await agent.receive()
        files.update({name: file.data for name, file in agent.files.items()})
        assert (job["sdist"], job["python_version"]) == ("demo-1.0.tar.gz", "3.13")
        agent.send("report", wheel=job["wheel"], is_changed=False, sources=sources, **NATIVE_REPORT)

    return script


@pytest.mark.parametrize("python", ["3.13", "3.13t"])
async def test_extension_that_the_brought_sdist_declares_and_the_wheel_lacks_refuses_it(
    tmp_path: Path, python: str
) -> None:
    pipeline = bringing(tmp_path, COMPLIANT)
    pipeline.order = replace(pipeline.order, target=replace(pipeline.order.target, python=python))
    sdist = pipeline.source.add("demo-1.0.tar.gz", b"sdist")
    pipeline.source.project_fault = OwnProjectError(
        project="demo", pattern=None
    )  # as of any project with such an sdist
    files: dict[str, bytes] = {}
    with pytest.raises(ExtensionMissingError, match=r"demo\._lost") as caught:
        await go(pipeline, comparing(files, [DECLARED]), sdists=(sdist,))
    assert caught.value.evidence == ("pyproject.toml declares demo._lost.",)
    assert files["demo-1.0.tar.gz"] == b"sdist"


async def test_sources_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    pipeline = bringing(tmp_path, COMPLIANT)
    with pytest.raises(UntrustedOutputError):
        await go(pipeline, comparing({}, "none"), sdists=(pipeline.source.add("demo-1.0.tar.gz", b"sdist"),))


@pytest.mark.parametrize("filename", ["demo-2.0.tar.gz", "demo-1.0.tar.gz"], ids=["another release", "not at hand"])
async def test_wheel_without_an_sdist_at_hand_is_judged_alone(tmp_path: Path, filename: str) -> None:
    pipeline = bringing(tmp_path, COMPLIANT)
    sdist = replace(pipeline.source.add(filename, b"sdist"), sha256="00" * 32)

    async def alone(agent: ScriptedAgent) -> None:
        job = await agent.receive()
        assert job["sdist"] is None
        agent.send("report", wheel=job["wheel"], is_changed=False, **NATIVE_REPORT)

    job = await go(pipeline, alone, *[honest_verify] * 3, sdists=(sdist,))
    assert known(job.wheel).changes == ()
    assert ("demo-1.0.tar.gz: " in pipeline.log.text) == (filename == "demo-1.0.tar.gz")


async def test_wheel_at_an_address_gets_a_version_that_replaces_no_release(tmp_path: Path) -> None:
    pipeline = bringing(tmp_path, COMPLIANT)
    origin = FileOrigin(
        address=f"https://files.example/{COMPLIANT}", name=COMPLIANT, sha256=pipeline.order.sdist.sha256, version="1.0"
    )
    version = f"1.0.dev0+{origin.mark}"
    source = replace(pipeline.order.sdist, file=origin)
    pipeline.order = replace(pipeline.order, version=version, sdist=source)
    name = COMPLIANT.replace("demo-1.0-", f"demo-{version}-1.bookworm-")

    async def relabelling(agent: ScriptedAgent) -> None:
        job = await agent.receive()
        assert job["relabel"] == {"made": "1.0", "version": version}
        agent.send_file(name, make_wheel(name, version=version))
        agent.send("report", wheel=name, is_changed=True, **NATIVE_REPORT)

    job = await go(pipeline, relabelling, *[honest_verify] * 3)
    assert list(pipeline.index.files) == [("demo", name)]
    assert known(job.wheel).changes[0] == f"Its version was 1.0, and is {version}, which replaces no release."
    with pytest.raises(UntrustedOutputError):
        await go(pipeline, leaving())
