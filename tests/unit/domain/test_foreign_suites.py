"""A builder that others make is an entry of the catalogue: a layer of ours on it, proven in a runtime of ours."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.domain.test_catalogue import FACTS, HEAD, problems_of, python_entry, suite_entry
from tests.unit.domain.test_sbom import CONTENT
from tests.unit.pipeline_harness import PipelineHarness, make_harness

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.external import ExternalPlan, plan_external
from wheelyard.adapters.images.plans import environment_build, toolchain_build
from wheelyard.domain.catalogue.catalogue import Catalogue, choose_toolchains, parse_catalogue
from wheelyard.domain.catalogue.definition import builder_definition, runtime_definition
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.catalogue.sbom import read_sbom_content, write_sbom
from wheelyard.domain.catalogue.suites import ImageSuite
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.toolchain import ToolchainName
from wheelyard.errors import PackagesMissingError, ToolchainTooOldError
from wheelyard.pipeline.prepare import prepare

BUILDERS = Path(__file__).parents[3] / "builders"
PYPA = """
[suite.almalinux8]
kind = "image"
policy = "manylinux_2_28"
architectures = ["x86_64"]
pythons = ["3.13", "3.11"]
image = "registry.test/manylinux_2_28_x86_64@sha256:0123"
package-manager = "dnf"
python-path = "/opt/python/{tag}/bin/python"
runtime = "bookworm"
"""
FORTRAN = """
[toolchain.fortran]
version-command = ["gfortran", "-dumpfullversion"]
suite.almalinux8 = { version = "8.5", dnf = ["gcc-gfortran"] }
"""
TEXT = (
    HEAD + python_entry("3.13") + python_entry("3.11") + suite_entry("bookworm", "manylinux_2_36", '["3.13", "3.11"]')
)


@pytest.fixture
def catalogue() -> Catalogue:
    return parse_catalogue(TEXT + PYPA + FORTRAN)


@pytest.fixture
def plan(catalogue: Catalogue) -> ExternalPlan:
    entry = catalogue.suite["almalinux8"]
    assert isinstance(entry, ImageSuite)
    return plan_external(catalogue, FACTS, entry, suite="almalinux8", revision="")


def record(**labels: str) -> ImageRecord:
    return ImageRecord(id="sha256:1", tags=(), role="builder", definition="", labels=labels, size_bytes=0, created="")


def test_entry_adds_targets_that_no_suite_of_ours_serves(catalogue: Catalogue) -> None:
    old = Target.parse(python="3.11", platform="manylinux_2_28_x86_64")
    assert catalogue.builder_for(old).suite == "almalinux8"
    assert catalogue.builder_for(Target.parse(python="3.11", platform="manylinux_2_36_x86_64")).suite == "bookworm"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('runtime = "bookworm"', 'runtime = "bokworm"', "did you mean 'bookworm'?"),
        ('pythons = ["3.13", "3.11"]\nimage', 'pythons = ["3.13", "3.12"]\nimage', "'bookworm' has no Python 3.12"),
        ('pythons = ["3.13", "3.11"]\nimage', 'pythons = ["3.11"]\nimage', "the tools need Python 3.13"),
        ("manylinux_2_28", "musllinux_1_2", "cannot be proven here"),
        ('dnf = ["gcc-gfortran"]', "dnf = []", "toolchain.fortran.suite.almalinux8: it names no packages"),
    ],
)
def test_mistake_in_the_entry_is_told(old: str, new: str, problem: str) -> None:
    text = PYPA + FORTRAN
    assert old in text
    assert any(problem in one for one in problems_of(TEXT + text.replace(old, new)))


def test_definition_changes_with_what_determines_the_layer(catalogue: Catalogue) -> None:
    def define(text: str = PYPA, lock: str = FACTS.tools_lock, python: str = "3.13") -> str:
        facts = replace(FACTS, tools_lock=lock)
        return builder_definition(parse_catalogue(TEXT + text), facts, suite="almalinux8", python=python)

    changed = (
        define(),
        define(PYPA.replace("sha256:0123", "sha256:4567")),
        define(PYPA.replace("{tag}/bin", "{python}/bin")),
        define(lock="build==2"),
        define(python="3.11"),
    )
    assert len(set(changed)) == len(changed)
    ours = runtime_definition(catalogue, FACTS, suite="bookworm", python="3.11")
    assert runtime_definition(catalogue, FACTS, suite="almalinux8", python="3.11") == ours


def test_layer_keeps_the_contract(plan: ExternalPlan) -> None:
    wheel = BUILDERS / "tools.lock"
    build = plan.builder_build("3.11", below=record(), digest="sha256:0123", wheels=[wheel])
    text = build.dockerfile
    assert text.startswith("FROM sha256:1\nUSER 0\n")
    assert text.rstrip().endswith("USER 1000:1000")
    assert "RUN dnf --assumeyes upgrade && dnf clean all\n" in text
    for python, tag in (("3.13", "cp313-cp313"), ("3.11", "cp311-cp311")):
        assert f"ln -sfn /opt/python/{tag} /opt/python/{python}" in text
    assert "--no-index --find-links /tmp/wheels --require-hashes" in text
    assert "ENTRYPOINT []" in text
    labels = {name: build.labels[name] for name in ("role", "suite", "policy", "python", "package-manager")}
    assert labels == {
        "role": "builder",
        "suite": "almalinux8",
        "policy": "manylinux_2_28_x86_64",
        "python": "3.13,3.11",
        "package-manager": "dnf",
    }
    assert build.tag.startswith("wheelyard/builder-almalinux8-3.11:")


def test_what_is_added_to_it_comes_from_its_own_manager(catalogue: Catalogue) -> None:
    below = record(**{"package-manager": "dnf"})
    _, environment = environment_build(below, ("libyaml-devel",))
    assert "install libyaml-devel && dnf clean all" in environment.dockerfile
    _, toolchain = toolchain_build(catalogue, ToolchainName.FORTRAN, suite="almalinux8", builder=below)
    assert "install gcc-gfortran && dnf clean all && gfortran -dumpfullversion" in toolchain.dockerfile
    assert "apt-get" not in environment.dockerfile + toolchain.dockerfile


def test_toolchain_for_another_manager_is_none_in_it(catalogue: Catalogue) -> None:
    assert choose_toolchains(catalogue, ["fortran>=8"], suite="almalinux8") == (ToolchainName.FORTRAN,)
    other = parse_catalogue(TEXT + PYPA + FORTRAN.replace("dnf = [", "apt = ["))
    with pytest.raises(ToolchainTooOldError, match="has no fortran"):
        choose_toolchains(other, ["fortran"], suite="almalinux8")


async def test_recipe_gives_it_the_packages_for_its_manager(pipeline: PipelineHarness) -> None:
    both = EffectiveRecipe(apt=("libyaml-dev",), dnf=("libyaml-devel",))
    harness = make_harness(pipeline.folder, both)
    harness.images.managers["bookworm"] = "dnf"
    await prepare(harness.job.knowing(sdist=harness.folder / "demo-1.0.tar.gz"), harness.tools)
    assert "builder-bookworm-3.13+libyaml-devel" in harness.images.asked
    harness.images.managers["bookworm"] = "apk"
    with pytest.raises(PackagesMissingError, match="apk"):
        await prepare(harness.job.knowing(sdist=harness.folder / "demo-1.0.tar.gz"), harness.tools)


async def test_images_know_its_names_its_manager_and_its_pythons(catalogue: Catalogue, tmp_path: Path) -> None:
    options = ImageOptions(lock_dir=tmp_path, architecture="x86_64")
    images = ImageBuilder(
        engine=EngineCommand(), catalogue=catalogue, builders_dir=BUILDERS, cache_dir=tmp_path, options=options
    )
    assert images.package_manager("almalinux8") == "dnf"
    assert images.pythons("almalinux8") == ("3.13", "3.11")
    assert await images.base_names("almalinux8") == ()
    assert (await images.builder_name("almalinux8", "3.11")).name == "builder-almalinux8-3.11"
    assert (await images.runtime_name("almalinux8", "3.11")).name == "runtime-bookworm-3.11"


def test_sbom_names_packages_of_rpm_and_a_python_whose_source_is_unknown() -> None:
    content = replace(CONTENT, distribution="almalinux", package_url="rpm", pythons=(("3.13.5", ""),))
    text = write_sbom(content)
    assert "pkg:rpm/almalinux/" in text
    assert read_sbom_content(text) == content
