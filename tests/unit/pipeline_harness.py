"""The pipeline on in-memory fakes: a job for a small project, wheels made on the spot, and agents to play."""

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.tags import parse_tag
from tests.contract.samples import BEGINNING, TARGET, ManualClock
from tests.fakes.archives import FakeArchives
from tests.fakes.engine import MemoryEngine, ScriptedAgent
from tests.fakes.images import MemoryImages
from tests.fakes.index import MemoryIndex
from tests.fakes.parsers import InlineParsers
from tests.fakes.records import MemoryState
from tests.fakes.sources import MemoryCrates, MemorySourceIndex, MemoryWheelResolver
from tests.fakes.wheels import MemoryWheels

from wheelyard.domain.builds.build import BuildOrder, SdistSource
from wheelyard.domain.builds.expectations import ExtensionSource, TriedModule
from wheelyard.domain.builds.records import Claim
from wheelyard.domain.recipes.effective import EffectiveRecipe
from wheelyard.domain.sdist.need import Need
from wheelyard.interfaces import Limits
from wheelyard.pipeline.job import BuiltWheel, Job, PreparedImages, RepairedWheel, Step, Tools
from wheelyard.pipeline.limits import LimitRules
from wheelyard.pipeline.publish import publish_on
from wheelyard.pipeline.steps import steps_to
from wheelyard.wheel_files.reader import tag_of

PROJECT, VERSION = "demo", "1.0"
SDIST = b"the bytes of an sdist"
PURE = "demo-1.0-py3-none-any.whl"
PURE_TAGGED = "demo-1.0-1.bookworm-py3-none-any.whl"
NATIVE = "demo-1.0-cp313-cp313-linux_x86_64.whl"
NATIVE_REPAIRED = "demo-1.0-1.bookworm-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
LIMITS = Limits(memory_bytes=256 << 20, cpus=1.0, processes=64, scratch_bytes=64 << 20, time_seconds=60)
LIMIT_RULES = LimitRules(
    default=LIMITS,
    ceiling=Limits(memory_bytes=1 << 30, cpus=4.0, processes=64, scratch_bytes=1 << 30, time_seconds=600),
)


class TextLog:
    """A LogSink that keeps everything."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data

    async def note(self, text: str, *, stage: str | None = None) -> None:  # noqa: ARG002
        self.data += f"==> {text}\n".encode()

    @property
    def text(self) -> str:
        return self.data.decode()


def make_wheel(
    filename: str = PURE, *, name: str = PROJECT, version: str = VERSION, requires: Sequence[str] = (), **members: bytes
) -> bytes:
    """Make a wheel whose metadata may say something else than its file name."""
    metadata = [f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {text}" for text in requires]
    return pack_wheel(
        filename,
        {
            "demo.py": b"answer = 42\n",
            **members,
            f"{info_folder(filename)}/METADATA": ("\n".join(metadata) + "\n").encode(),
        },
    )


def info_folder(filename: str) -> str:
    """Name a wheel's ``.dist-info`` folder."""
    return "-".join(filename.split("-", 2)[:2]) + ".dist-info"


def pack_wheel(filename: str, members: Mapping[str, bytes]) -> bytes:
    """Zip members as a wheel, with a WHEEL and a RECORD that are true of them unless they are among them."""
    info = info_folder(filename)
    tags = "".join(f"Tag: {tag}\n" for tag in sorted(map(str, parse_tag(tag_of(Path(filename))))))
    complete = {f"{info}/WHEEL": f"Wheel-Version: 1.0\n{tags}".encode(), **members}
    complete = {f"{info}/RECORD": record_of(complete, info), **complete}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for member, content in complete.items():
            bundle.writestr(zipfile.ZipInfo(member), content)  # with a fixed time: equal wheels have equal bytes
    return buffer.getvalue()


def record_of(members: Mapping[str, bytes], info: str) -> bytes:
    """Write the RECORD of members."""
    rows = [(name, _record_digest(data), len(data)) for name, data in members.items()]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([*rows, (f"{info}/RECORD", "", "")])
    return buffer.getvalue().encode()


def _record_digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def order_for(recipe: EffectiveRecipe | None = None) -> BuildOrder:
    effective = recipe or EffectiveRecipe()
    return BuildOrder(
        key=hashlib.sha256(effective.digest.encode()).hexdigest(),
        requirement=PROJECT,
        project=PROJECT,
        version=VERSION,
        sdist=SdistSource(
            filename="demo-1.0.tar.gz",
            url="memory://index/demo-1.0.tar.gz",
            sha256=hashlib.sha256(SDIST).hexdigest(),
            size_bytes=len(SDIST),
        ),
        target=TARGET,
        builder="bookworm",
        recipe_digest=effective.digest,
        recipe=effective,
    )


class OpenUploads(MemoryWheels):
    """Wheels of a job that no store knows: all uploads are allowed, or none."""

    def __init__(self) -> None:
        super().__init__(MemoryState(clock=ManualClock(BEGINNING)))
        self.allowed = True

    async def begin_upload(self, claim: Claim, *, filename: str, sha256: str) -> bool:
        del claim, filename, sha256
        return self.allowed

    async def is_orphan(self, filename: str, *, sha256: str) -> bool:
        del filename, sha256
        return False


@dataclass(kw_only=True)
class PipelineHarness:
    """A job, and the fakes that its stages meet."""

    folder: Path
    engine: MemoryEngine
    source: MemorySourceIndex
    order: BuildOrder
    resolver: MemoryWheelResolver = field(default_factory=MemoryWheelResolver)
    images: MemoryImages = field(default_factory=MemoryImages)
    index: MemoryIndex = field(default_factory=MemoryIndex)
    uploads: OpenUploads = field(default_factory=OpenUploads)
    crates: MemoryCrates = field(default_factory=MemoryCrates)
    parsers: InlineParsers = field(default_factory=InlineParsers)
    archives: FakeArchives = field(default_factory=FakeArchives)
    pyproject: bytes | None = None
    needs: tuple[Need, ...] = ()
    """What is read out of the sdist."""
    ca_bundle: Path | None = None
    log: TextLog = field(default_factory=TextLog)
    limits: LimitRules = LIMIT_RULES
    emulated: frozenset[str] = frozenset()
    """Architectures that the worker emulates, for five times as long as a native build may take."""
    output_bytes: int = 1 << 20

    @property
    def tools(self) -> Tools:
        return Tools(
            source=self.source,
            resolver=self.resolver,
            engine=self.engine,
            images=self.images,
            crates=self.crates,
            parsers=self.parsers,
            read_pyproject=lambda _: self.pyproject,
            archives=self.archives,
            read_needs=lambda _: self.needs,
            agent=b"the agent",
            installer=self.folder / "uv",
            limits=self.limits,
            emulated=self.emulated,
            emulation_time_factor=5.0,
            output_bytes=self.output_bytes,
            build_number=1,
            labels={"org.wheelyard.worker": "worker-1"},
            ca_bundle=self.ca_bundle,
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """The stages of a worker."""
        return steps_to(publish_on(self.index, self.uploads))

    @property
    def job(self) -> Job:
        """A job before its first stage."""
        claim = Claim(build_id="b1", attempt=1, worker="worker-1", order=self.order)
        folder = self.folder / "job"
        folder.mkdir(exist_ok=True)
        return Job(claim=claim, folder=folder, log=self.log)

    @property
    def prepared(self) -> Job:
        """A job as the build stage finds it."""
        images = PreparedImages(builder="builder", runtime="runtime")
        return self.job.knowing(sdist=self.put("demo-1.0.tar.gz", SDIST), images=images)

    def built(
        self,
        filename: str = NATIVE,
        content: bytes | None = None,
        sources: tuple[ExtensionSource, ...] = (),
        tried: tuple[TriedModule, ...] = (),
    ) -> Job:
        """Give a job as the repair stage finds it."""
        path = self.put(filename, make_wheel(filename) if content is None else content)
        return self.prepared.knowing(
            built=BuiltWheel(path=path, epoch=1, requirements=(), sources=sources, tried=tried)
        )

    def repaired(self, filename: str = PURE_TAGGED, content: bytes | None = None) -> Job:
        """Give a job as the verify stage finds it."""
        content = make_wheel(filename) if content is None else content
        wheel = RepairedWheel(
            path=self.put(filename, content),
            sha256=hashlib.sha256(content).hexdigest(),
            is_pure=filename.endswith("-any.whl"),
            policy=None,
            extensions=(),
            grafted=(),
        )
        return self.built().knowing(repaired=wheel)

    def put(self, filename: str, content: bytes) -> Path:
        """Lay a file down where an earlier stage would have."""
        path = self.folder / filename
        path.write_bytes(content)
        return path


def make_harness(folder: Path, recipe: EffectiveRecipe | None = None) -> PipelineHarness:
    source = MemorySourceIndex(folder / "cache")
    source.add("demo-1.0.tar.gz", SDIST)
    (folder / "uv").write_bytes(b"uv")
    return PipelineHarness(folder=folder, engine=MemoryEngine(honest_build), source=source, order=order_for(recipe))


async def honest_build(agent: ScriptedAgent) -> None:
    await agent.receive()
    agent.send_file(PURE, make_wheel())
    agent.send("report", wheel=PURE, epoch=315532800, sources=[])


REPAIR_REPORT: Mapping[str, Any] = {
    "is_pure": True,
    "policy": None,
    "policy_reason": None,
    "extensions": [],
    "native_files": [],
    "grafted": [],
}


async def honest_repair(agent: ScriptedAgent) -> None:
    await agent.receive()
    agent.send_file(PURE_TAGGED, make_wheel(PURE_TAGGED))
    agent.send("report", wheel=PURE_TAGGED, **REPAIR_REPORT)


async def honest_verify(agent: ScriptedAgent) -> None:
    await agent.receive()
    agent.send("report", imported=["demo"], skipped={}, remarks=[])
