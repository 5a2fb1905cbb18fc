"""BuildKit and Podman, which CI does not use: they make each kind of image, and a wheel is built and proven in these.

The images are made anew beside those in use, from a base and a compiled Python that are there; Podman gets both from
Docker, if that has them. 'make test-engines' runs this.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.integration.container_harness import SUITE, TARGET, ContainerHarness, open_harness
from tests.integration.image_harness import renewing
from tests.integration.test_container_jobs import succeeded

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.checks import check_image
from wheelyard.adapters.images.contents import read_packages, run_in
from wheelyard.adapters.images.names import find_image
from wheelyard.assembly.images import image_builder
from wheelyard.assembly.parts import Parts
from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.resources import data_path

pytestmark = pytest.mark.slow_engines
PYTHON, PACKAGE = TARGET.python, "libyaml-dev"
ROLES = ("builder", "runtime", "environment")


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What an engine has made."""

    harness: ContainerHarness
    ids: dict[str, str]
    """Its images, by role."""

    @property
    def engine(self) -> EngineCommand:
        return self.harness.command


@pytest.fixture(scope="module", params=["buildkit", "podman"])
def program(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give an engine's program, with which everything is done from here on."""
    with pytest.MonkeyPatch.context() as environment:
        if request.param == "buildkit":
            environment.setenv("DOCKER_BUILDKIT", "1")
        found = find_buildkit() if request.param == "buildkit" else shutil.which("podman")
        assert found, f"{request.param} is missing: install podman, and docker-buildx or a Docker that needs none"
        environment.setenv("WHEELYARD_ENGINE", found)
        yield found


def find_buildkit() -> str | None:
    """Find a client of Docker that can speak to BuildKit; from version 23 on that needs a plug-in."""
    candidates = (shutil.which("docker", path=folder) for folder in os.get_exec_path())
    return next((found for found in candidates if found and can_build(found)), None)


def can_build(docker: str) -> bool:
    command = [docker, "build", "--quiet", "--tag", "wheelyard-test-engines:1", "-"]
    dockerfile = b"FROM scratch\nLABEL org.wheelyard.test=engines\n"
    built = subprocess.run(command, input=dockerfile, capture_output=True, check=False).returncode == 0
    subprocess.run([docker, "image", "rm", "wheelyard-test-engines:1"], capture_output=True, check=False)
    return built


@pytest.fixture(scope="module")
async def made(program: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Made]:
    folder, revision = tmp_path_factory.mktemp("engine"), f"engines-{secrets.token_hex(4)}"
    async with open_harness(folder, revision) as harness:
        assert harness.command.program == program
        images = image_builder(Parts(harness.settings))
        await lend_images(harness.command, images, folder)
        await images.ensure_base(SUITE)
        try:
            async with renewing(harness.command, images, revision) as renewed:
                yield Made(harness=replace(harness, revision=revision), ids=await make_images(renewed))
        finally:
            await remove_images(harness.command, revision)


async def lend_images(engine: EngineCommand, images: ImageBuilder, folder: Path) -> None:
    """Copy the base and the compiled Python from Docker to an engine that has not got them."""
    plan, docker = await images.plan(SUITE), EngineCommand()
    for name in (plan.base().name, plan.python_name(PYTHON)):
        if not await has(engine, name) and shutil.which(docker.program) and await has(docker, name):
            archive = folder / "image.tar"
            await docker.run(["save", "--output", str(archive), name.tag])
            await engine.run(["load", "--input", str(archive)])
            archive.unlink()


async def has(engine: EngineCommand, name: ImageName) -> bool:
    return await find_image(engine, name.tag, name.definition) is not None


async def make_images(images: ImageBuilder) -> dict[str, str]:
    builder = await images.ensure_builder(SUITE, python=PYTHON)
    return {
        "builder": builder,
        "runtime": await images.ensure_runtime(SUITE, PYTHON),
        "environment": await images.ensure_environment(builder, [PACKAGE]),
    }


async def remove_images(engine: EngineCommand, revision: str) -> None:
    """Remove what was made here, each image after those that are made from it."""
    listed = await engine.run(
        ["images", "--quiet", "--no-trunc", "--filter", f"label=org.wheelyard.revision={revision}"]
    )
    for image in dict.fromkeys(listed.text.split()):
        await engine.run(["image", "rm", "--force", image], check=False)


async def test_engine_made_them_itself(made: Made) -> None:
    revisions = {(await find(made, role)).labels["revision"] for role in ROLES}
    assert revisions == {made.harness.revision}
    told = (await made.engine.run(["history", "--no-trunc", "--format", "{{.Comment}}", made.ids["runtime"]])).text
    assert made.engine.is_podman or "buildkit" in told


async def find(made: Made, role: str) -> ImageRecord:
    found = await find_image(made.engine, made.ids[role])
    assert found is not None
    assert found.role == role
    return found


@pytest.mark.parametrize("role", ["builder", "runtime"])
async def test_every_promise_is_kept(made: Made, role: str) -> None:
    report = await check_image(made.engine, await find(made, role), probes=data_path("builders") / "probes")
    assert {check.name: check.problems for check in report.checks if check.problems} == {}
    assert len(report.checks) >= 9


async def test_environment_is_the_builder_with_its_package(made: Made) -> None:
    environment = await find(made, "environment")
    assert (environment.labels["builder"], environment.labels["apt"]) == (made.ids["builder"], PACKAGE)
    assert await run_in(made.engine, environment.id, "id -u; ls /usr/include/yaml.h") == "1000\n/usr/include/yaml.h"
    below = {one.name for one in await read_packages(made.engine, made.ids["builder"])}
    assert PACKAGE in {one.name for one in await read_packages(made.engine, environment.id)} - below


async def test_wheel_with_a_grafted_library_is_built_and_proven_in_them(made: Made) -> None:
    run = made.harness.run_of("needs-library", recipe=EffectiveRecipe(apt=(PACKAGE,)))
    wheel = succeeded(await run.go())
    assert [library.package for library in wheel.grafted] == ["libyaml-0-2"]
    assert (wheel.builder_image, wheel.runtime_image) == (made.ids["environment"], made.ids["runtime"])
    assert await made.harness.containers() == []
