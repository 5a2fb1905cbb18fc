"""The stages on real containers: images, engine and resolver are the real ones, the stores are in memory.

Run as a program, it is a worker in the middle of a build, for tests that kill one.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from packaging.utils import NormalizedName
from packaging.version import Version
from tests.fakes.archives import FakeArchives
from tests.fakes.builds import MemoryAttempts, MemoryBuilds, MemoryLogs
from tests.fakes.index import MemoryIndex
from tests.fakes.parsers import InlineParsers
from tests.fakes.records import MemoryState
from tests.fakes.sources import MemorySourceIndex
from tests.fakes.wheels import MemoryWheels
from tests.packages.make_sdist import PACKAGES, VERSION, make_sdist, sdist_name
from uv import find_uv_bin

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.engine.containers import ContainerEngine
from wheelyard.adapters.engine.users import ContainerUsers
from wheelyard.adapters.host.disk import disk_full_error
from wheelyard.adapters.images.builder import LoggedImages
from wheelyard.adapters.images.fallback import Fallbacks
from wheelyard.adapters.resolver.sdists import read_needs, read_sdist_pyproject
from wheelyard.adapters.resolver.uv import UvResolverOptions
from wheelyard.adapters.resolver.wheels import UvWheelResolver
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.adapters.upstream.crates import CrateArchives
from wheelyard.assembly.images import container_users, image_builder
from wheelyard.assembly.parts import Parts, source_index
from wheelyard.assembly.worker import WORKER_LABEL
from wheelyard.cli.local.packing import PackedSource
from wheelyard.domain.builds.build import Build, BuildOrder, SdistSource, SourceKind
from wheelyard.domain.builds.git_source import GitOrigin
from wheelyard.domain.builds.key import source_digest
from wheelyard.domain.builds.local_source import LocalOrigin
from wheelyard.domain.builds.log_text import read_note
from wheelyard.domain.catalogue.catalogue import BuilderChoice
from wheelyard.domain.healing.healing import HealMode, HealRules
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.interfaces import GitRepositories, Limits, SourceIndex
from wheelyard.pipeline.job import Step, Tools
from wheelyard.pipeline.limits import LimitRules
from wheelyard.pipeline.publish import publish_on
from wheelyard.pipeline.steps import steps_to
from wheelyard.settings import Settings, load_settings
from wheelyard.usecases.run_build import AttemptOptions, RunBuild

SUITE = "bookworm"
TARGET = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")
LIMITS = Limits(memory_bytes=512 << 20, cpus=2.0, processes=128, scratch_bytes=256 << 20, time_seconds=120)
CEILING = Limits(memory_bytes=1 << 30, cpus=2.0, processes=128, scratch_bytes=1 << 30, time_seconds=300)
ASLEEP = "asleep"
"""What the project ``sleeps`` prints when nothing more will come."""


class PackagesAndUpstream:
    """The test's own sdists, and everything else from the upstream index."""

    def __init__(self, own: MemorySourceIndex, upstream: SourceIndex) -> None:
        self._own = own
        self._upstream = upstream

    async def project(self, name: NormalizedName) -> ProjectFiles:
        return await self._upstream.project(name)

    async def fetch(self, file: IndexFile) -> Path:
        return await (self._own if file.url.startswith("memory:") else self._upstream).fetch(file)


@dataclass(frozen=True, kw_only=True)
class ContainerHarness:
    """What all runs share."""

    folder: Path
    worker: str
    settings: Settings
    command: EngineCommand
    upstream: SourceIndex
    resolver: UvWheelResolver
    users: ContainerUsers
    revision: str = ""
    """Of the images, if they are none that are in use."""

    def run_of(self, project: str, **how: object) -> "PackageRun":
        """Give a build of one of the tiny projects, not yet begun."""
        return PackageRun(harness=self, project=project, **how)  # type: ignore[arg-type]  # the class checks them

    async def containers(self) -> list[str]:
        """List this worker's containers, running or not."""
        label = f"label={WORKER_LABEL}={self.worker}"
        return (await self.command.run(["ps", "--all", "--quiet", "--filter", label])).text.split()


@dataclass(kw_only=True)
class PackageRun:
    """One build of one project, by a worker of its own."""

    harness: ContainerHarness
    project: str
    suite: str = SUITE
    python: str = TARGET.python
    limits: Limits = LIMITS
    log_bytes: int = 1 << 20
    log_bytes_per_second: int = 4 << 20
    recipe: EffectiveRecipe = field(default_factory=EffectiveRecipe)
    added: Mapping[str, bytes] = field(default_factory=dict)
    """Further files of the test's own index, by name, for the recipe's sources."""
    network: str | None = None
    """The engine's network for recipes that ask for one."""
    sdist: bytes | None = None
    """Its sdist, if it is none of the tiny projects' own."""
    sdist_filename: str = ""
    version: str = VERSION
    sdist_beside: bytes | None = None
    """The sdist of the release that was brought too, beside a brought wheel."""
    heal: HealMode = HealMode.OFF
    archives: FakeArchives = field(default_factory=FakeArchives)
    """The suite's archive, as far as the test's project asks for it."""
    origin: GitOrigin | None = None
    """The commit that it is built from, in place of an sdist."""
    sent: PackedSource | None = None
    """What a caller sent, in place of an sdist."""
    repositories: GitRepositories | None = None
    steps: Sequence[Step] | None = None
    """The stages; None for those of a worker."""
    build_id: str = ""
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.state = MemoryState(clock=lambda: datetime.now(UTC))
        self.builds = MemoryBuilds(self.state)
        self.index = MemoryIndex()

    async def go(self) -> Build:
        """Run one attempt to its end."""
        own = MemorySourceIndex(self.harness.folder / "sdists")
        for name, content in self.added.items():
            own.add(name, content)
        if self.sent:
            order = self._order_of_sent(self.sent, own)
        else:
            order = self._order_of_commit(self.origin) if self.origin else self._order(self._sdist_in(own))
        self.build_id = (await self.builds.submit(order, requested_by="tests")).build.id
        self.begun.set()
        options = AttemptOptions(
            worker=self.harness.worker,
            folder=self.harness.folder / "attempts",
            lease_seconds=2.0,
            log_bytes=self.log_bytes,
            log_ceiling_bytes=1 << 20,
            log_bytes_per_second=self.log_bytes_per_second,
            disk_full=disk_full_error,
        )
        beside = own.add(sdist_name(self.project), self.sdist_beside) if self.sdist_beside else None
        tools = self._tools(PackagesAndUpstream(own, self.harness.upstream))
        if beside is not None:
            tools = replace(tools, sdists_of=_only(beside))
        steps = self.steps or steps_to(publish_on(self.index, MemoryWheels(self.state)))
        await RunBuild(store=MemoryAttempts(self.state), steps=steps, tools=tools, options=options)(self.build_id)
        return await self.builds.get(self.build_id)

    def log(self) -> str:
        """Give the log so far: what was printed as it came, our notes behind an arrow."""
        return "".join(f"{note.line}\n" if (note := read_note(line)) else line for line in self._lines())

    def notes(self) -> list[str]:
        """Give our own notes."""
        return [note.text for line in self._lines() if (note := read_note(line))]

    def _lines(self) -> list[str]:
        logs = self.state.find(self.build_id).logs if self.build_id else {}
        return re.findall(r"[^\n]*\n|[^\n]+", bytes(logs.get(1, b"")).decode(errors="replace"))

    async def until_logged(self, text: str) -> None:
        """Return once the log holds a line."""
        await self.begun.wait()
        async with MemoryLogs(self.state).watch(self.build_id) as changes:
            async for _ in changes:
                if f"\n{text}\n" in self.log():
                    return

    def _sdist_in(self, own: MemorySourceIndex) -> IndexFile:
        content = self.sdist or make_sdist(PACKAGES / self.project)
        return own.add(self.sdist_filename or sdist_name(self.project), content)

    def _order_of_commit(self, origin: GitOrigin) -> BuildOrder:
        source = SdistSource(filename="", url=str(origin), sha256="", size_bytes=None, kind=SourceKind.GIT, git=origin)
        file = IndexFile(filename="", url="", sha256="", kind="sdist", version=Version("0"))
        return replace(self._order(file), key=source_digest(source), sdist=source, version="0")

    def _order_of_sent(self, sent: PackedSource, own: MemorySourceIndex) -> BuildOrder:
        content = sent.file.read()
        sha256 = hashlib.sha256(content).hexdigest()
        origin = LocalOrigin(
            kind=sent.kind,
            name=sent.name,
            sha256=sha256,
            size_bytes=len(content),
            sent_by="tests (0e3c2b1a)",
            commit=sent.commit,
            tag=sent.tag,
        )
        file = own.add(f"folder-0+{origin.mark}.tar.gz", content)
        source = SdistSource(filename="", url=file.url, sha256="", size_bytes=None, kind=SourceKind.LOCAL, local=origin)
        return replace(self._order(file), key=source_digest(source), sdist=source, version="0")

    def _order(self, sdist: IndexFile) -> BuildOrder:
        return BuildOrder(
            key=hashlib.sha256(sdist.filename.encode()).hexdigest(),
            requirement=self.project,
            project=self.project,
            version=self.version,
            sdist=SdistSource(
                filename=sdist.filename,
                url=sdist.url,
                sha256=sdist.sha256,
                size_bytes=sdist.size_bytes,
                kind=SourceKind(sdist.kind),
            ),
            target=replace(TARGET, python=self.python),
            builder=self.suite,
            recipe_digest=self.recipe.digest,
            recipe=self.recipe,
        )

    async def _note_use(self, image: str) -> None:
        """Keep no record: nothing cleans up after tests but they themselves."""

    def _tools(self, source: SourceIndex) -> Tools:
        return Tools(
            source=source,
            resolver=self.harness.resolver,
            engine=ContainerEngine(self.harness.command, recipe_network=self.network, users=self.harness.users),
            images=LoggedImages(
                image_builder(Parts(self.harness.settings)).revised(self.harness.revision),
                fallbacks=Fallbacks(engine=self.harness.command, folder=self.harness.folder / "images"),
                note_use=self._note_use,
            ),
            crates=CrateArchives(ContentCache(root=self.harness.folder / "crates", floor_bytes=0)),
            parsers=InlineParsers(),
            read_pyproject=read_sdist_pyproject,
            archives=self.archives,
            heal=HealRules(mode=self.heal),
            read_needs=read_needs,
            repositories=self.repositories,
            builders=(BuilderChoice(suite=self.suite, python=self.python, policy=TARGET.policy),),
            agent=Parts(self.harness.settings).agent.data,
            installer=Path(find_uv_bin()),
            limits=LimitRules(default=self.limits, ceiling=CEILING),
            output_bytes=16 << 20,
            build_number=1,
            labels={WORKER_LABEL: self.harness.worker},
            network_for_recipes=self.network is not None,
        )


def _only(sdist: IndexFile) -> Callable[[NormalizedName], Awaitable[tuple[IndexFile, ...]]]:
    async def sdists_of(_: NormalizedName) -> tuple[IndexFile, ...]:
        return (sdist,)

    return sdists_of


@contextlib.asynccontextmanager
async def open_harness(folder: Path, worker: str) -> AsyncIterator[ContainerHarness]:
    """Open a stand whose state is in a folder and whose containers bear the worker's name."""
    settings = load_settings().model_copy(update={"state_dir": folder})
    async with source_index(settings) as upstream:
        yield ContainerHarness(
            folder=folder,
            worker=worker,
            settings=settings,
            command=Parts(settings).engine,
            upstream=upstream,
            resolver=UvWheelResolver(UvResolverOptions(cache_dir=folder / "uv", environment=os.environ)),
            users=container_users(settings),
        )


async def be_a_worker(folder: Path, worker: str) -> None:
    """Build the project that sleeps, and say so once it does."""
    async with open_harness(folder, worker) as harness:
        run = harness.run_of("sleeps")
        working = asyncio.create_task(run.go())
        await run.until_logged(ASLEEP)
        sys.stdout.write(f"{ASLEEP}\n")
        sys.stdout.flush()
        await working


if __name__ == "__main__":
    asyncio.run(be_a_worker(Path(sys.argv[1]), sys.argv[2]))
