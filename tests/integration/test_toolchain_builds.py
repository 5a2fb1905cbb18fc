"""Toolchains on the real engine: projects in Rust, Fortran and Java and with Bazel, from sdist to proven wheel.

The two small ones run always. The others want large images or minutes; 'make test-toolchains' runs them.
"""

import hashlib
import io
import os
import re
import shutil
import ssl
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version
from tests.fakes.archives import FakeArchives
from tests.fakes.index import MemoryIndex
from tests.fakes.parsers import InlineParsers
from tests.fakes.sources import MemorySourceIndex, MemoryWheelResolver
from tests.image_locks import IMAGE_LOCKS
from tests.integration.test_images import BUILDERS, CATALOGUE, SUITE, open_files
from tests.unit.pipeline_harness import OpenUploads
from uv import find_uv_bin

from wheelyard.adapters.engine.agent import pack_agent
from wheelyard.adapters.engine.command import EngineCommand, container_ulimits
from wheelyard.adapters.engine.containers import ContainerEngine
from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.builder import ImageBuilder, LoggedImages
from wheelyard.adapters.images.fallback import Fallbacks
from wheelyard.adapters.recipes.folders import RecipeFolders
from wheelyard.adapters.resolver.sdists import read_needs, read_sdist_pyproject
from wheelyard.adapters.resolver.uv import UvResolverOptions
from wheelyard.adapters.resolver.wheels import UvWheelResolver
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.adapters.upstream.crates import CrateArchives
from wheelyard.adapters.upstream.index import SimpleSourceIndex, SourceIndexOptions
from wheelyard.domain.builds.build import BuildOrder, SdistSource, Wheel
from wheelyard.domain.builds.components import ComponentKind
from wheelyard.domain.builds.records import Claim
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.errors import CratesUnavailableError
from wheelyard.interfaces import Limits
from wheelyard.pipeline.job import Job, Tools, known
from wheelyard.pipeline.limits import LimitRules
from wheelyard.pipeline.publish import publish_on
from wheelyard.pipeline.steps import steps_to
from wheelyard.usecases.request_build import BuilderFacts, BuildRequest, PlanBuild

PACKAGES = Path(__file__).parents[1] / "packages"
TARGET = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")
LIMITS = Limits(memory_bytes=4 << 30, cpus=2, processes=1024, scratch_bytes=3 << 30, time_seconds=900)


class TextLog:
    """A LogSink that keeps everything."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data

    async def note(self, text: str, *, stage: str | None = None) -> None:  # noqa: ARG002
        self.data += f"==> {text}\n".encode()


@dataclass(kw_only=True)
class Workshop:
    """Everything that an attempt meets, real but for source, resolver and index."""

    tools: Tools
    source: MemorySourceIndex
    folder: Path

    async def build(self, name: str, *, toolchains: tuple[str, ...]) -> tuple[Wheel, str]:
        """Build a project of tests/packages whose extension module is called like it."""
        expected = (name.replace("-", "_"),)
        return await self.build_by(EffectiveRecipe(toolchains=toolchains, expected_extensions=expected), name)

    async def build_by(self, recipe: EffectiveRecipe, name: str) -> tuple[Wheel, str]:
        """Build a project of tests/packages by a recipe."""
        return await self.run(self._order(name, recipe), self.tools)

    async def run(self, order: BuildOrder, tools: Tools) -> tuple[Wheel, str]:
        """Take an order through every stage; return the wheel and the log."""
        log, folder = TextLog(), self.folder / order.project
        folder.mkdir()
        claim = Claim(build_id=order.project, attempt=1, worker="test", order=order)
        job = Job(claim=claim, folder=folder, log=log)
        try:
            for step in steps_to(publish_on(MemoryIndex(), OpenUploads())):
                job = await step.act(job, tools)
        finally:
            print(log.data.decode(errors="replace"))  # noqa: T201  pytest shows it if the test fails
        return known(job.wheel), log.data.decode(errors="replace")

    def _order(self, name: str, recipe: EffectiveRecipe) -> BuildOrder:
        file = self.source.add(f"{name.replace('-', '_')}-1.0.tar.gz", make_sdist(name))
        sdist = SdistSource(filename=file.filename, url=file.url, sha256=file.sha256, size_bytes=file.size_bytes)
        return BuildOrder(
            key=hashlib.sha256(name.encode()).hexdigest(),
            requirement=name,
            project=canonicalize_name(name),
            version=str(Version("1.0")),
            sdist=sdist,
            target=TARGET,
            builder=SUITE,
            recipe_digest=recipe.digest,
            recipe=recipe,
        )


def make_sdist(name: str) -> bytes:
    def bare(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime, member.uid, member.gid, member.uname, member.gname = 1_700_000_000, 0, 0, "", ""
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(PACKAGES / name, arcname=f"{name.replace('-', '_')}-1.0", filter=bare)
    return buffer.getvalue()


def engine_command() -> EngineCommand:
    program = os.environ.get("WHEELYARD_ENGINE") or next(filter(shutil.which, ("docker", "podman")), "docker")
    return EngineCommand(program=program, ulimits=container_ulimits(program, open_files=open_files()))


async def ignore_use(_environment: str) -> None:
    """Keep no record of environments: these tests prune none."""


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    command = engine_command()
    images = ImageBuilder(
        engine=command,
        catalogue=CATALOGUE,
        builders_dir=BUILDERS,
        cache_dir=tmp_path / "images",
        options=ImageOptions(lock_dir=IMAGE_LOCKS),
    )
    source = MemorySourceIndex(tmp_path / "files")
    certificates = ssl.get_default_verify_paths().cafile
    tools = Tools(
        source=source,
        resolver=MemoryWheelResolver(),
        engine=ContainerEngine(command),
        images=LoggedImages(
            images, fallbacks=Fallbacks(engine=command, folder=tmp_path / "notes"), note_use=ignore_use
        ),
        crates=CrateArchives(ContentCache(root=tmp_path / "crates", floor_bytes=0)),
        parsers=InlineParsers(),
        read_pyproject=read_sdist_pyproject,
        archives=FakeArchives(),
        read_needs=read_needs,
        agent=pack_agent(BUILDERS / "agent").data,
        installer=Path(find_uv_bin()),
        limits=LimitRules(default=LIMITS, ceiling=LIMITS),
        output_bytes=1 << 30,
        build_number=1,
        labels={"org.wheelyard.worker": "test-toolchains"},
        ca_bundle=Path(certificates) if certificates else None,
    )
    return Workshop(tools=tools, source=source, folder=tmp_path)


async def test_rust_project_is_built_offline_with_crates_that_were_fetched_outside(workshop: Workshop) -> None:
    wheel, log = await workshop.build("rust-native", toolchains=("rust>=1.85",))
    assert wheel.extensions == ("rust_native",)
    prefetch, _, rest = log.partition("crates are there")
    assert "Downloaded itoa" in prefetch
    # Its build script ran in the build, and not where the network was.
    assert "build script runs" not in prefetch
    assert "build script runs" in rest
    assert re.search(r"toolchain rust 1\.\d+", prefetch)
    # rustc was told to link the crate; and Rust's own library came with it.
    (crate,) = [one for one in wheel.components if one.kind is ComponentKind.CRATE]
    assert (crate.name, crate.version, crate.license) == ("itoa", "1.0.19", "MIT OR Apache-2.0")
    assert {one.rpartition("/")[2] for one in crate.license_files} == {"LICENSE-APACHE", "LICENSE-MIT"}
    assert len(crate.sha256 or "") == 64
    assert [one.source for one in wheel.components if "std" in one.name] == ["rustc-web"]


async def test_fortran_project_gets_its_run_time_library_grafted(workshop: Workshop) -> None:
    wheel, _ = await workshop.build("fortran-native", toolchains=("fortran",))
    assert wheel.extensions == ("fortran_native",)
    assert "libgfortran5" in {library.package for library in wheel.grafted}


async def test_network_without_a_way_out_is_the_operators_matter(workshop: Workshop) -> None:
    engine = ContainerEngine(engine_command(), prefetch_network="none")
    workshop.tools = replace(workshop.tools, engine=engine)
    with pytest.raises(CratesUnavailableError):
        await workshop.build("rust-native", toolchains=("rust",))


@pytest.mark.slow_toolchains
@pytest.mark.parametrize(
    ("requirement", "extension", "said"),
    [
        ("bcrypt", "bcrypt._bcrypt", "crates are there"),
        ("rpds-py", "rpds.rpds", "crates are there"),
        ("orjson", "orjson.orjson", "no crates to fetch"),
        ("apexpy", "apexpy.fortranapex", "toolchain fortran"),
        ("jpype1", "_jpype", "toolchain java"),
    ],
)
async def test_real_project_is_built_by_its_recipe(
    workshop: Workshop, tmp_path: Path, requirement: str, extension: str, said: str
) -> None:
    resolver = UvWheelResolver(UvResolverOptions(cache_dir=tmp_path / "uv", environment=os.environ))
    options = SourceIndexOptions(cache_dir=tmp_path / "sdists")
    async with SimpleSourceIndex(options) as source:
        order = await order_for(requirement, source)
        wheel, log = await workshop.run(order, replace(workshop.tools, source=source, resolver=resolver))
    assert extension in wheel.extensions
    assert said in log


async def order_for(requirement: str, source: SimpleSourceIndex) -> BuildOrder:
    """Decide as the service does, with the shipped recipes."""
    facts = BuilderFacts(
        catalogue=CATALOGUE,
        definitions={(TARGET.policy.architecture, SUITE, TARGET.python): "d"},
        agent_digest="a",
        build_number=1,
    )
    recipes = RecipeFolders((BUILDERS.parent / "recipes",))
    plan = PlanBuild(source=source, recipes=recipes, facts=facts)
    asked = BuildRequest(
        requirement=requirement, python=TARGET.python, platform=str(TARGET.policy), requested_by="test"
    )
    return await plan.decide(asked)


@pytest.mark.slow_toolchains
async def test_bazel_builds_an_extension_module_without_its_network(workshop: Workshop) -> None:
    wheel, log = await workshop.build("bazel-native", toolchains=("bazel>=4.2",))
    assert wheel.extensions == ("bazel_native",)
    assert "Build completed successfully" in log


@pytest.mark.slow_toolchains
async def test_java_project_has_its_class_file_in_the_wheel(workshop: Workshop) -> None:
    check = "import java_classes as it; print('class file', it.MAGIC, 'for Java', it.JAVA)"
    recipe = EffectiveRecipe(toolchains=("java>=17",), test_commands=(f'python -c "{check}"',))
    wheel, log = await workshop.build_by(recipe, "java-classes")
    assert (wheel.extensions, wheel.imported_modules) == ((), ("java_classes",))
    assert re.search(r"toolchain java (1[7-9]|[2-9]\d)\b", log)
    assert re.search(r"^class file cafebabe for Java (1[7-9]|[2-9]\d)$", log, re.MULTILINE)
