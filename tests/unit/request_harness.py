"""Requests over REST on stores in memory: orders one, brings it on, ends its builds."""

import io
import tarfile
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.contract.samples import sample_failure, sample_wheel
from tests.unit.api_harness import ApiHarness, api_harness

from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.index.index import Level, PublishedFile

METADATA = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n"
GRID = {"pythons": ["3.11", "3.13"], "platforms": ["manylinux_2_31_x86_64", "manylinux_2_36_x86_64"]}


@asynccontextmanager
async def request_harness(cache_dir: Path) -> AsyncIterator[ApiHarness]:
    """Give the API with a resolver that knows three projects."""
    async with api_harness(cache_dir) as harness:
        for project, version in (("pyyaml", "6.0.3"), ("lxml", "6.0.2"), ("wheelonly", "1.0")):
            harness.resolver.add(project, version)
        yield harness


async def order(harness: ApiHarness, **body: object) -> dict[str, Any]:
    answer = await harness.client.post("/v1/requests", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == answer.json()["url"]
    return dict(answer.json())


async def release_dependents(harness: ApiHarness) -> None:
    """Bring everything on until nothing happens without builds."""
    advance = harness.services.prebuilds.advance
    while await advance.once():
        pass


async def look(harness: ApiHarness, request: dict[str, Any]) -> dict[str, Any]:
    await release_dependents(harness)
    return dict((await harness.client.get(request["url"])).json())


async def finish_build(
    harness: ApiHarness, build_id: str, filename: str | None, *, level: Level = Level.PROD, metadata: bytes = METADATA
) -> None:
    """Let a build publish a wheel, or fail."""
    claim = await harness.claim(build_id)
    if filename is None:
        assert await harness.attempts.finish(claim, Outcome(status=Status.FAILED, failure=sample_failure()))
        return
    wheel = replace(sample_wheel(), filename=filename)
    published = PublishedFile(
        filename=filename,
        url=f"memory:{claim.order.project}/{filename}",
        index_url="memory:",
        sha256=wheel.sha256,
        size_bytes=wheel.size_bytes,
        uploaded=True,
        level=level,
        metadata=metadata,
    )
    assert await harness.attempts.finish(claim, Outcome(status=Status.SUCCEEDED, wheel=wheel, published=published))


def statuses(view: dict[str, Any]) -> list[str]:
    return [item["status"] for item in view["items"]]


def builds_of(view: dict[str, Any]) -> list[tuple[str, str]]:
    return [(build["python"], build["platform"]) for build in view["builds"]]


def make_sdist(stem: str, *lines: str) -> bytes:
    name, _, version = stem.rpartition("-")
    text = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, ""]).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path in (f"{stem}/deeper/PKG-INFO", f"{stem}/PKG-INFO"):
            member = tarfile.TarInfo(path)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return buffer.getvalue()


def make_wheel(project: str, version: str) -> bytes:
    folder = f"{project}-{version}.dist-info"
    members = {
        f"{project}.py": "",
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
        record = "".join(f"{name},,\n" for name in (*members, f"{folder}/RECORD"))
        archive.writestr(f"{folder}/RECORD", record)
    return buffer.getvalue()
