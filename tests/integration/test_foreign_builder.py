"""A builder that others make, as an entry of the catalogue: an image of this host stands for it, and builds a wheel.

Others' images have their Pythons elsewhere, their own user and no tools. This one is made so from a bare Debian.
"""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from tests.integration.container_harness import SUITE, TARGET, ContainerHarness, open_harness
from tests.integration.test_container_jobs import succeeded

from wheelyard.adapters.images.build import ImageBuild, ImageRun
from wheelyard.adapters.images.checks import check_image
from wheelyard.adapters.images.contents import read_sbom
from wheelyard.adapters.images.names import find_image
from wheelyard.assembly.images import image_builder, image_options
from wheelyard.assembly.parts import Parts
from wheelyard.domain.catalogue.package_managers import APT
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.resources import data_path

FOREIGN = "foreign"
PACKAGES = (
    *("file", "g++", "gcc", "libc6-dev", "make", "patch", "pkg-config", "xz-utils"),
    *("libbz2-1.0", "libffi8", "liblzma5", "libncursesw6", "libreadline8", "libsqlite3-0", "libssl3", "zlib1g"),
)
ENTRY = f"""schema = 1

[suite.{FOREIGN}]
kind = "image"
policy = "manylinux_2_36"
architectures = ["x86_64", "aarch64"]
pythons = ["3.13"]
image = "%s"
package-manager = "apt"
python-path = "/usr/lib/theirs/{{tag}}/bin/python"
runtime = "{SUITE}"
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """A stand whose catalogue has the image of others, and that image's name."""

    harness: ContainerHarness
    image: str


@pytest.fixture(scope="module")
async def foreign(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Foreign]:
    folder, worker = tmp_path_factory.mktemp("foreign"), f"foreign-{secrets.token_hex(4)}"
    async with open_harness(folder, worker) as harness:
        image = await make_image_of_others(harness)
        catalogue = folder / "catalogue.toml"
        catalogue.write_text(ENTRY % image)
        yield Foreign(
            harness=replace(harness, settings=harness.settings.model_copy(update={"catalogue": catalogue})), image=image
        )
        await harness.command.run(["image", "rm", image], check=False)


async def make_image_of_others(harness: ContainerHarness) -> str:
    """Make an image with nothing of ours but the bytes of a Python, at another place: no label, no user, no tools."""
    images = image_builder(Parts(harness.settings))
    await images.ensure_runtime(SUITE, TARGET.python)
    plan = await images.plan(SUITE)
    base, python = plan.base().name.tag, plan.python_name(TARGET.python).tag
    tag = f"example/foreign-{secrets.token_hex(4)}:1"
    dockerfile = (
        f"FROM scratch\nCOPY --from={base} / /\n"
        f"RUN {APT.write_install(PACKAGES)}\n"
        f"COPY --from={python} /opt/python/{TARGET.python} /usr/lib/theirs/cp313-cp313\n"
        'ENTRYPOINT ["/bin/false"]\n'
    )
    build = ImageBuild(tag=tag, labels={"definition": "theirs"}, dockerfile=dockerfile)
    await ImageRun(engine=harness.command, options=image_options(harness.settings), report=print).build(build)
    return tag


async def test_layer_on_an_image_of_others_keeps_the_contract_of_builders(foreign: Foreign) -> None:
    command = foreign.harness.command
    builder = await find_image(
        command,
        await image_builder(Parts(foreign.harness.settings)).ensure_builder(FOREIGN, python=TARGET.python),
    )
    assert builder is not None
    report = await check_image(command, builder, probes=data_path("builders") / "probes")
    assert {check.name: check.problems for check in report.checks if check.problems} == {}
    theirs = await find_image(command, foreign.image)
    assert theirs is not None
    assert builder.labels["base-digest"] == theirs.id
    assert builder.labels["package-manager"] == "apt"
    sbom = await read_sbom(command, builder.id)
    assert all(f'"name": "{name}"' in sbom for name in ("auditwheel", "patchelf", "gcc"))


async def test_wheel_that_was_built_in_it_is_proven_in_our_runtime(foreign: Foreign) -> None:
    run = foreign.harness.run_of("needs-library", suite=FOREIGN, recipe=EffectiveRecipe(apt=("libyaml-dev",)))
    wheel = succeeded(await run.go())
    (library,) = wheel.grafted
    assert library.package == "libyaml-0-2"
    used = await find_image(foreign.harness.command, wheel.builder_image)
    proof = await find_image(foreign.harness.command, wheel.runtime_image)
    assert used is not None
    assert proof is not None
    assert (used.role, used.labels["suite"], used.labels["apt"]) == ("environment", FOREIGN, "libyaml-dev")
    assert (proof.role, proof.labels["suite"]) == ("runtime", SUITE)
