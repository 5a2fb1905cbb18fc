"""Uploads that meet each other, their token's end and lost connections, on PostgreSQL and behind the real port."""

import asyncio
import base64
import contextlib
import socket
import struct
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.integration.test_postgres_store import clear
from tests.integration.upload_service import NAME, POOL_SIZE, UploadService, other_wheel, upload_service
from tests.unit.api.test_api_local import packed
from tests.unit.pipeline_harness import make_wheel

from wheelyard.adapters.store.database import Database

WHEEL = make_wheel(NAME)
FOLDER = packed({"pyproject.toml": b'[project]\nname = "demo"\nversion = "1.0"\n'})
AT_ONCE = 8


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[UploadService]:
    async with Database(database_url, pool_size=2) as database:
        await clear(database)
        async with upload_service(database_url, tmp_path, upload_wait_seconds=0.2) as opened:
            yield opened
        await clear(database)


async def until(service: UploadService, open_files: int) -> None:
    async with asyncio.timeout(10):
        while service.open_files() != open_files:  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(0.02)


async def test_of_other_bytes_at_once_one_wins_and_the_parts_of_the_others_are_gone(service: UploadService) -> None:
    wheels = [other_wheel(number) for number in range(AT_ONCE)]
    answers = await asyncio.gather(*(service.push(wheel) for wheel in wheels))
    assert Counter(one.status_code for one in answers) == {202: 1, 409: AT_ONCE - 1}
    assert {one.json()["code"] for one in answers if one.is_error} == {"upload-conflict"}
    assert await service.stored() == (1, 1, 1)
    won = next(number for number, one in enumerate(answers) if one.is_success)
    held = await service.one("select string_agg(data, null order by number) from brought_chunks")
    assert bytes(held) == wheels[won]
    assert service.open_files() == 0


async def test_same_bytes_at_once_are_one_build_and_all_succeed(service: UploadService) -> None:
    answers = await asyncio.gather(
        *(service.push(WHEEL) for _ in range(AT_ONCE)), *(service.send_form(WHEEL) for _ in range(AT_ONCE))
    )
    assert Counter(one.status_code for one in answers) == {202: 2 * AT_ONCE}
    assert len({one.json()["build_id"] for one in answers[:AT_ONCE]}) == 1
    assert await service.stored() == (1, 1, 1)


@pytest.mark.parametrize("way", ["rest", "form", "local"])
async def test_upload_whose_token_is_revoked_while_it_is_sent_is_refused(service: UploadService, way: str) -> None:
    token = await service.token("leaked")
    head, body, ends = _request(way)
    request = (
        f"POST {head} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body + ends)}\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nAuthorization: {_shown(service, way)}\r\n\r\n"
    ).encode()
    reader, writer = await service.connect(request + body[:-10])
    await asyncio.sleep(0.3)
    await service.tokens.revoke(token, revoked_by="tests")
    writer.write(body[-10:] + ends)
    answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 401 "), answer
    assert "revoked" in answer
    assert await service.stored() == (0, 0, 0)
    assert (await service.push(WHEEL)).status_code == httpx.codes.ACCEPTED


def _request(way: str) -> tuple[str, bytes, bytes]:
    """Return the path of a way to upload, and the body in two parts."""
    if way == "form":
        part = f'--x\r\nContent-Disposition: form-data; name="content"; filename="{NAME}"\r\n\r\n'
        return "/legacy/", part.encode() + WHEEL, b"\r\n--x--\r\n"
    if way == "local":
        return "/v1/builds/local?kind=folder&name=billing", FOLDER, b""
    return "/v1/files?filename=" + NAME, WHEEL, b""


@pytest.mark.parametrize("ending", ["closed", "reset"])
@pytest.mark.parametrize("way", ["rest", "form", "local"])
async def test_upload_that_is_cut_off_leaves_nothing_behind_and_can_be_sent_again(
    service: UploadService, way: str, ending: str
) -> None:
    head, body, ends = _request(way)
    request = (
        f"POST {head} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body + ends)}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nAuthorization: {_shown(service, way, 'ci')}\r\n"
    )
    _, writer = await service.connect(f"{request}\r\n".encode() + body[:-10])
    await asyncio.sleep(0.3)
    if ending == "reset":
        no_linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
    writer.close()
    await until(service, open_files=0)
    assert await service.stored() == (0, 0, 0)
    answer = await _raw(service, f"{request}Connection: close\r\n\r\n".encode() + body + ends)
    assert answer.startswith(("HTTP/1.1 200 ", "HTTP/1.1 202 ")), answer
    assert (await service.stored())[1:] == (1, 1)


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_refusal_in_the_middle_of_a_large_upload_reaches_its_sender(
    database_url: str, tmp_path: Path, connection: str
) -> None:
    async with upload_service(database_url, tmp_path / "small", limit_upload_bytes=1 << 20) as small:
        request = urllib.request.Request(  # noqa: S310  it is the test's own service
            f"{small.url}/v1/files?filename={NAME}",
            data=b"x" * (64 << 20),
            headers={**small.headers(), "Content-Type": "application/octet-stream"},
        )
        if connection == "close":  # urllib sends it by itself
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with pytest.raises(urllib.error.HTTPError) as caught:
                await asyncio.to_thread(opener.open, request, timeout=30)
            status, text = caught.value.code, caught.value.read().decode()
        else:
            answer = await small.push(request.data)  # type: ignore[arg-type]
            status, text = answer.status_code, answer.text
        assert (status, "upload-too-large" in text or "too-large" in text) == (413, True), text


def _shown(service: UploadService, way: str, name: str = "leaked") -> str:
    """Return the header that shows the token, as REST clients or upload tools send it."""
    if way != "form":
        return service.headers(name)["Authorization"]
    return "Basic " + base64.b64encode(f"__token__:{service.secrets[name]}".encode()).decode()


async def test_uploads_that_stop_in_the_middle_hold_no_connection_of_the_database(service: UploadService) -> None:
    head = f"POST /v1/files?filename={NAME} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999\r\n"
    head += f"Authorization: {service.headers()['Authorization']}\r\n\r\n"
    stopped = [await service.connect(head.encode() + b"x" * 2_000_000) for _ in range(4 * POOL_SIZE)]
    await until(service, open_files=len(stopped))
    assert (await service.push(WHEEL)).status_code == httpx.codes.ACCEPTED
    for _, writer in stopped:
        writer.close()
    await until(service, open_files=0)
    assert await service.stored() == (1, 1, 1)


async def test_answers_that_wait_for_a_test_hold_no_connection_of_the_database(
    service: UploadService, database_url: str, tmp_path: Path
) -> None:
    names = [f"demo-1.{number}-py3-none-any.whl" for number in range(4 * POOL_SIZE)]
    async with upload_service(database_url, tmp_path / "waiting", upload_wait_seconds=60) as other:
        waiting = [
            asyncio.create_task(other.push(make_wheel(name, version=name.split("-")[1]), name=name, wait="true"))
            for name in names
        ]
        async with asyncio.timeout(30):
            while (await service.stored())[0] < len(names):  # noqa: ASYNC110  (nothing tells of it)
                await asyncio.sleep(0.1)
        assert not any(one.done() for one in waiting)
        assert (await other.push(WHEEL)).status_code == httpx.codes.ACCEPTED
    answers = await asyncio.gather(*waiting)
    assert {one.status_code for one in answers} == {httpx.codes.ACCEPTED}


async def _raw(service: UploadService, data: bytes) -> str:
    """Send bytes as they are, and return everything that comes until the connection ends."""
    reader, writer = await service.connect(data)
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    return answer.decode()


def _form_head(service: UploadService, *lines: str) -> bytes:
    basic = base64.b64encode(f"__token__:{service.secrets['ci']}".encode()).decode()
    head = ["POST /legacy/ HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Basic {basic}", *lines]
    return "\r\n".join([*head, "Content-Type: multipart/form-data; boundary=x", "", ""]).encode()


async def test_token_that_floods_is_told_to_wait_and_others_go_on(
    service: UploadService, database_url: str, tmp_path: Path
) -> None:
    async with upload_service(database_url, tmp_path / "limited", uploads_per_minute=3, upload_wait_seconds=0) as few:
        await few.token("other")
        assert [(await few.push(WHEEL)).status_code for _ in range(3)] == [202] * 3
        answer = await few.push(WHEEL)
        assert (answer.status_code, answer.json()["code"]) == (429, "too-many-requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 20
        text = await _raw(few, _form_head(few, "Connection: close", f"Content-Length: {len(WHEEL)}") + WHEEL)
        # Upload tools show nothing but the status line.
        assert text.startswith("HTTP/1.1 429 Too many uploads with this token: the limit is 3 per minute. "), text
        assert "retry-after: " in text.lower()
        assert (await few.push(WHEEL, by="other")).status_code == httpx.codes.ACCEPTED
    assert await service.stored() == (1, 1, 1)


@pytest.mark.usefixtures("service")
async def test_bytes_of_a_token_are_limited_while_they_come(database_url: str, tmp_path: Path) -> None:
    async with upload_service(database_url, tmp_path / "limited", upload_bytes_per_minute=4 << 20) as few:
        async with httpx.AsyncClient(base_url=few.url, trust_env=False, timeout=30) as http:
            query = {"filename": NAME, "wait": "false"}
            answer = await http.post("/v1/files", params=query, content=bytes(12 << 20), headers=few.headers())
        assert (answer.status_code, answer.json()["code"]) == (429, "too-many-requests")
        assert "MiB uploaded with this token: the limit is 4 per minute" in answer.text
        assert (await few.push(WHEEL)).status_code == httpx.codes.TOO_MANY_REQUESTS
        await few.token("other")
        assert (await few.push(WHEEL, by="other")).status_code == httpx.codes.ACCEPTED
        await until(few, open_files=0)


@pytest.mark.usefixtures("service")
async def test_uploads_that_are_received_at_the_same_time_are_limited(database_url: str, tmp_path: Path) -> None:
    async with upload_service(database_url, tmp_path / "limited", concurrent_uploads=2) as few:
        head = f"POST /v1/files?filename={NAME} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999\r\n"
        head += f"Authorization: {few.headers()['Authorization']}\r\n\r\n"
        stopped = [await few.connect(head.encode() + b"x" * 2_000_000) for _ in range(2)]
        await until(few, open_files=2)
        answer = await few.push(WHEEL)
        assert (answer.status_code, answer.json()["code"]) == (429, "too-much-open")
        assert "All callers together may have at most 2 uploads at the same time" in answer.text
        assert (answer.headers["Retry-After"], answer.json()["context"]["setting"]) == (
            "5",
            "WHEELYARD_CONCURRENT_UPLOADS",
        )
        for _, writer in stopped:
            writer.close()
        await until(few, open_files=0)
        assert (await few.push(WHEEL)).status_code == httpx.codes.ACCEPTED


async def _trickle(service: UploadService, head: bytes, drop: bytes) -> str:
    reader, writer = await service.connect(head)

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.2)

    sending = asyncio.create_task(send())
    async with asyncio.timeout(30):
        answer = await reader.read()
    sending.cancel()
    writer.close()
    return answer.decode()


async def test_senders_that_trickle_or_stop_are_cut_off_and_hold_nothing(
    service: UploadService, database_url: str, tmp_path: Path
) -> None:
    async with upload_service(database_url, tmp_path / "limited", upload_receive_seconds=1) as few:
        part = b'--x\r\nContent-Disposition: form-data; name="content"; filename="' + NAME.encode() + b'"\r\n\r\n'
        sized = _form_head(few, "Content-Length: 9999999") + part
        chunked = _form_head(few, "Transfer-Encoding: chunked") + f"{len(part):x}\r\n".encode() + part + b"\r\n"
        stops = sized + b"x" * 2_000_000
        begun = asyncio.get_running_loop().time()
        answers = await asyncio.gather(
            *(_trickle(few, sized, b"x") for _ in range(10)),
            *(_trickle(few, chunked, b"1\r\nx\r\n") for _ in range(10)),
            *(_raw(few, stops) for _ in range(10)),
        )
        assert asyncio.get_running_loop().time() - begun < 20
        assert all(answer.startswith("HTTP/1.1 400 ") for answer in answers)
        assert all("it has not arrived within 1 s" in answer for answer in answers), answers[0]
        assert few.open_files() == 0
        assert (await few.push(WHEEL)).status_code == httpx.codes.ACCEPTED
    assert await service.stored() == (1, 1, 1)


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (["Content-Length: 10"], WHEEL),
        (["Content-Length: 99999999999999"], WHEEL),
        (["Content-Length: -1"], WHEEL),
        (["Content-Length: 10", "Content-Length: 20"], WHEEL),
        (["Content-Length: 10", "Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"ffffffffffffffff\r\n"),
        (["Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    ],
    ids=["less", "more", "negative", "twice", "both", "endless chunk", "empty"],
)
async def test_request_that_lies_about_its_length_is_refused(
    service: UploadService, lines: list[str], body: bytes
) -> None:
    answer = await _raw(service, _form_head(service, "Connection: close", *lines) + body)
    # One that announces more than it sends is cut off.
    assert not answer or answer.startswith(("HTTP/1.1 400 ", "HTTP/1.1 413 ")), answer[:300]
    assert await service.stored() == (0, 0, 0)
    assert (await service.push(WHEEL)).status_code == httpx.codes.ACCEPTED
