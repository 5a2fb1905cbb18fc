"""Wheels that others built, on real images, in real containers: repaired only where needed, and proven."""

import hashlib
import uuid
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.container_harness import ContainerHarness, PackageRun, open_harness
from tests.packages.make_sdist import PACKAGES, make_sdist
from tests.unit.pipeline_harness import info_folder, pack_wheel

from wheelyard.domain.builds.build import Build, Stage, Status
from wheelyard.domain.healing.findings import FindingKind
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.pipeline.job import Job, Step, Tools, known
from wheelyard.pipeline.steps import steps_to

WITH_YAML = EffectiveRecipe(apt=("libyaml-dev",))


@pytest.fixture
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ContainerHarness]:
    async with open_harness(tmp_path_factory.mktemp("brought"), f"test-{uuid.uuid4().hex}") as opened:
        yield opened


async def _build_raw(harness: ContainerHarness, project: str, recipe: EffectiveRecipe | None = None) -> Path:
    """Build a project, and return the wheel as its backend made it."""
    kept: list[Path] = []

    async def keep(job: Job, _: Tools) -> Job:
        built = known(job.built).path
        kept.append(harness.folder / built.name)
        kept[0].write_bytes(built.read_bytes())
        return job

    steps = [*steps_to(None)[:4], Step(stage=Stage.REPAIR, act=keep)]
    run = harness.run_of(project, recipe=recipe or EffectiveRecipe(), steps=steps)
    build = await run.go()
    assert build.status is Status.SUCCEEDED, run.log()
    return kept[0]


def _retagged(wheel: Path, tag: str) -> tuple[str, bytes]:
    """Return a wheel with another tag, in its name and inside, as somebody does by hand."""
    name = "-".join(wheel.stem.split("-")[:2]) + f"-{tag}.whl"
    generated = {f"{info_folder(wheel.name)}/{member}" for member in ("RECORD", "WHEEL")}
    with zipfile.ZipFile(wheel) as bundle:
        members = {one.filename: bundle.read(one) for one in bundle.infolist() if one.filename not in generated}
    return name, pack_wheel(name, members)


def _bring(
    harness: ContainerHarness, project: str, name: str, content: bytes, recipe: EffectiveRecipe | None = None
) -> PackageRun:
    return harness.run_of(project, sdist=content, sdist_filename=name, recipe=recipe or EffectiveRecipe())


async def _accept(run: PackageRun) -> Build:
    build = await run.go()
    assert build.status is Status.SUCCEEDED, run.log()
    return build


async def test_raw_wheel_gets_its_library_and_its_true_tag_and_stays_so(harness: ContainerHarness) -> None:
    raw = await _build_raw(harness, "needs-library", WITH_YAML)
    run = _bring(harness, "needs-library", raw.name, raw.read_bytes(), WITH_YAML)

    wheel = known((await _accept(run)).wheel)

    assert "-1.bookworm-cp313-cp313-" in wheel.filename
    assert wheel.tag_before_repair == "cp313-cp313-linux_x86_64"
    assert "linux_x86_64" not in wheel.tag.removeprefix("cp313-cp313-").split(".")
    assert [one.package for one in wheel.grafted] == ["libyaml-0-2"]
    tag, graft, search = wheel.changes
    assert tag.startswith(f"Its tag was cp313-cp313-linux_x86_64, and is {wheel.tag}: ")
    assert graft.startswith("libyaml-0.so.2 was put into it, from libyaml-0-2 ")
    assert search.startswith("The search path (RPATH) of needs_library.")
    assert [(proof.suite, proof.python) for proof in wheel.proofs] == [("bookworm", "3.13")]
    assert wheel.proofs[0].imported_modules == ("needs_library",)

    (repaired,) = run.index.files.values()
    again = _bring(harness, "needs-library", wheel.filename, repaired)
    unchanged = known((await _accept(again)).wheel)

    assert (unchanged.filename, unchanged.changes) == (wheel.filename, ())
    assert unchanged.sha256 == hashlib.sha256(repaired).hexdigest()
    assert list(again.index.files.values()) == [repaired]


async def test_false_older_tag_is_corrected(harness: ContainerHarness) -> None:
    raw = await _build_raw(harness, "needs-library", WITH_YAML)
    name, content = _retagged(raw, "cp313-cp313-manylinux_2_5_x86_64")
    wheel = known((await _accept(_bring(harness, "needs-library", name, content, WITH_YAML))).wheel)
    assert "manylinux_2_5_x86_64" not in wheel.tag
    assert "(tag-too-old)" in wheel.changes[0]
    assert wheel.policy is not None
    assert wheel.policy in wheel.tag


def _members(wheel: Path) -> dict[str, bytes]:
    """Return the members of a wheel, without the RECORD."""
    with zipfile.ZipFile(wheel) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist() if not name.endswith("/RECORD")}


async def test_wheel_with_a_module_that_calls_itself_pure_is_corrected(harness: ContainerHarness) -> None:
    raw = await _build_raw(harness, "native")
    members = _members(raw)
    text = f"{info_folder(raw.name)}/WHEEL"
    members[text] = members[text].replace(b"Root-Is-Purelib: false", b"Root-Is-Purelib: true")
    wheel = known((await _accept(_bring(harness, "native", raw.name, pack_wheel(raw.name, members)))).wheel)
    assert wheel.changes[0].startswith("Corrected: Root-Is-Purelib: it is true")


async def test_wheel_that_chooses_among_machines_when_it_runs_stays_as_it_is(harness: ContainerHarness) -> None:
    raw = await _build_raw(harness, "native")
    library = next(content for name, content in _members(raw).items() if name.endswith(".so"))
    foreign = library[:18] + (183).to_bytes(2, "little") + library[20:]
    name = "native-1.0-py3-none-any.whl"
    metadata = _members(raw)[f"{info_folder(raw.name)}/METADATA"]
    members = {
        "native/__init__.py": b"",
        "native/lib_x86_64.so": library,
        "native/lib_aarch64.so": foreign,
        f"{info_folder(name)}/METADATA": metadata,
    }
    wheel = known((await _accept(_bring(harness, "native", name, pack_wheel(name, members)))).wheel)
    assert (wheel.filename, wheel.changes) == (name, ())
    assert any("64-bit AArch64 and 64-bit x86-64" in warning for warning in wheel.warnings)


async def test_file_for_debuggers_does_not_fail_the_audit(harness: ContainerHarness) -> None:
    raw = await _build_raw(harness, "native")
    members = _members(raw)
    module = next(name for name in members if name.endswith(".so"))
    sections = int.from_bytes(members[module][40:48], "little")
    # As objcopy --only-keep-debug leaves it: section headers, and no content that could be read.
    members["native/debug/_fast.debug"] = members[module][:64] + bytes(sections - 64) + members[module][sections:]
    wheel = known((await _accept(_bring(harness, "native", raw.name, pack_wheel(raw.name, members)))).wheel)
    assert wheel.extensions == ("native._fast",)


async def test_library_that_is_nowhere_is_named(harness: ContainerHarness) -> None:
    raw = await _build_raw(harness, "needs-library", WITH_YAML)
    build = await _bring(harness, "needs-library", raw.name, raw.read_bytes()).go()
    assert build.failure is not None
    assert (build.failure.code, build.failure.stage) == ("wheel-claims-false", Stage.REPAIR)
    assert [(one.kind, one.name) for one in build.failure.findings] == [
        (FindingKind.LIBRARY_NOT_PROMISED, "libyaml-0.so.2")
    ]


async def test_extension_module_for_any_python_is_refused(harness: ContainerHarness) -> None:
    raw = await _build_raw(harness, "native")
    name, content = _retagged(raw, "py3-none-any")
    build = await _bring(harness, "native", name, content).go()
    assert build.failure is not None
    assert build.failure.code == "wheel-claims-false"
    assert [one.kind for one in build.failure.findings] == [FindingKind.TAG_TOO_GENERAL]
    assert "native._fast" in build.failure.summary


async def test_wheel_that_cannot_be_imported_is_refused_with_its_target(harness: ContainerHarness) -> None:
    raw = await _build_raw(harness, "import-fails")
    build = await _bring(harness, "import-fails", raw.name, raw.read_bytes()).go()
    assert build.failure is not None
    assert (build.failure.code, build.failure.stage) == ("verify-failed", Stage.VERIFY)
    assert build.failure.summary.startswith("On bookworm with Python 3.13: import-fails 1.0 does not work")


@pytest.mark.parametrize("sdist", [make_sdist(PACKAGES / "native"), b"no archive"], ids=["declared", "unreadable"])
async def test_extension_that_the_uploaded_sdist_declares_and_the_wheel_lacks_refuses_it(
    harness: ContainerHarness, sdist: bytes
) -> None:
    name = "native-1.0-py3-none-any.whl"
    metadata = b"Metadata-Version: 2.4\nName: native\nVersion: 1.0\n"
    pure = pack_wheel(name, {"native/__init__.py": b"", f"{info_folder(name)}/METADATA": metadata})
    run = harness.run_of("native", sdist=pure, sdist_filename=name, sdist_beside=sdist)
    build = await run.go()
    if sdist == b"no archive":
        assert build.status is Status.SUCCEEDED, run.log()
        assert "native-1.0.tar.gz is not compared with the wheel: " in run.log()
        return
    assert build.failure is not None, run.log()
    assert build.failure.code == "extension-missing"
    assert "native._fast" in build.failure.summary
    assert "pyproject.toml declares native._fast" in build.failure.summary


async def test_wheel_that_has_what_its_uploaded_sdist_declares_passes(harness: ContainerHarness) -> None:
    raw = await _build_raw(harness, "native")
    sdist = make_sdist(PACKAGES / "native")
    run = harness.run_of("native", sdist=raw.read_bytes(), sdist_filename=raw.name, sdist_beside=sdist)
    assert (await _accept(run)).wheel is not None
    assert "compared with native-1.0.tar.gz, which was uploaded too" in run.notes()
