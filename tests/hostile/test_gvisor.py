"""Builds under gVisor, ordinary and hostile ones: each ends as under the engine's own runtime, or as is said here.

The engine is the tests' own, because a runtime has to be registered with it. ``runsc`` comes from Debian's package.
"""

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from tests.faults.private_engine import PrivateEngine, open_private_engine
from tests.hostile.build_harness import assert_ended_as_expected, run_of
from tests.hostile.corpus import BUILDS, Attack
from tests.hostile.sdist_parts import MARK
from tests.integration.container_harness import SUITE, ContainerHarness, PackageRun, open_harness

from wheelyard.assembly.images import image_builder
from wheelyard.assembly.parts import Parts
from wheelyard.domain.builds.build import Build
from wheelyard.domain.recipes.effective import EffectiveRecipe

pytestmark = pytest.mark.slow_gvisor

RUNTIME: Final = "runsc"
# ptrace works on every machine. The network is the runtime's own loopback: Debian 12's runsc takes each network
# namespace of a kernel from 6.x on for the host's, and refuses to give it a network.
ARGUMENTS: Final = ("--platform=ptrace", "--network=none")
# gVisor counts no processes, so a fork bomb has the memory, which it does count, to the end; it ends itself then, which
# the engine does not always note as memory that ran out. In it, a process of its own user may kill the first one.
OTHER_ENDS: Final[Mapping[str, tuple[str, ...]]] = {
    "ends_the_agent": ("container-lost",),
    "fork_bomb": ("memory-limit", "container-lost"),
    "memory_hog": ("memory-limit", "container-lost"),
}
FORGES_ITS_PROOF: Final = "attacks_verification"
"""In gVisor of 2022 the files of a process that is not dumpable are open to its user."""
AT_ONCE: Final = 2
LIBYAML: Final = EffectiveRecipe(apt=("libyaml-dev",))


@pytest.fixture(scope="module")
def private_engine() -> Iterator[PrivateEngine]:
    program = shutil.which(RUNTIME)
    assert program is not None, "gVisor is missing: as root, 'apt-get install runsc'"
    with open_private_engine({RUNTIME: (program, *ARGUMENTS)}) as opened:
        yield opened


@pytest.fixture(scope="module")
async def harness(
    private_engine: PrivateEngine, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ContainerHarness]:
    async with open_harness(tmp_path_factory.mktemp("gvisor"), f"test-{uuid.uuid4().hex}") as opened:
        host = Parts(opened.settings).engine
        command = replace(host, program="docker", prefix=("--host", private_engine.address), runtime=RUNTIME)
        yield replace(opened, command=command)


async def build_release(harness: ContainerHarness, name: str, version: str, recipe: EffectiveRecipe) -> PackageRun:
    files = (await harness.upstream.project(name)).files  # type: ignore[arg-type]  # it is normal already
    (sdist,) = (one for one in files if one.filename.endswith(f"-{version}.tar.gz"))
    content = (await harness.upstream.fetch(sdist)).read_bytes()
    run = harness.run_of(name, sdist=content, sdist_filename=sdist.filename, version=version, recipe=recipe)
    build = await run.go()
    assert build.failure is None, run.log()
    return run


@pytest.fixture(scope="module")
async def ended(harness: ContainerHarness, request: pytest.FixtureRequest) -> Mapping[Path, tuple[PackageRun, Build]]:
    """Run the attacks that were chosen, a few at a time, and give how each has ended."""
    specs = (getattr(item, "callspec", None) for item in request.session.items if item.path == request.path)
    chosen = {attack.path: attack for spec in specs if spec and (attack := spec.params.get("attack"))}
    limit = asyncio.Semaphore(AT_ONCE)

    async def go(attack: Attack) -> tuple[PackageRun, Build]:
        async with limit:
            run = run_of(harness, attack)
            return run, await run.go()

    outcomes = await asyncio.gather(*map(go, chosen.values()))
    assert await harness.containers() == []
    return dict(zip(chosen, outcomes, strict=True))


@pytest.mark.parametrize("attack", BUILDS.values(), ids=BUILDS)
def test_attack_ends_as_expected(ended: Mapping[Path, tuple[PackageRun, Build]], attack: Attack) -> None:
    run, build = ended[attack.path]
    if attack.name == FORGES_ITS_PROOF:
        assert build.failure is None
        assert [MARK.encode() in content for content in run.index.files.values()] == [False]
    elif attack.name in OTHER_ENDS:
        failure = build.attempts[-1].failure
        assert failure is not None
        assert failure.code in OTHER_ENDS[attack.name]
        assert run.index.files == {}
    else:
        assert_ended_as_expected(run, build, attack)


async def test_markupsafe_is_built_repaired_and_proven(harness: ContainerHarness) -> None:
    run = await build_release(harness, "markupsafe", "3.0.2", EffectiveRecipe())
    wheel = (await run.builds.get(run.build_id)).wheel
    assert wheel is not None
    assert "markupsafe._speedups" in wheel.imported_modules


async def test_pyyaml_is_built_repaired_with_its_library_and_proven(
    harness: ContainerHarness, private_engine: PrivateEngine
) -> None:
    images = image_builder(Parts(harness.settings))
    builder = await images.ensure_builder(SUITE, python="3.13")
    private_engine.copy([await images.ensure_environment(builder, LIBYAML.apt)])
    run = await build_release(harness, "pyyaml", "6.0.2", LIBYAML)
    wheel = (await run.builds.get(run.build_id)).wheel
    assert wheel is not None
    assert [library.soname for library in wheel.grafted] == ["libyaml-0.so.2"]
    assert "yaml._yaml" in wheel.imported_modules
