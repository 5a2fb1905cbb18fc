"""What a wheel says of what others made of it, from real builds: its SBOM, its license texts, its METADATA."""

import asyncio
import io
import json
import uuid
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from packaging.metadata import parse_email
from tests.fakes.archives import FakeArchives
from tests.integration.container_harness import ContainerHarness, PackageRun, open_harness
from tests.sbom_rules import sbom_problems

from wheelyard.domain.builds.build import Wheel
from wheelyard.domain.builds.components import Component, ComponentKind, PackageSourceFile, SourcePackage
from wheelyard.domain.recipes.effective import EffectiveRecipe, RecipeFile

LIBYAML = EffectiveRecipe(apt=("libyaml-dev",))
STATIC = RecipeFile.of(
    "static.sh", b"sed -i 's/^libraries = .*/extra-link-args = [\"-l:libyaml.a\"]/' pyproject.toml\n"
)


@pytest.fixture(scope="module")
async def harness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ContainerHarness]:
    async with open_harness(tmp_path_factory.mktemp("state"), f"test-{uuid.uuid4().hex}") as opened:
        yield opened
        await asyncio.gather(*(opened.command.run(["rm", "--force", left]) for left in await opened.containers()))


async def built(run: PackageRun) -> tuple[Wheel, bytes]:
    """Build a project; return its wheel, and the bytes that were published."""
    build = await run.go()
    assert build.failure is None, run.log()
    assert build.wheel is not None
    return build.wheel, next(iter(run.index.files.values()))


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        assert len(bundle.namelist()) == len(set(bundle.namelist()))
        return {name: bundle.read(name) for name in bundle.namelist()}


def document(wheel: Wheel, files: dict[str, bytes]) -> dict[str, Any]:
    assert wheel.sbom is not None
    read: dict[str, Any] = json.loads(files[wheel.sbom])
    assert sbom_problems(read) == []
    return read


def libyaml(component: Component) -> SourcePackage:
    file = PackageSourceFile(name="libyaml.dsc", url="http://archive.example/l.dsc", sha256="ab" * 32, size_bytes=1)
    return SourcePackage(name="libyaml", version=component.source_version or "", files=(file,))


async def test_grafted_library_is_in_the_sbom_with_its_license_and_twice_in_the_same_bytes(
    harness: ContainerHarness,
) -> None:
    wheel, content = await built(harness.run_of("needs-library", recipe=LIBYAML))
    files = members(content)
    (component,) = [one for one in wheel.components if one.kind is ComponentKind.GRAFTED]
    assert (component.name, component.source, component.license) == ("libyaml-0-2", "libyaml", "MIT")
    assert component.purl.startswith("pkg:deb/debian/libyaml-0-2@")
    assert component.purl.endswith("?arch=amd64&distro=bookworm")
    assert component.files == tuple(one.path for one in wheel.grafted)
    sbom = document(wheel, files)
    (named,) = [one for one in sbom["components"] if one["purl"] == component.purl]
    assert [one["hashes"][0]["content"] for one in named["components"]] == [one.sha256 for one in wheel.grafted]
    assert not any("auditwheel" in name for name in files)
    (text,) = component.license_files
    info = "needs_library-1.0.dist-info"
    assert b"Kirill Simonov" in files[f"{info}/licenses/{text}"]
    metadata, unparsed = parse_email(files[f"{info}/METADATA"])
    assert unparsed == {}
    assert text in metadata["license_files"]
    assert tuple(map(int, metadata["metadata_version"].split("."))) >= (2, 4)
    # What the archive's index says of the source is recorded with the wheel; and a second build gives the same bytes.
    archives = FakeArchives(sources=[libyaml(component)])
    again, twice = await built(harness.run_of("needs-library", recipe=LIBYAML, archives=archives))
    assert (again.components, twice) == (wheel.components, content)
    assert [(one.name, bool(one.files)) for one in wheel.source_packages] == [("libyaml", False)]
    assert again.source_packages == (libyaml(component),)


async def test_static_library_is_known_by_the_linkers_evidence(harness: ContainerHarness) -> None:
    run = harness.run_of("needs-library", recipe=replace(LIBYAML, before_build=(STATIC,)))
    wheel, content = await built(run)
    files = members(content)
    assert wheel.grafted == ()
    (component,) = [one for one in wheel.components if one.source == "libyaml"]
    assert (component.kind, component.name, component.license) == (ComponentKind.STATIC, "libyaml-dev", "MIT")
    assert component.files == ("/usr/lib/x86_64-linux-gnu/libyaml.a",)
    assert component.purl in {one["purl"] for one in document(wheel, files)["components"]}
    assert f"needs_library-1.0.dist-info/licenses/{component.license_files[0]}" in files


async def test_denied_license_is_refused_with_the_library_and_its_source(harness: ContainerHarness) -> None:
    build = await harness.run_of("needs-library", recipe=replace(LIBYAML, denied_licenses=("MIT",))).go()
    assert build.failure is not None
    assert build.failure.code == "license-denied"
    assert "libyaml-0-2" in build.failure.summary
    assert "the source package libyaml" in build.failure.summary
    assert "has the license MIT" in build.failure.summary


async def test_wheel_without_others_parts_says_so(harness: ContainerHarness) -> None:
    wheel, content = await built(harness.run_of("native"))
    assert (wheel.components, wheel.source_packages) == ((), ())
    assert document(wheel, members(content))["components"] == []
