"""Uploads that meet each other, their token's end and lost connections, on PostgreSQL and behind the real port."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.integration.test_postgres_store import clear
from tests.integration.upload_service import NAME, POOL_SIZE, UploadService, other_wheel, upload_service
from tests.unit.pipeline_harness import make_wheel

from wheelyard.adapters.store.database import Database

WHEEL = make_wheel(NAME)
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


@pytest.mark.parametrize("way", ["rest", "form"])
async def test_upload_whose_token_is_revoked_while_it_is_sent_is_refused(service: UploadService, way: str) -> None:
    token = await service.token("leaked")
    if way == "rest":
        head, body, ends = "/v1/files?filename=" + NAME, WHEEL, b""
    else:
        head, ends = "/legacy/", b"\r\n--x--\r\n"
        body = f'--x\r\nContent-Disposition: form-data; name="content"; filename="{NAME}"\r\n\r\n'.encode() + WHEEL
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


def _shown(service: UploadService, way: str) -> str:
    """Return the header that shows the token, as REST clients or upload tools send it."""
    if way == "rest":
        return service.headers("leaked")["Authorization"]
    return "Basic " + base64.b64encode(f"__token__:{service.secrets['leaked']}".encode()).decode()


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
