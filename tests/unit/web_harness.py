"""The web pages on in-memory stores with something to show: wheels, a failed build, one that runs, hostile names."""

import hashlib
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Self
from urllib.parse import quote

import httpx
from packaging.utils import canonicalize_name
from tests.contract.prebuild_contract import sample_prebuild
from tests.contract.samples import sample_failure, sample_timings, sample_wheel
from tests.unit.api_harness import SECRET, ApiHarness, api_harness
from tests.unit.pipeline_harness import info_folder, pack_wheel
from tests.unit.recipe_texts import parse_recipe
from tests.unit.web_images import sample_builder, sample_content, sample_image

from wheelyard.domain.builds.build import Stage, StageTiming, Status
from wheelyard.domain.builds.log_text import LogNote
from wheelyard.domain.builds.queue import Capacity, Lane, WorkerRegistration, WorkerState
from wheelyard.domain.builds.records import Claim, Outcome
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.catalogue.status import BuilderStatus
from wheelyard.domain.index.index import Level, PublishedFile
from wheelyard.domain.index.wheels import IndexedWheel, IndexEntry, WheelOrigin
from wheelyard.domain.packaging.wheel_contents import WheelContents
from wheelyard.domain.prebuilds.prebuild import ItemStatus
from wheelyard.usecases.tokens import PREFIX

TOKEN = f"{PREFIX}{SECRET}"
METADATA = """Metadata-Version: 2.4
Name: pyyaml
Version: 6.0.3
Summary: YAML parser and emitter for Python
License-Expression: MIT
Requires-Python: >=3.8
"""
LOG_BEGINS = datetime(2026, 7, 1, 9, 0, tzinfo=UTC)


def stage_note(stage: Stage, seconds: float) -> bytes:
    """Write what a worker notes as a stage begins, some seconds after the log's beginning."""
    return LogNote.of(f"stage {stage}", at=LOG_BEGINS + timedelta(seconds=seconds), stage=stage.value).encode()


BUILD_LOG = (
    stage_note(Stage.RESOLVE, 0)
    + LogNote.of("pyyaml 6.0.3 for Python 3.13 on manylinux_2_36_x86_64", at=LOG_BEGINS).encode()
    + stage_note(Stage.BUILD, 75)
    + b"\x1b[1mrunning build_ext\x1b[0m\n\x1b[32mbuilding 'yaml._yaml' extension\x1b[0m\n"
    + b"".join(b"copying lib/yaml/module_%d.py -> build/lib/yaml\n" % number for number in range(60))
)
FAILING_LOG = (
    BUILD_LOG
    + b"gcc -pthread -fPIC -Iext -c ext/_yaml.c -o build/ext/_yaml.o\n"
    + b"In file included from ext/_yaml.c:596:\n"
    + b"\x1b[1mext/_yaml.h:2:10:\x1b[0m \x1b[1;31mfatal error:\x1b[0m yaml.h: No such file or directory\n"
    + b"    2 | #include <yaml.h>\n      |          \x1b[32m^~~~~~~~\x1b[0m\ncompilation terminated.\n"
    + b"\x1b[31merror: command '/usr/bin/gcc' failed with exit code 1\x1b[0m\n"
)
RECIPE = """schema = 1
name = "pyyaml"

[[rule]]
apt = ["libyaml-dev"]
expect.extensions = ["yaml._yaml"]

[[rule]]
when = { version = "<6", suite = ["bullseye"] }
build-constraints = ["cython<3"]
"""


@dataclass
class WebHarness:
    """A browser that is signed in, and the worker's side behind the pages."""

    api: ApiHarness
    browser: httpx.AsyncClient
    csrf: str = ""
    metadata: str = METADATA
    level: Level = Level.PROD
    """Where builds publish."""

    async def sign_in(self, token: str = TOKEN) -> httpx.Response:
        return await self.browser.post("/sign-in", data={"token": token, "next": "/"})

    async def see(self, path: str, status: int = 200) -> "SeenPage":
        """Open a page, and check what is true of every one."""
        response = await self.browser.get(path)
        assert response.status_code == status, response.text
        return SeenPage.of(response)

    async def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form of ours."""
        if not self.csrf:
            self.csrf = (await self.see("/")).csrf
        return await self.browser.post(path, data={"csrf_token": self.csrf, **fields})

    async def log(self, requirement: str, data: bytes) -> tuple[str, Claim]:
        """Ask for a wheel, and begin a build that writes a log."""
        build_id = await self.api.submit(requirement)
        claim = await self.api.claim(build_id)
        await self.api.attempts.enter_stage(claim, Stage.BUILD)
        await self.api.attempts.append_log(claim, data)
        return build_id, claim

    async def more(self) -> str:
        """Ask for something that waits, and for an application, and compare the index; gives the request's id."""
        await self.api.submit("pyyaml==6.0.1")
        (item,) = sample_prebuild().items
        statuses = {"6.0.3": ItemStatus.PRESENT, "6.0.2": ItemStatus.FAILED, "6.0.1": ItemStatus.BUILD}
        items = tuple(
            replace(item, version=version, status=status, reason="its build failed" if "fail" in status else "")
            for version, status in statuses.items()
        )
        await self.api.services.prebuilds.store.create(replace(sample_prebuild(), items=items))
        await self.api.services.index.check(mend=False, by="tests")
        return sample_prebuild().id

    async def recipe(self, project: str, text: str) -> None:
        """Put a recipe into the book."""
        self.api.recipes.recipes[canonicalize_name(project)] = parse_recipe(text, source=f"recipes/{project}.toml")

    async def mirrored(self) -> str:
        """Take note of a wheel that upstream made."""
        filename = "mirrored-2.0-py3-none-any.whl"
        now = self.api.clock()
        metadata = self.metadata.replace("pyyaml", "mirrored").encode()
        wheel = IndexedWheel(
            filename=filename,
            project="mirrored",
            version="2.0",
            origin=WheelOrigin.MIRRORED,
            build_id=None,
            python="3.13",
            platform="manylinux_2_36_x86_64",
            tag="py3-none-any",
            sha256=hashlib.sha256(b"wheel").hexdigest(),
            size_bytes=5,
            requires_python=None,
            metadata_sha256=hashlib.sha256(metadata).hexdigest(),
            level=Level.PROD,
            url=f"memory:mirrored/{filename}",
            uploaded_at=now,
        )
        self.api.state.record_wheel(IndexEntry(wheel=wheel, metadata=metadata))
        return filename

    def image(self, *, readable: bool = True) -> str:
        """Have a builder of one image, whose content this host can read or not; gives its page's path."""
        image = sample_image()

        async def builders() -> list[BuilderStatus]:
            return [sample_builder(image)]

        async def read(wanted: str) -> ImageContent:
            assert wanted == image.id
            return sample_content(image)

        services = replace(self.api.services, builders=builders, image_content=read if readable else None)
        self.api.app.state.services = services
        return f"/builders/images/{quote(image.id, safe='')}"

    async def failed(self, requirement: str = "lxml", log: bytes = FAILING_LOG) -> str:
        build_id, claim = await self.log(requirement, log)
        timing = StageTiming(stage=Stage.BUILD, started_at=self.api.clock(), seconds=41.5)
        summary = f"{claim.order.project} did not build: the header yaml.h is missing."
        failure = replace(sample_failure(), summary=summary)
        outcome = Outcome(status=Status.FAILED, failure=failure, timings=(*sample_timings(), timing))
        self.api.clock.advance(44)
        assert await self.api.attempts.finish(claim, outcome)
        return build_id

    async def built(self, requirement: str = "pyyaml", log: bytes = BUILD_LOG) -> tuple[str, str]:
        """Build and publish a wheel; gives the build's id and the wheel's file name."""
        build_id, claim = await self.log(requirement, log)
        return build_id, await self.publish(claim)

    async def publish(self, claim: Claim) -> str:
        """Let a build that runs end well."""
        name, version = claim.order.project.replace("-", "_"), claim.order.version
        filename = f"{name}-{version}-1.bookworm-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
        content = self.wheel_bytes(filename)
        digest = hashlib.sha256(content).hexdigest()
        wheel = replace(sample_wheel(), level=self.level, filename=filename, sha256=digest, size_bytes=len(content))
        stages = [
            StageTiming(stage=stage, started_at=self.api.clock(), seconds=1.0 + 3 * n) for n, stage in enumerate(Stage)
        ]
        outcome = Outcome(
            status=Status.SUCCEEDED, wheel=wheel, timings=tuple(stages), published=self._hold(claim, filename, content)
        )
        self.api.clock.advance(75)
        assert await self.api.attempts.finish(claim, outcome)
        return filename

    def wheel_bytes(self, filename: str) -> bytes:
        """Make the wheel of a name, with this stand's metadata."""
        name, version = filename.split("-")[:2]
        metadata = self.metadata.replace("Name: pyyaml", f"Name: {name}").replace("6.0.3", version)
        members = {f"{name}.py": b"answer = 42\n", f"{info_folder(filename)}/METADATA": metadata.encode()}
        return pack_wheel(filename, members)

    def _hold(self, claim: Claim, filename: str, content: bytes) -> PublishedFile:
        project = canonicalize_name(claim.order.project)
        self.api.held.files[project, filename] = content
        return PublishedFile(
            filename=filename,
            url=f"memory:{project}/{filename}",
            index_url="memory:",
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            uploaded=True,
            level=self.level,
            metadata=self.metadata.encode(),
            contents=WheelContents.of(zipfile.ZipFile(io.BytesIO(content)).infolist()),
        )


@dataclass(frozen=True, kw_only=True)
class SeenPage:
    """A page as a browser takes it apart."""

    response: httpx.Response
    tags: list[tuple[str, dict[str, str | None]]]
    text: str
    csrf: str

    @classmethod
    def of(cls, response: httpx.Response) -> Self:
        reader = _Reader()
        reader.feed(response.text)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert len(response.content) < 100_000
        assert [tag for tag, attributes in reader.tags if tag == "style" or "style" in attributes] == []
        assert [one for tag, one in reader.tags if tag == "script" and not (one.get("src") or "").startswith("/")] == []
        assert [one for _, one in reader.tags if any(name.startswith("on") for name in one)] == []
        return cls(response=response, tags=reader.tags, text=" ".join(reader.texts), csrf=reader.csrf)

    def find(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [
            found
            for name, found in self.tags
            if name == tag and all(found.get(key.rstrip("_")) == value for key, value in attributes.items())
        ]

    @property
    def links(self) -> list[str]:
        return [str(found.get("href")) for found in self.find("a")]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.csrf = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if attributes.get("name") == "csrf_token":
            self.csrf = attributes.get("value") or ""

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@asynccontextmanager
async def web_harness(cache_dir: Path, *, anonymous_read: bool = False) -> AsyncIterator[WebHarness]:
    """Give pages to a browser that is not signed in yet."""
    beginning = datetime.now(UTC) - timedelta(minutes=6)
    async with api_harness(cache_dir, anonymous_read=anonymous_read, beginning=beginning) as api:
        transport = httpx.ASGITransport(app=api.app, raise_app_exceptions=False)
        headers = {"Accept": "text/html,application/xhtml+xml"}
        async with httpx.AsyncClient(transport=transport, base_url="http://wheelyard", headers=headers) as browser:
            yield WebHarness(api=api, browser=browser)


async def furnish(harness: WebHarness) -> dict[str, str]:
    """Give the pages something to show; gives ids and file names by what they are."""
    harness.api.recipes.recipes[canonicalize_name("pyyaml")] = parse_recipe(RECIPE, source="recipes/pyyaml.toml")
    registration = WorkerRegistration(
        name="builder-1",
        host="builder-1",
        lanes=(Lane(architecture="x86_64", suite="bookworm", python="3.13"),),
        capacity=Capacity(slots=2, cpus=4.0, memory_bytes=8 << 30),
        state=WorkerState.ACTIVE,
    )
    build_id, wheel = await harness.built()
    failed = await harness.failed()
    older, _ = await harness.built("pyyaml==6.0.2")
    await harness.api.workers.report_worker(registration)
    return {"succeeded": build_id, "wheel": wheel, "failed": failed, "older": older, "request": sample_prebuild().id}
