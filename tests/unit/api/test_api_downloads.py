"""Downloads over HTTP: parts, validators, and what a proxy before the API is told to send."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.unit.api_harness import SECRET, ApiHarness, api_harness, assert_problem
from tests.unit.wheel_harness import WheelHarness

from wheelyard.assembly.service import make_app
from wheelyard.domain.index.index import FileSender
from wheelyard.usecases.tokens import PREFIX

WHEEL = "demo-1.0-1-py3-none-any.whl"
PATH = f"/files/{WHEEL}"
CONTENT = bytes(range(256)) * 2000


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        WheelHarness(state=made.state, prod=made.held).put(WHEEL, CONTENT)
        yield made


async def ask(harness: ApiHarness, **headers: str) -> httpx.Response:
    return await harness.client.get(PATH, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def test_whole_file_is_the_same_from_devpi_and_from_its_copy(harness: ApiHarness) -> None:
    first, second = await ask(harness), await ask(harness)
    harness.held.faults.down = True
    third = await ask(harness)
    head = await harness.client.head(PATH)
    for answer in (first, second, third):
        assert (answer.status_code, answer.content) == (200, CONTENT)
        for name in ("ETag", "Cache-Control", "Accept-Ranges", "Content-Length", "Content-Type"):
            assert answer.headers[name] == head.headers[name], name
    assert "immutable" in head.headers["Cache-Control"]
    assert len(head.headers["ETag"]) == 66, "strong, and the sha256"


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize(
    ("header", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=100-", 100, 511_999), ("bytes=-300000", 212_000, 511_999), ("bytes=5-9", 5, 9)],
)
async def test_one_part(harness: ApiHarness, header: str, first: int, last: int, *, is_new: bool) -> None:
    if not is_new:
        await ask(harness)
    answer = await ask(harness, Range=header)
    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/512000"
    assert answer.headers["Content-Length"] == str(last + 1 - first)


async def test_several_parts(harness: ApiHarness) -> None:
    answer = await ask(harness, Range="bytes=0-9,100000-299999,-5")
    assert answer.status_code == 206
    assert answer.headers["Content-Length"] == str(len(answer.content))
    kind, boundary = answer.headers["Content-Type"].split("; boundary=")
    assert kind == "multipart/byteranges"
    pieces = answer.content.split(f"--{boundary}".encode())
    assert pieces[0].strip() == b""
    assert pieces[-1] == b"--\r\n"
    found = [piece.partition(b"\r\n\r\n") for piece in pieces[1:-1]]
    ranges = [re.search(rb"Content-Range: bytes (\d+)-(\d+)/512000", head) for head, _, _ in found]
    assert [body.removesuffix(b"\r\n") for _, _, body in found] == [
        CONTENT[:10],
        CONTENT[100_000:300_000],
        CONTENT[-5:],
    ]
    assert [(int(one[1]), int(one[2])) for one in ranges if one] == [(0, 9), (100_000, 299_999), (511_995, 511_999)]


async def test_part_that_is_not_there(harness: ApiHarness) -> None:
    answer = await ask(harness, Range="bytes=512000-")
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["Content-Range"] == "bytes */512000"


@pytest.mark.parametrize("header", ["bytes=" + "0-0," * 2000, "bytes=0-,0-", "bytes=x", "lines=1-2"])
async def test_greedy_or_malformed_range_is_ignored(harness: ApiHarness, header: str) -> None:
    answer = await ask(harness, Range=header)
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_part_of_other_content_is_the_whole(harness: ApiHarness) -> None:
    etag = (await ask(harness)).headers["ETag"]
    for other in ('"other"', f"W/{etag}", "Thu, 01 Jan 2026 00:00:00 GMT"):
        assert (await ask(harness, Range="bytes=0-1", If_Range=other)).status_code == 200
    assert (await ask(harness, Range="bytes=0-1", If_Range=etag)).status_code == 206
    assert (await ask(harness, Range="bytes=0-1", If_None_Match=etag)).status_code == 304


async def test_deleted_file_is_gone_though_its_copy_is_there(harness: ApiHarness) -> None:
    await ask(harness)
    await harness.services.index.manage.delete(WHEEL, confirm=WHEEL, by="me")
    assert_problem(await ask(harness), 404, "not-found")
    assert_problem(await ask(harness, Range="bytes=0-1"), 404, "not-found")
    assert (await harness.client.head(PATH)).status_code == 404


async def test_copy_that_was_damaged_in_place_is_found_by_the_check(harness: ApiHarness) -> None:
    await ask(harness)
    index = harness.services.index
    wheel = await index.files.find(WHEEL)
    file = index.copies.find(wheel)
    assert file is not None
    with file:
        await asyncio.to_thread(Path(f"/proc/self/fd/{file.fileno()}").write_bytes, b"?" * len(CONTENT))
    report = (await harness.client.post("/v1/index/check", json={"mend": False})).json()
    (finding,) = [one for one in report["findings"] if one["difference"] == "spoilt-copy"]
    assert (finding["filename"], finding["project"], finding["mended"]) == (WHEEL, "demo", True)
    assert (await ask(harness)).content == CONTENT


@asynccontextmanager
async def before_proxy(harness: ApiHarness, sender: FileSender) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(replace(harness.services, index=replace(harness.services.index, sender=sender)))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {PREFIX}{SECRET}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://wheelyard", headers=headers) as client:
        yield client


@pytest.mark.parametrize(
    ("sender", "header", "start"),
    [(FileSender.NGINX, "X-Accel-Redirect", "/wheelyard-copies/"), (FileSender.CADDY, "X-Sendfile", "")],
)
async def test_proxy_is_told_the_copy_once_there_is_one(
    harness: ApiHarness, sender: FileSender, header: str, start: str
) -> None:
    async with before_proxy(harness, sender) as client:
        first = await client.get(PATH)
        assert (first.content, header in first.headers) == (CONTENT, False)
        etag = first.headers["ETag"]
        sha256 = etag.strip('"')
        told = await client.get(PATH, headers={"Range": "bytes=0-1"})
        assert (told.status_code, told.content) == (200, b"")
        assert told.headers[header] == f"{start}{sha256[:2]}/{sha256[2:]}/{WHEEL}"
        assert (told.headers["ETag"], "immutable" in told.headers["Cache-Control"]) == (etag, True)
        past = await client.get(PATH, headers={"X-Wheelyard-Send": "bytes"})
        assert (past.content, header in past.headers) == (CONTENT, False)
        for answer in (await client.head(PATH), await client.get(PATH, headers={"If-None-Match": etag})):
            assert header not in answer.headers
        await harness.services.index.manage.delete(WHEEL, confirm=WHEEL, by="me")
        gone = await client.get(PATH)
        assert (gone.status_code, header in gone.headers) == (404, False)
