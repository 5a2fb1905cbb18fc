import asyncio
import hashlib
import io
import tarfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from packaging.utils import NormalizedName, parse_wheel_filename
from tests.fakes.index import MemoryIndex

from wheelyard.adapters.devpi.publish import DevpiIndex
from wheelyard.domain.index.index import Credentials, IndexEndpoint
from wheelyard.errors import (
    HashMismatchError,
    IndexConflictError,
    IndexRefusedError,
    IndexUnavailableError,
    PublishUnprovenError,
    UntrustedOutputError,
)
from wheelyard.interfaces import WheelIndex


def make_wheel(folder: Path, *, name: str, version: str = "1.0+local", body: str = "") -> tuple[Path, str]:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-1wy-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", body)
        archive.writestr(
            f"{name}-{version}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: idna\nRequires-Python: >=3\n",
        )
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def project_of(wheel: Path) -> NormalizedName:
    return parse_wheel_filename(wheel.name)[0]


@pytest_asyncio.fixture(scope="module", params=["memory", "devpi"])
async def index(request: pytest.FixtureRequest, endpoint: IndexEndpoint) -> AsyncIterator[WheelIndex]:
    if request.param == "memory":
        yield MemoryIndex()
        return
    async with DevpiIndex(endpoint.prod_url, credentials=endpoint.promoter) as devpi:
        yield devpi


async def test_index_answers(index: WheelIndex) -> None:
    await index.ping()


async def test_published_wheel_is_held_with_its_hash(index: WheelIndex, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path, name="held_thing")
    assert await index.sha256_of(project_of(wheel), wheel.name) is None
    published = await index.publish(wheel, sha256=sha256)
    assert (published.filename, published.sha256, published.uploaded) == (wheel.name, sha256, True)
    assert published.size_bytes == wheel.stat().st_size
    assert await index.sha256_of(project_of(wheel), wheel.name) == sha256
    assert await index.sha256_of(project_of(wheel), "held_thing-2-py3-none-any.whl") is None


async def test_publishing_again_changes_nothing(index: WheelIndex, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path, name="again_thing")
    first = await index.publish(wheel, sha256=sha256)
    second = await index.publish(wheel, sha256=sha256)
    assert (first.uploaded, second.uploaded) == (True, False)
    assert first.url == second.url


async def test_published_file_is_never_replaced(index: WheelIndex, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path / "1", name="fixed_thing", body="first = 1")
    other, other_sha256 = make_wheel(tmp_path / "2", name="fixed_thing", body="second = 2")
    await index.publish(wheel, sha256=sha256)
    with pytest.raises(IndexConflictError) as caught:
        await index.publish(other, sha256=other_sha256)
    assert (caught.value.held, caught.value.ours) == (sha256, other_sha256)
    assert await index.sha256_of(project_of(wheel), wheel.name) == sha256


async def test_file_that_is_not_the_promised_wheel_is_not_published(index: WheelIndex, tmp_path: Path) -> None:
    wheel, _ = make_wheel(tmp_path, name="wrong_thing")
    with pytest.raises(HashMismatchError):
        await index.publish(wheel, sha256="0" * 64)
    wheel.write_bytes(wheel.read_bytes()[:-20])
    with pytest.raises(UntrustedOutputError):
        await index.publish(wheel, sha256=hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert await index.sha256_of(project_of(wheel), wheel.name) is None


async def test_many_at_once_are_all_kept(index: WheelIndex, tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path, name="many_thing", version=f"1.{number}") for number in range(20)]
    await asyncio.gather(*(index.publish(wheel, sha256=sha256) for wheel, sha256 in wheels))
    held = [await index.sha256_of(project_of(wheel), wheel.name) for wheel, _ in wheels]
    assert held == [sha256 for _, sha256 in wheels]


async def test_same_wheel_at_once_is_published_once(index: WheelIndex, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path, name="twin_thing")
    published = await asyncio.gather(*(index.publish(wheel, sha256=sha256) for _ in range(4)))
    assert {one.sha256 for one in published} == {sha256}


def make_sdist(folder: Path, *, name: str, version: str = "1.0+local") -> tuple[Path, str]:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        text = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nDynamic: Requires-Dist\n".encode()
        member = tarfile.TarInfo(f"{name}-{version}/PKG-INFO")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def metadata_of(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("METADATA")))


async def test_sdist_is_held_beside_its_wheels_and_never_replaced(index: WheelIndex, tmp_path: Path) -> None:
    wheel, wheel_sha256 = make_wheel(tmp_path, name="source_thing")
    sdist, sha256 = make_sdist(tmp_path, name="source_thing")
    await index.publish(wheel, sha256=wheel_sha256)
    metadata = metadata_of(wheel)
    published = await index.publish_sdist(sdist, sha256=sha256, metadata=metadata)
    assert (published.filename, published.sha256, published.uploaded) == (sdist.name, sha256, True)
    assert await index.sha256_of(project_of(wheel), sdist.name) == sha256
    assert await index.sha256_of(project_of(wheel), wheel.name) == wheel_sha256
    assert not (await index.publish_sdist(sdist, sha256=sha256, metadata=metadata)).uploaded
    sdist.write_bytes(b"other bytes")
    with pytest.raises(HashMismatchError):
        await index.publish_sdist(sdist, sha256=sha256, metadata=metadata)
    other_sha256 = hashlib.sha256(b"other bytes").hexdigest()
    with pytest.raises(IndexConflictError) as caught:
        await index.publish_sdist(sdist, sha256=other_sha256, metadata=metadata)
    assert (caught.value.held, caught.value.ours) == (sha256, other_sha256)


async def test_wheels_and_their_sdist_are_published_at_once(index: WheelIndex, tmp_path: Path) -> None:
    sdist, sha256 = make_sdist(tmp_path, name="race_thing")
    wheels = []
    for number in range(6):
        wheel, digest = make_wheel(tmp_path / str(number), name="race_thing", body=f"n = {number}")
        wheels.append((wheel.rename(wheel.with_name(wheel.name.replace("-1wy", f"-{number}wy"))), digest))
    published = await asyncio.gather(
        *(index.publish(wheel, sha256=digest) for wheel, digest in wheels),
        index.publish_sdist(sdist, sha256=sha256, metadata=metadata_of(wheels[0][0])),
    )
    assert {one.filename for one in published} == {sdist.name, *(wheel.name for wheel, _ in wheels)}


async def test_user_of_another_index_is_refused(endpoint: IndexEndpoint, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path, name="refused_thing")
    wrong = Credentials(user="promoter", password="wrong")
    for url, credentials in [(endpoint.prod_url, endpoint.publisher), (endpoint.staging_url, wrong)]:
        async with DevpiIndex(url, credentials=credentials) as index:
            with pytest.raises(IndexRefusedError):
                await index.publish(wheel, sha256=sha256)


async def test_index_that_is_down_is_unavailable(tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path, name="down_thing")
    twin = MemoryIndex()
    twin.faults.down = True
    nobody = Credentials(user="promoter", password="x")
    async with DevpiIndex("http://127.0.0.1:9/wheels/prod", credentials=nobody, pauses_seconds=(0,)) as devpi:
        down: list[WheelIndex] = [twin, devpi]
        for index in down:
            with pytest.raises(IndexUnavailableError):
                await index.publish(wheel, sha256=sha256)
            with pytest.raises(IndexUnavailableError):
                await index.sha256_of(project_of(wheel), wheel.name)
            with pytest.raises(IndexUnavailableError):
                await index.ping()


async def test_twin_can_lose_and_alter(tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path, name="lost_thing")
    twin = MemoryIndex()
    twin.faults.loses_uploads = True
    with pytest.raises(PublishUnprovenError):
        await twin.publish(wheel, sha256=sha256)
    twin.faults.loses_uploads, twin.faults.alters_bytes = False, True
    with pytest.raises(PublishUnprovenError):
        await twin.publish(wheel, sha256=sha256)
    assert list(twin.filenames()) == [wheel.name]


async def test_installers_see_what_the_wheel_requires(endpoint: IndexEndpoint, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path, name="seen_thing")
    async with DevpiIndex(endpoint.prod_url, credentials=endpoint.promoter) as index:
        await index.publish(wheel, sha256=sha256)
    async with httpx.AsyncClient(trust_env=False) as client:
        page = await client.get(
            f"{endpoint.prod_url}/+simple/seen-thing/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
        )
    assert [file["requires-python"] for file in page.json()["files"]] == [">=3"]
