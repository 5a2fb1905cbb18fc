"""Builds that heal themselves, on real images, in real containers."""

import uuid
from collections.abc import AsyncIterator

import pytest
from tests.fakes.archives import FakeArchives
from tests.integration.container_harness import ContainerHarness, PackageRun, open_harness

from wheelyard.domain.builds.build import Build, Stage, Status
from wheelyard.domain.catalogue.archive_files import FileKind, PackageFile, WantedFile
from wheelyard.domain.healing.findings import FindingKind
from wheelyard.domain.healing.healing import HealMode, InferenceSource

YAML = {(FileKind.HEADER, "yaml.h"): ("libyaml-dev",), (FileKind.LIBRARY, "yaml"): ("libyaml-dev",)}
EXPAT = {(FileKind.HEADER, "expat.h"): ("libexpat1-dev",), (FileKind.LIBRARY, "expat"): ("libexpat1-dev",)}


class _LateArchives(FakeArchives):
    """Archives that know no file until the prediction, which asks twice, is over."""

    async def find(self, suite: str, architecture: str, wanted: WantedFile) -> tuple[PackageFile, ...]:
        known = self.asked.count(wanted) >= 2
        found = await super().find(suite, architecture, wanted)
        return found if known else ()


@pytest.fixture
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ContainerHarness]:
    async with open_harness(tmp_path_factory.mktemp("healing"), f"test-{uuid.uuid4().hex}") as opened:
        yield opened


async def _build(run: PackageRun) -> Build:
    build = await run.go()
    assert build.status is Status.SUCCEEDED, run.log()
    return build


async def test_library_that_the_sources_include_is_there_before_the_first_try(harness: ContainerHarness) -> None:
    run = harness.run_of("needs-library", heal=HealMode.ON, archives=FakeArchives(YAML))

    build = await _build(run)

    healing = build.attempts[-1].healing
    assert healing is not None
    (round_,) = healing.rounds
    assert [(one.value, one.source) for one in round_.added] == [("libyaml-dev", InferenceSource.PREDICTED)]
    assert healing.unused == ()
    assert '"libyaml-dev"' in healing.recipe


async def test_failure_in_build_and_proof_heals_both(harness: ContainerHarness) -> None:
    """Its package is found only by what the linker says, since the archive does not know the header at first."""
    run = harness.run_of("needs-host", heal=HealMode.ON, archives=_LateArchives(EXPAT))

    build = await _build(run)

    healing = build.attempts[-1].healing
    assert healing is not None
    assert [(one.stage, one.findings[0].kind) for one in healing.rounds] == [
        ("build", FindingKind.HEADER),
        ("verify", FindingKind.HOST_LIBRARY),
    ]
    assert [(one.key, one.value) for one in healing.added] == [
        ("apt", "libexpat1-dev"),
        ("repair.graft", "libexpat.so.1"),
    ]
    assert build.wheel is not None
    assert [one.soname for one in build.wheel.grafted if one.beyond_policy] == ["libexpat.so.1"]


async def test_c_source_of_an_older_cython_heals(harness: ContainerHarness) -> None:
    run = harness.run_of("old-cython", heal=HealMode.ON)

    build = await _build(run)

    healing = build.attempts[-1].healing
    assert healing is not None
    assert [(one.key, one.value) for one in healing.added] == [
        ("cythonize", "*"),
        ("build-requires.add", "cython<3.1"),
    ]


async def test_what_no_package_has_fails_with_its_finding(harness: ContainerHarness) -> None:
    run = harness.run_of("missing-header", heal=HealMode.ON)

    build = await run.go()

    assert build.failure is not None
    assert build.failure.stage is Stage.BUILD
    assert (build.failure.findings[0].kind, build.failure.findings[0].name) == (
        FindingKind.HEADER,
        "no_such_library.h",
    )
    assert build.attempts[-1].healing is None


async def test_operator_who_wants_to_be_asked_gets_the_recipe_with_the_failure(harness: ContainerHarness) -> None:
    run = harness.run_of("needs-library", heal=HealMode.PROPOSE, archives=FakeArchives(YAML))

    build = await run.go()

    assert build.status is Status.FAILED
    healing = build.attempts[-1].healing
    assert healing is not None
    assert healing.is_proposed
    assert '"libyaml-dev"' in healing.recipe
