"""What is added to a build that lacks something, within which bounds, and what runs again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.fakes.archives import FakeArchives
from tests.unit.pipeline_harness import PipelineHarness

from wheelyard.domain.builds.build import Stage
from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.healing import Healing, HealMode, HealRound, HealRules, Inference, InferenceSource
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.sdist.need import Need
from wheelyard.errors import BuildFailedError, ExtensionMissingError, ProjectError, VerifyFailedError
from wheelyard.pipeline.heal import conclude, foresee, heal, was_guess
from wheelyard.pipeline.job import BuiltWheel, Job, Tools

_FFTW = Finding(kind=FindingKind.HEADER, name="fftw3.h", line="x.c:1: fatal error: fftw3.h: No such file")
_CAP = Finding(kind=FindingKind.LIBRARY, name="libcap")
_PACKAGES = {(FileKind.HEADER, "fftw3.h"): ("libfftw3-dev",), (FileKind.LIBRARY, "cap"): ("libcap-dev",)}
_ON = HealRules()


@pytest.fixture
def tools(pipeline: PipelineHarness) -> Tools:
    pipeline.archives = FakeArchives(_PACKAGES)
    return replace(pipeline.tools, heal=_ON)


def _failed(*requirements: str) -> BuildFailedError:
    return BuildFailedError(release="demo 1.0", exit_reason="it ended", requirements=requirements)


def _needs(*needs: Need) -> Callable[[Path], tuple[Need, ...]]:
    return lambda _: needs


def _need(name: str, *, required: bool, place: str = "x.c") -> Need:
    wanted = (WantedFile(kind=FileKind.HEADER, name=name),)
    return Need(name=name, wanted=wanted, is_required=required, place=place)


async def _healed(
    job: Job, tools: Tools, *findings: Finding, error: ProjectError | None = None, stage: Stage = Stage.BUILD
) -> tuple[Job, frozenset[Stage]]:
    found = await heal(job, tools, error or _failed(), stage, findings)
    assert found is not None
    return found


async def test_everything_that_a_failure_says_is_added_at_once(pipeline: PipelineHarness, tools: Tools) -> None:
    job, again = await _healed(pipeline.prepared, tools, _FFTW, _CAP)

    assert job.claim.order.recipe.apt == ("libfftw3-dev", "libcap-dev")
    assert again == {Stage.PREPARE, Stage.BUILD, Stage.REPAIR}
    assert job.healing is not None
    assert job.healing.added[0].reason == "fftw3.h is in libfftw3-dev"
    assert job.healing.added[0].line == _FFTW.line


async def test_same_failure_again_heals_nothing(pipeline: PipelineHarness, tools: Tools) -> None:
    job, _ = await _healed(pipeline.prepared, tools, _FFTW)

    assert await heal(job, tools, _failed(), Stage.BUILD, [_FFTW]) is None


async def test_file_that_no_package_has_heals_nothing(pipeline: PipelineHarness, tools: Tools) -> None:
    unknown = Finding(kind=FindingKind.HEADER, name="unknown.h")

    assert await heal(pipeline.prepared, tools, _failed(), Stage.BUILD, [unknown]) is None


async def test_rounds_have_an_end(pipeline: PipelineHarness, tools: Tools) -> None:
    rounds = tuple(HealRound(stage="build", findings=(), added=()) for _ in range(_ON.most_rounds + 1))
    job = pipeline.prepared.knowing(healing=Healing(rounds=rounds))

    assert await heal(job, tools, _failed(), Stage.BUILD, [_FFTW]) is None


async def test_packages_have_a_limit(pipeline: PipelineHarness) -> None:
    many = [f"{number}.h" for number in range(60)]
    pipeline.archives = FakeArchives({(FileKind.HEADER, name): (f"lib{name[:-2]}-dev",) for name in many})
    tools = replace(pipeline.tools, heal=_ON)

    job, _ = await _healed(pipeline.prepared, tools, *(Finding(kind=FindingKind.HEADER, name=name) for name in many))

    assert len(job.claim.order.recipe.apt) == _ON.most_packages
    assert "the limit of what is added is reached" in pipeline.log.text


async def test_size_of_all_rounds_together_has_a_limit(pipeline: PipelineHarness, tools: Tools) -> None:
    rules = replace(_ON, most_bytes=1500)  # a package of the fake archive has 1,000
    job, _ = await _healed(pipeline.prepared, replace(tools, heal=rules), _FFTW)

    assert await heal(job, replace(tools, heal=rules), _failed(), Stage.BUILD, [_CAP]) is None


@pytest.mark.parametrize("name", ["1" * 100 + "x.h", "-config" * 14 + "x", ".h" * 40 + "!"])
async def test_hostile_name_of_a_need_costs_nothing(pipeline: PipelineHarness, tools: Tools, name: str) -> None:
    tools = replace(tools, read_needs=_needs(_need(name, required=False)))
    prose = Finding(kind=FindingKind.PROJECT_REFUSES, name="", line="it refuses")

    assert await heal(pipeline.prepared, tools, _failed(), Stage.BUILD, [prose]) is None


@pytest.mark.parametrize("mode", [HealMode.OFF, HealMode.PROPOSE])
async def test_operator_may_want_to_be_asked(pipeline: PipelineHarness, tools: Tools, mode: HealMode) -> None:
    found = await heal(pipeline.prepared, replace(tools, heal=HealRules(mode=mode)), _failed(), Stage.BUILD, [_FFTW])

    if mode is HealMode.OFF:
        assert found is None
        return
    assert found is not None
    job, again = found
    assert again == frozenset()
    assert job.claim.order.recipe.apt == ()
    assert job.healing is not None
    assert job.healing.is_proposed
    assert "libfftw3-dev" in job.healing.recipe


def _released_in_2020(pipeline: PipelineHarness) -> None:
    """Publish the sdist in May 2020, between two releases of setuptools."""
    day = datetime(2020, 5, 1, tzinfo=UTC)
    sdist = pipeline.source.add(pipeline.order.sdist.filename, b"the sdist", upload_time=day)
    pipeline.order = replace(pipeline.order, sdist=replace(pipeline.order.sdist, sha256=sdist.sha256))
    for version, year in (("46.0", 2020), ("80.0", 2025)):
        pipeline.source.add(f"setuptools-{version}-py3-none-any.whl", upload_time=datetime(year, 3, 1, tzinfo=UTC))


async def test_drift_goes_back_to_the_day_of_the_release(pipeline: PipelineHarness, tools: Tools) -> None:
    _released_in_2020(pipeline)
    drift = Finding(kind=FindingKind.BACKEND_DRIFT, name="setuptools")

    error = _failed("setuptools-80.0-py3-none-any.whl")
    job, again = await _healed(pipeline.prepared, tools, drift, error=error)

    assert job.claim.order.recipe.build_constraints == ("setuptools<=46.0",)
    assert again == {Stage.BUILD, Stage.REPAIR}
    assert not was_guess(job, Stage.BUILD)


@pytest.mark.parametrize("given", ["setuptools-80.0-py3-none-any.whl", "Cython-3.1.0-py3-none-any.whl"])
async def test_c_sources_of_an_older_cython_are_made_anew(pipeline: PipelineHarness, tools: Tools, given: str) -> None:
    stale = Finding(kind=FindingKind.C_SOURCES, name="", line="no member named 'curexc_type'")

    job, again = await _healed(pipeline.prepared, tools, stale, error=_failed(given))

    recipe = job.claim.order.recipe
    assert recipe.cythonize == ("*",)
    # A Cython that the project requires itself is the one that it is written for.
    assert recipe.build_requires == (() if given.startswith("Cython") else ("cython<3.1",))
    assert again == {Stage.BUILD, Stage.REPAIR}
    assert await heal(job, tools, _failed(given), Stage.BUILD, [stale]) is None


async def test_projects_own_refusal_is_tried_once_with_what_there_was_when_it_was_released(
    pipeline: PipelineHarness, tools: Tools
) -> None:
    _released_in_2020(pipeline)
    refusal = Finding(kind=FindingKind.PROJECT_REFUSES, name="", line="RuntimeError: expected one LICENSE file, got 0")
    error = _failed("setuptools-80.0-py3-none-any.whl")

    job, again = await _healed(pipeline.prepared, tools, refusal, error=error)

    assert job.claim.order.recipe.build_constraints == ("setuptools<=46.0",)
    assert again == {Stage.BUILD, Stage.REPAIR}
    assert was_guess(job, Stage.BUILD)
    assert await heal(job, tools, error, Stage.BUILD, [refusal]) is None


async def test_guess_is_not_proposed(pipeline: PipelineHarness, tools: Tools) -> None:
    _released_in_2020(pipeline)
    refusal = Finding(kind=FindingKind.PROJECT_REFUSES, name="", line="it refuses")
    tools = replace(tools, heal=HealRules(mode=HealMode.PROPOSE))

    error = _failed("setuptools-80.0-py3-none-any.whl")

    assert await heal(pipeline.prepared, tools, error, Stage.BUILD, [refusal]) is None


async def test_library_that_a_pure_wheel_loads_is_the_hosts(pipeline: PipelineHarness) -> None:
    pipeline.archives = FakeArchives({(FileKind.LIBRARY, "magic"): ("libmagic-dev",)})
    missing = Finding(kind=FindingKind.HOST_LIBRARY, name="libmagic.so")
    error = VerifyFailedError(wheel="demo 1.0", problems=["no libmagic"])
    job, again = await _healed(
        pipeline.repaired(), replace(pipeline.tools, heal=_ON), missing, error=error, stage=Stage.VERIFY
    )

    assert job.claim.order.recipe.test_apt == ("libmagic-dev",)
    assert again == {Stage.PREPARE, Stage.VERIFY}


async def test_library_that_a_bare_host_lacks_is_grafted(pipeline: PipelineHarness, tools: Tools) -> None:
    missing = Finding(kind=FindingKind.HOST_LIBRARY, name="libexpat.so.1")
    error = VerifyFailedError(wheel="demo 1.0", problems=["no libexpat"])

    job, again = await _healed(pipeline.prepared, tools, missing, error=error, stage=Stage.VERIFY)

    assert job.claim.order.recipe.grafted_beyond_policy == ("libexpat.so.1",)
    assert again == {Stage.REPAIR, Stage.VERIFY}


async def test_library_of_which_two_would_harm_is_the_hosts(pipeline: PipelineHarness) -> None:
    pipeline.archives = FakeArchives({(FileKind.SONAME, "libglib-2.0.so.0"): ("libglib2.0-0",)})
    missing = Finding(kind=FindingKind.HOST_LIBRARY, name="libglib-2.0.so.0")
    error = VerifyFailedError(wheel="demo 1.0", problems=["no glib"])

    tools = replace(pipeline.tools, heal=_ON)
    job, again = await _healed(pipeline.prepared, tools, missing, error=error, stage=Stage.VERIFY)

    assert job.claim.order.recipe.test_apt == ("libglib2.0-0",)
    assert again == {Stage.PREPARE, Stage.VERIFY}


async def test_lost_extension_gets_what_the_sdist_can_do_without(pipeline: PipelineHarness, tools: Tools) -> None:
    tools = replace(tools, read_needs=_needs(_need("fftw3.h", required=False)))
    error = ExtensionMissingError(wheel="demo 1.0", missing=["demo._c"])

    job, _ = await _healed(pipeline.prepared, tools, error=error, stage=Stage.REPAIR)

    assert job.claim.order.recipe.apt == ("libfftw3-dev",)


async def test_library_that_prose_names_is_looked_for_among_what_the_sdist_could_use(
    pipeline: PipelineHarness, tools: Tools
) -> None:
    pipeline.archives.packages[FileKind.HEADER, "mecab.h"] = ("libmecab-dev",)
    tools = replace(tools, read_needs=_needs(_need("mecab.h", required=False), _need("fftw3.h", required=False)))
    prose = Finding(kind=FindingKind.PROJECT_REFUSES, name="", line="RuntimeError: Have you installed MeCab?")

    job, _ = await _healed(pipeline.prepared, tools, prose)

    assert job.claim.order.recipe.apt == ("libmecab-dev",)


async def test_library_that_a_build_wanted_to_download_is_taken_from_the_suite(
    pipeline: PipelineHarness, tools: Tools
) -> None:
    pipeline.archives.packages[FileKind.HEADER, "zmq.h"] = ("libzmq3-dev",)
    tools = replace(tools, read_needs=_needs(_need("zmq.h", required=False), _need("fftw3.h", required=False)))
    network = Finding(kind=FindingKind.NETWORK, name="files.example")
    log = "fetching https://files.example/zeromq/libzmq-4.3.5.tar.gz\nCould not resolve host: files.example\n"

    found = await heal(pipeline.prepared, tools, _failed(), Stage.BUILD, [network], log)

    assert found is not None
    assert found[0].claim.order.recipe.apt == ("libzmq3-dev",)


@pytest.mark.parametrize(("others", "added"), [(0, ("libfftw3-dev",)), (6, None)], ids=["few", "many"])
async def test_download_under_another_name_gives_what_the_sdist_can_do_without_if_it_is_little(
    pipeline: PipelineHarness, tools: Tools, others: int, added: tuple[str, ...] | None
) -> None:
    needs = [_need("fftw3.h", required=False), *(_need(f"other{n}.h", required=False) for n in range(others))]
    network = Finding(kind=FindingKind.NETWORK, name="files.example")
    log = "fetching https://files.example/archive/0123abcd.tar.gz\nCould not resolve host: files.example\n"

    found = await heal(
        pipeline.prepared, replace(tools, read_needs=_needs(*needs)), _failed(), Stage.BUILD, [network], log
    )

    assert (found and found[0].claim.order.recipe.apt) == added


async def test_what_the_sdist_requires_is_there_before_the_first_try(pipeline: PipelineHarness, tools: Tools) -> None:
    needs = _needs(_need("fftw3.h", required=True), _need("png.h", required=False))
    pipeline.archives.packages[FileKind.HEADER, "png.h"] = ("libpng-dev",)

    job = await foresee(pipeline.prepared, replace(tools, read_needs=needs))

    assert job.claim.order.recipe.apt == ("libfftw3-dev",)
    assert job.healing is not None
    assert job.healing.could_have == ("could also have png.h: libpng-dev",)


async def test_package_of_one_header_is_meant_by_another_header_that_it_has_too(
    pipeline: PipelineHarness, tools: Tools
) -> None:
    pipeline.archives.packages |= {
        (FileKind.HEADER, "cpl_error.h"): ("libcpl-dev", "libgdal-dev"),
        (FileKind.HEADER, "cpl_conv.h"): ("libgdal-dev",),
    }
    needs = [_need("cpl_error.h", required=True), _need("cpl_conv.h", required=True)]

    job = await foresee(pipeline.prepared, replace(tools, read_needs=_needs(*needs)))

    assert job.claim.order.recipe.apt == ("libgdal-dev",)


async def test_recipe_of_a_person_is_not_predicted_for(pipeline: PipelineHarness, tools: Tools) -> None:
    pipeline.order = replace(pipeline.order, recipe=EffectiveRecipe(apt=("libyaml-dev",)))

    job = await foresee(pipeline.prepared, replace(tools, read_needs=_needs(_need("fftw3.h", required=True))))

    assert job.claim.order.recipe.apt == ("libyaml-dev",)


async def test_former_build_teaches_what_this_suite_and_release_have(pipeline: PipelineHarness, tools: Tools) -> None:
    def inference(key: str, value: str) -> Inference:
        return Inference(key=key, value=value, source=InferenceSource.FAILURE, reason="it failed")

    unused = inference("apt", "libcap-dev")
    added = (
        *(inference("apt", name) for name in ("libfftw3-dev", "not-in-this-suite")),
        inference("build-constraints", "setuptools<=46"),
        unused,
    )
    former = Healing(rounds=(HealRound(stage="build", findings=(), added=added),), unused=(unused,))

    async def learnt(project: str) -> tuple[str, Healing] | None:
        return ("0.9", former) if project == "demo" else None

    job = await foresee(pipeline.prepared, replace(tools, learnt=learnt))

    assert job.claim.order.recipe.apt == ("libfftw3-dev",)
    assert job.claim.order.recipe.build_constraints == ()


async def test_predicted_package_that_was_not_used_is_left_out(pipeline: PipelineHarness, tools: Tools) -> None:
    needs = _needs(_need("fftw3.h", required=True), _need("cap.h", required=True))
    pipeline.archives.packages[FileKind.HEADER, "cap.h"] = ("libcap-dev",)
    job = await foresee(pipeline.prepared, replace(tools, read_needs=needs))
    built = BuiltWheel(path=Path("x.whl"), epoch=1, requirements=(), used_packages=frozenset({"libfftw3-dev"}))

    healing = await conclude(job.knowing(built=built))

    assert healing is not None
    assert [one.value for one in healing.unused] == ["libcap-dev"]
    assert "libfftw3-dev" in healing.recipe
    assert "libcap-dev" not in healing.recipe
