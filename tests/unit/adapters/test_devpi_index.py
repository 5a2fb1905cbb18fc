import hashlib
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from wheelyard.adapters.devpi.publish import DevpiIndex
from wheelyard.adapters.devpi.upload import read_sdist_upload, read_upload
from wheelyard.domain.index.index import Credentials
from wheelyard.errors import (
    HashMismatchError,
    IndexConflictError,
    IndexRefusedError,
    IndexUnavailableError,
    PublishUnprovenError,
    UntrustedOutputError,
)

METADATA = """\
Metadata-Version: 2.4
Name: Tiny.Thing
Version: 1.0-rc1
Summary: A tiny thing
Keywords: one,two
Classifier: Programming Language :: Python :: 3
Classifier: Operating System :: POSIX
Requires-Dist: idna>=3
Requires-Dist: attrs; extra == "more"
Provides-Extra: more
Project-URL: Home, ftp://example.invalid/
License-Expression: MIT
License-File: LICENSE
Requires-Python: >=3.8
Description-Content-Type: text/markdown

# Tiny ü
"""
INDEX = "http://devpi.test/root/wheels/prod"
Answer = Callable[[httpx.Request], httpx.Response]


def make_wheel(
    folder: Path, *, name: str = "tiny_thing-1.0rc1-1wy-py3-none-any.whl", metadata: str = METADATA
) -> tuple[Path, str]:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_thing/__init__.py", "")
        archive.writestr("tiny_thing-1.0rc1.dist-info/METADATA", metadata)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


class FakeDevpi:
    """Answers as devpi does, with one answer that a test may put in the way."""

    def __init__(self) -> None:
        self.page: list[dict[str, Any]] = []
        self.content = b""
        self.metadata: dict[str, Any] = {}
        self.posts: list[bytes] = []
        self.authorizations: list[str] = []
        self.upload: Iterator[Answer | Exception] = iter(())
        self.known_token = "token-1"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/root/+login":
            return httpx.Response(200, json={"result": {"password": self.known_token}})
        if request.method == "POST":
            return self._take(request)
        if path.endswith("/+simple/tiny-thing/"):
            return httpx.Response(200, json={"files": self.page}) if self.page else httpx.Response(404)
        if path.endswith("/tiny-thing/1.0rc1"):
            return httpx.Response(200, json={"result": self.metadata})
        return httpx.Response(200, content=self.content)

    def hold(self, wheel: Path, *, content: bytes | None = None) -> None:
        self.content = wheel.read_bytes() if content is None else content
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        self.page = [{"filename": wheel.name, "url": "../../+f/x.whl", "hashes": {"sha256": digest}}]
        self.metadata = {
            "name": "Tiny.Thing",
            "version": "1.0rc1",
            "requires_python": ">=3.8",
            "requires_dist": ["idna>=3", 'attrs; extra == "more"'],
        }

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.authorizations.append(request.headers["Authorization"])
        self.posts.append(request.read())
        answer = next(self.upload)
        if isinstance(answer, Exception):
            raise answer
        return answer(request)


def status(code: int) -> Answer:
    return lambda _request: httpx.Response(code)


@pytest.fixture
def devpi() -> FakeDevpi:
    return FakeDevpi()


@pytest_asyncio.fixture
async def index(devpi: FakeDevpi) -> AsyncIterator[DevpiIndex]:
    async def answer(request: httpx.Request) -> httpx.Response:
        await request.aread()
        return devpi(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        credentials = Credentials(user="promoter", password="secret")
        yield DevpiIndex(INDEX, credentials=credentials, client=client, pauses_seconds=(0, 0))


def test_form_has_every_field_of_the_wheels_own_metadata(tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path)
    assert dict(read_upload(wheel, sha256=sha256).fields) == {
        ":action": "file_upload",
        "protcol_version": "1",
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": sha256,
        "metadata_version": "2.4",
        "name": "Tiny.Thing",
        "version": "1.0rc1",
        "summary": "A tiny thing",
        "keywords": "one,two",
        "classifiers": ["Programming Language :: Python :: 3", "Operating System :: POSIX"],
        "requires_dist": ["idna>=3", 'attrs; extra == "more"'],
        "provides_extra": ["more"],
        "provides_extras": ["more"],
        "project_urls": ["Home, ftp://example.invalid/"],
        "license_expression": "MIT",
        "license_file": ["LICENSE"],
        "requires_python": ">=3.8",
        "description_content_type": "text/markdown",
        "description": "# Tiny ü\n",
    }


def make_sdist(folder: Path, name: str = "tiny_thing-1.0rc1.tar.gz") -> tuple[Path, str]:
    path = folder / name
    path.write_bytes(b"an sdist")
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_form_of_an_sdist_has_the_metadata_of_a_wheel_of_its_release(tmp_path: Path) -> None:
    sdist, sha256 = make_sdist(tmp_path)
    fields = dict(read_sdist_upload(sdist, sha256=sha256, metadata=METADATA.encode()).fields)
    assert (fields["filetype"], fields["pyversion"], fields["sha256_digest"]) == ("sdist", "source", sha256)
    assert (fields["name"], fields["version"], fields["requires_python"]) == ("Tiny.Thing", "1.0rc1", ">=3.8")
    assert fields["requires_dist"] == ["idna>=3", 'attrs; extra == "more"']


def test_sdist_that_is_not_the_promised_one_is_not_uploaded(tmp_path: Path) -> None:
    sdist, sha256 = make_sdist(tmp_path)
    with pytest.raises(HashMismatchError):
        read_sdist_upload(sdist, sha256="0" * 64, metadata=METADATA.encode())
    with pytest.raises(UntrustedOutputError, match="another project"):
        read_sdist_upload(sdist, sha256=sha256, metadata=METADATA.replace("Tiny.Thing", "other").encode())
    misnamed, sha256 = make_sdist(tmp_path, "tiny_thing.tar.gz")
    with pytest.raises(UntrustedOutputError, match="not an sdist"):
        read_sdist_upload(misnamed, sha256=sha256, metadata=METADATA.encode())


async def test_sdist_is_proven_by_reading_back(devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path) -> None:
    sdist, sha256 = make_sdist(tmp_path)

    def take(_request: httpx.Request) -> httpx.Response:
        devpi.hold(sdist)
        return httpx.Response(200)

    devpi.upload = iter([take])
    published = await index.publish_sdist(sdist, sha256=sha256, metadata=METADATA.encode())
    assert (published.uploaded, published.sha256, published.filename) == (True, sha256, sdist.name)
    devpi.hold(sdist, content=b"other bytes")
    with pytest.raises(PublishUnprovenError):
        await index.publish_sdist(sdist, sha256=sha256, metadata=METADATA.encode())


def test_wheel_that_is_not_the_promised_one_is_not_uploaded(tmp_path: Path) -> None:
    wheel, _ = make_wheel(tmp_path)
    with pytest.raises(HashMismatchError):
        read_upload(wheel, sha256="0" * 64)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (METADATA.replace("Tiny.Thing", "other"), "another release"),
        (METADATA.replace("1.0-rc1", "2"), "another release"),
        ("Summary: nothing else\n", "another release"),
        ("Name: tiny-thing\nVersion: dev\n", "not a version"),
    ],
)
def test_metadata_of_another_release_is_refused(tmp_path: Path, metadata: str, reason: str) -> None:
    wheel, sha256 = make_wheel(tmp_path, metadata=metadata)
    with pytest.raises(UntrustedOutputError, match=reason):
        read_upload(wheel, sha256=sha256)


def test_damaged_wheel_is_refused(tmp_path: Path) -> None:
    wheel, _ = make_wheel(tmp_path)
    content = wheel.read_bytes()
    for broken in (content[:-30], b"", content.replace(b"Summary: A", b"Summary: B", 1)):
        wheel.write_bytes(broken)
        with pytest.raises(UntrustedOutputError):
            read_upload(wheel, sha256=hashlib.sha256(broken).hexdigest())


def test_file_name_that_is_no_wheels_is_refused(tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path, name="tiny.whl")
    with pytest.raises(UntrustedOutputError):
        read_upload(wheel, sha256=sha256)


async def test_upload_is_proven_by_reading_back(devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path)

    def take(_request: httpx.Request) -> httpx.Response:
        devpi.hold(wheel)
        return httpx.Response(200)

    devpi.upload = iter([take])
    published = await index.publish(wheel, sha256=sha256)
    assert (published.uploaded, published.sha256, published.filename) == (True, sha256, wheel.name)
    assert published.url == f"{INDEX}/+f/x.whl"
    assert b'name="sha256_digest"\r\n\r\n' + sha256.encode() in devpi.posts[0]
    assert wheel.read_bytes() in devpi.posts[0]


async def test_wheel_that_is_there_is_not_uploaded_again(devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path)
    devpi.hold(wheel)
    assert not (await index.publish(wheel, sha256=sha256)).uploaded
    assert devpi.posts == []
    assert await index.sha256_of(read_upload(wheel, sha256=sha256).project, wheel.name) == sha256


async def test_other_bytes_under_the_name_are_a_conflict(devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path)
    devpi.hold(wheel)
    devpi.page[0]["hashes"] = {"sha256": "f" * 64}
    with pytest.raises(IndexConflictError) as caught:
        await index.publish(wheel, sha256=sha256)
    assert (caught.value.held, caught.value.ours) == ("f" * 64, sha256)


@pytest.mark.parametrize("code", [400, 403, 413])
async def test_refusal_is_final(devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path, code: int) -> None:
    wheel, sha256 = make_wheel(tmp_path)
    devpi.upload = iter([status(code)])
    with pytest.raises(IndexRefusedError) as caught:
        await index.publish(wheel, sha256=sha256)
    assert caught.value.status == code
    assert len(devpi.posts) == 1


async def test_upload_that_was_taken_before_the_line_broke_is_found(
    devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path
) -> None:
    wheel, sha256 = make_wheel(tmp_path)

    def take_and_break(request: httpx.Request) -> httpx.Response:
        devpi.hold(wheel)
        raise httpx.ReadError("reset", request=request)

    devpi.upload = iter([take_and_break])
    assert (await index.publish(wheel, sha256=sha256)).uploaded
    assert len(devpi.posts) == 1


async def test_trouble_that_passes_is_sat_out(devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path)

    def take(_request: httpx.Request) -> httpx.Response:
        devpi.hold(wheel)
        return httpx.Response(200)

    devpi.upload = iter([status(503), httpx.ConnectError("refused"), take])
    assert (await index.publish(wheel, sha256=sha256)).uploaded


async def test_trouble_that_lasts_is_index_unavailable(devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path)
    devpi.upload = iter([status(503)] * 3)
    with pytest.raises(IndexUnavailableError, match="503"):
        await index.publish(wheel, sha256=sha256)


async def test_acknowledged_upload_that_is_lost_is_unproven(
    devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path
) -> None:
    wheel, sha256 = make_wheel(tmp_path)
    devpi.upload = iter([status(200)])
    with pytest.raises(PublishUnprovenError, match="does not list"):
        await index.publish(wheel, sha256=sha256)


async def test_bytes_that_differ_from_the_page_are_unproven(
    devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path
) -> None:
    wheel, sha256 = make_wheel(tmp_path)
    devpi.hold(wheel, content=b"other")
    with pytest.raises(PublishUnprovenError, match="bytes"):
        await index.publish(wheel, sha256=sha256)


async def test_metadata_that_differs_is_unproven(devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path)

    def take(_request: httpx.Request) -> httpx.Response:
        devpi.hold(wheel)
        devpi.metadata["requires_dist"] = []
        return httpx.Response(200)

    devpi.upload = iter([take])
    with pytest.raises(PublishUnprovenError, match="requires_dist"):
        await index.publish(wheel, sha256=sha256)


async def test_session_that_has_run_out_is_renewed(devpi: FakeDevpi, index: DevpiIndex, tmp_path: Path) -> None:
    wheel, sha256 = make_wheel(tmp_path)

    def expire(_request: httpx.Request) -> httpx.Response:
        devpi.known_token = "token-2"
        return httpx.Response(401)

    def take(_request: httpx.Request) -> httpx.Response:
        devpi.hold(wheel)
        return httpx.Response(200)

    devpi.upload = iter([status(503), expire, take])
    assert (await index.publish(wheel, sha256=sha256)).uploaded
    first, second, third = devpi.authorizations
    assert first == second != third
