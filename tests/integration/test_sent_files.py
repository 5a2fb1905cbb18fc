"""Parts of files that the server sends from the kernel's memory, on real sockets: complete, or a closed connection."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from wheelyard.assembly import listening
from wheelyard.assembly.listening import ConnectionLimits, holding_port, open_port, serve
from wheelyard.settings import Settings

SIZE = 24 << 20
ASK = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
LIMITS = ConnectionLimits(reading_seconds=1.0, idle_seconds=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "large"
    file.write_bytes(os.urandom(1 << 20) * (SIZE >> 20))
    return file


@asynccontextmanager
async def served(path: Path, monkeypatch: pytest.MonkeyPatch, limits: ConnectionLimits = LIMITS) -> AsyncIterator[int]:
    """Serve the file, at /part a part of it between other bytes; yield the port."""
    monkeypatch.setattr(ConnectionLimits, "of", lambda _: limits)
    monkeypatch.setattr(listening, "_SWEEP_SECONDS", 0.1)
    settings, stop = Settings(state_dir=path.parent, port=0), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        del receive
        if scope["type"] != "http":
            return
        with path.open("rb", buffering=0) as file:
            body = SIZE if scope["path"] == "/whole" else 100_010
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % body)]})
            if scope["path"] == "/whole":
                part = {"file": file, "offset": 0, "count": SIZE, "more_body": False}
                await send({"type": "http.response.zerocopysend", **part})
                return
            await send({"type": "http.response.body", "body": b"begin", "more_body": True})
            part = {"file": file, "offset": 5, "count": 100_000, "more_body": True}
            await send({"type": "http.response.zerocopysend", **part})
            await send({"type": "http.response.body", "body": b"ended", "more_body": False})

    async def wait_for_stop() -> None:
        await stop.wait()

    with holding_port(settings) as listener:
        open_port(settings, listener)
        serving = asyncio.create_task(serve(app, settings, listener, wait_for_stop))
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            await asyncio.wait_for(serving, 20)


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def test_file_and_part_arrive_on_one_connection_also_when_asked_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = await asyncio.to_thread(path.read_bytes)
    async with served(path, monkeypatch) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASK % b"whole" + ASK % b"part" + ASK % b"whole")
        assert await answer(reader) == content
        assert await answer(reader) == b"begin" + content[5:100_005] + b"ended"
        assert await answer(reader) == content
        writer.write(ASK % b"part")
        assert (await answer(reader)).endswith(b"ended")
        writer.close()


async def test_reader_that_stops_is_cut_off_and_others_are_served(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(path, monkeypatch) as port:
        slow = [await asyncio.open_connection("127.0.0.1", port, limit=1 << 10) for _ in range(20)]
        for _, writer in slow:
            writer.write(ASK % b"whole")
        await asyncio.sleep(4)
        for reader, writer in slow:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await answer(reader)
            writer.close()
        # The numbers of the closed sockets are used again.
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ASK % b"whole")
            assert len(await asyncio.wait_for(answer(reader), 20)) == SIZE
            writer.close()


async def test_reader_that_leaves_holds_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(path, monkeypatch) as port:
        before = open_files()
        for _ in range(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 10)
            writer.write(ASK % b"whole")
            await reader.readexactly(1000)
            writer.transport.abort()
        for _ in range(50):
            if open_files() <= before:
                break
            await asyncio.sleep(0.1)
        assert open_files() <= before


async def test_reader_that_owes_a_body_and_stops_holds_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = ConnectionLimits(reading_seconds=60.0, body_seconds=0.5, bytes_per_second=1 << 20)
    async with served(path, monkeypatch, limits) as port:
        before = open_files()
        slow = [await asyncio.open_connection("127.0.0.1", port, limit=1 << 10) for _ in range(5)]
        for reader, writer in slow:
            writer.write(b"GET /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
            await reader.readexactly(1000)
        await asyncio.sleep(2)
        for _, writer in slow:
            writer.transport.abort()
        for _ in range(20):
            if open_files() <= before:
                break
            await asyncio.sleep(0.1)
        assert open_files() <= before


async def test_file_that_is_cut_ends_the_connection(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(path, monkeypatch) as port:
        os.truncate(path, SIZE // 2)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASK % b"whole")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await asyncio.wait_for(answer(reader), 10)
        writer.close()


async def test_stop_does_not_wait_for_a_slow_reader(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_STOP_SECONDS", 1)
    async with served(path, monkeypatch) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 10)
        writer.write(ASK % b"whole")
        await reader.readexactly(1000)
    writer.close()
