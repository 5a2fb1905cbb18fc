"""A build of what a caller sent: a folder is made into an sdist in a sandbox, an sdist is used as it is."""

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.pipeline.test_pipeline_commit import SDIST, CommitHarness, repairing
from tests.unit.pipeline_harness import honest_verify

from wheelyard.domain.builds.build import SdistSource, SourceKind, Stage
from wheelyard.domain.builds.file_source import FileOrigin
from wheelyard.domain.builds.local_source import LocalKind, LocalOrigin
from wheelyard.errors import InvalidSdistError, UntrustedOutputError
from wheelyard.pipeline.job import known


def packed() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("project/setup.py"))
    return buffer.getvalue()


FOLDER = packed()


class LocalHarness(CommitHarness):
    """The harness of commits, with an order of what a caller sent."""

    def __init__(self, folder: Path, *, kind: LocalKind = LocalKind.FOLDER, name: str = "billing") -> None:
        super().__init__(folder)
        content = FOLDER if kind is LocalKind.FOLDER else SDIST
        origin = LocalOrigin(
            kind=kind,
            name=name,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            sent_by="me (0e3c2b1a)",
            tag="v0.9",
        )
        self.version = f"1.0.dev0+l{origin.sha256[:12]}"
        is_sdist = kind is LocalKind.SDIST
        source = self.pipeline.source.add(name if is_sdist else f"folder-0+{origin.mark}.tar.gz", content)
        sdist = SdistSource(
            filename=name if is_sdist else "",
            url=source.url,
            sha256=origin.sha256 if is_sdist else "",
            size_bytes=len(content) if is_sdist else None,
            kind=SourceKind.LOCAL,
            local=origin,
        )
        self.pipeline.order = replace(self.pipeline.order, version="0", sdist=sdist)


async def test_folder_is_published_as_a_development_version_with_its_hash(tmp_path: Path) -> None:
    harness = LocalHarness(tmp_path)
    version = harness.version
    job = await harness.go(harness.making(), harness.building(version), repairing(version), honest_verify)
    assert list(harness.pipeline.index.files) == [("demo", f"demo-{version}-1.bookworm-py3-none-any.whl")]
    source = job.claim.order.sdist
    assert (source.filename, source.sha256) == ("demo-1.0.tar.gz", hashlib.sha256(SDIST).hexdigest())
    assert known(source.local).sha256 == hashlib.sha256(FOLDER).hexdigest()
    assert known(source.local).version == "1.0"
    making, building = harness.jobs
    assert (making["kind"], making["archive"], making["packs"], making["tag"]) == (
        "make-sdist",
        "folder.tar.gz",
        [],
        "v0.9",
    )
    assert building["relabel"] == {"made": "1.0", "version": version}
    assert "local folder billing sha256=" in harness.pipeline.log.text
    assert "sent by me (0e3c2b1a)" in harness.pipeline.log.text


async def test_retry_of_a_folder_uses_the_sdist_that_was_made(tmp_path: Path) -> None:
    harness = LocalHarness(tmp_path)
    first = await harness.go(harness.making(), until=Stage.PREPARE)
    harness.pipeline.order = first.claim.order
    again = await harness.go(until=Stage.PREPARE)
    assert again.claim.order == first.claim.order


async def test_retry_elsewhere_makes_the_sdist_again_of_what_was_sent(tmp_path: Path) -> None:
    harness = LocalHarness(tmp_path)
    first = await harness.go(harness.making(), until=Stage.PREPARE)
    harness.git.sdists.clear()
    harness.pipeline.order = first.claim.order
    again = await harness.go(harness.making(), until=Stage.PREPARE)
    assert again.claim.order == first.claim.order
    assert len(harness.jobs) == 2


async def test_sdist_is_built_as_it_was_sent_with_another_version(tmp_path: Path) -> None:
    harness = LocalHarness(tmp_path, kind=LocalKind.SDIST, name="demo-1.0.tar.gz")
    version = harness.version
    await harness.go(harness.building(version), repairing(version), honest_verify)
    (building,) = harness.jobs
    assert building["relabel"] == {"made": "1.0", "version": version}
    assert list(harness.pipeline.index.files) == [("demo", f"demo-{version}-1.bookworm-py3-none-any.whl")]
    assert "builder-bookworm-3.13+git" not in harness.pipeline.images.asked


async def test_folder_of_another_project_than_the_one_that_was_allowed_is_refused(tmp_path: Path) -> None:
    harness = LocalHarness(tmp_path)
    with pytest.raises(InvalidSdistError) as caught:
        await harness.go(harness.making("requests-1.0.tar.gz"), until=Stage.PREPARE)
    assert "requests" in caught.value.summary
    assert harness.git.sdists == {}


async def test_wheel_with_the_version_of_the_release_is_refused(tmp_path: Path) -> None:
    harness = LocalHarness(tmp_path)
    with pytest.raises(UntrustedOutputError):
        await harness.go(harness.making(), harness.building("1.0"), repairing("1.0"))


async def test_sdist_at_an_address_is_built_as_a_development_version(tmp_path: Path) -> None:
    harness = CommitHarness(tmp_path)
    file = harness.pipeline.source.add("demo-1.0.tar.gz", SDIST)
    origin = FileOrigin(
        address="https://files.example/demo-1.0.tar.gz", name="demo-1.0.tar.gz", sha256=file.sha256, version="1.0"
    )
    source = SdistSource(
        filename=origin.name,
        url=file.url,
        sha256=file.sha256,
        size_bytes=len(SDIST),
        kind=SourceKind.FILE,
        file=origin,
    )
    version = f"1.0.dev0+{origin.mark}"
    harness.pipeline.order = replace(harness.pipeline.order, version=version, sdist=source)
    await harness.go(harness.building(version), repairing(version), honest_verify)
    assert list(harness.pipeline.index.files) == [("demo", f"demo-{version}-1.bookworm-py3-none-any.whl")]
    assert harness.jobs[0]["relabel"] == {"made": "1.0", "version": version}
    assert f"https://files.example/demo-1.0.tar.gz sha256={file.sha256}" in harness.pipeline.log.text
