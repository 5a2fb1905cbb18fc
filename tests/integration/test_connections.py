"""Connections that take and do not give: half-sent requests, trickled bodies, readers that stop. On real sockets."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from wheelyard.assembly import listening
from wheelyard.assembly.listening import ConnectionLimits, holding_port, open_port, serve
from wheelyard.settings import Settings

SHORT = {"head_seconds": 1.0, "body_seconds": 1.0, "linger_seconds": 0.5, "reading_seconds": 1.5}
"""Times of real connections, made short."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server, and what its application was asked."""

    port: int
    clients: list[tuple[str, str]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        return reader, writer


async def application(scope: Any, receive: Any, send: Any, clients: list[tuple[str, str]]) -> None:  # noqa: ANN401
    """Say how long a body was; ``/large`` and ``/unread`` answer without reading one, ``/held`` waits."""
    clients.append((scope["client"][0], scope["scheme"]))
    size, path = 0, scope["path"]
    while path not in {"/large", "/unread"}:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    if path == "/held":
        await asyncio.sleep(3)
    body = b"x" * (64 << 20) if path == "/large" else str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    for begin in range(0, len(body), 1 << 16):
        more = begin + (1 << 16) < len(body)
        await send({"type": "http.response.body", "body": body[begin : begin + (1 << 16)], "more_body": more})


@asynccontextmanager
async def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **settings: Any) -> AsyncIterator[Served]:  # noqa: ANN401
    chosen = Settings(state_dir=tmp_path, port=0, **{k: v for k, v in settings.items() if k not in SHORT})
    of = ConnectionLimits.of(chosen)
    short = {name: settings.get(name, value) for name, value in SHORT.items()}
    limits = ConnectionLimits(per_address=of.per_address, total=of.total, trusted=of.trusted, idle_seconds=1, **short)
    monkeypatch.setattr(ConnectionLimits, "of", lambda _: limits)
    monkeypatch.setattr(listening, "_SWEEP_SECONDS", 0.1)
    clients: list[tuple[str, str]] = []
    stop = asyncio.Event()

    async def wait_for_stop() -> None:
        await stop.wait()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        if scope["type"] == "http":
            await application(scope, receive, send, clients)

    with holding_port(chosen) as listener:
        open_port(chosen, listener)
        serving = asyncio.create_task(serve(app, chosen, listener, wait_for_stop))
        await asyncio.sleep(0.2)
        try:
            yield Served(port=listener.getsockname()[1], clients=clients)
        finally:
            stop.set()
            await serving


HALVES = [
    b"",
    b"G",
    b"GET / HTTP/1.1\r\nHost: w\r\n",
    b"GET / HTTP/1.1\r\nHost: w\r\nX-Slow: ",
    b"POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 100\r\n\r\nhalf",
    b"POST / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
    b"GET / HTTP/1.1\r\nHost: w\r\n\r\nGET / HTTP/1.1\r\nHo",
    b"GET / HTTP/1.1\r\nHost: w\r\n\r\n\r\n\r\n",
    b"POST /unread HTTP/1.1\r\nHost: w\r\nContent-Length: 100\r\n\r\nhalf",
]


async def ended(reader: asyncio.StreamReader) -> bool:
    """Tell whether a connection ends; what it is sent meanwhile does not matter."""
    with contextlib.suppress(ConnectionError):
        await reader.read()
    return True


async def test_half_sent_requests_end_and_hold_up_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with served(monkeypatch, tmp_path, connections_per_address=0) as server:
        halves = [await server.connect(HALVES[number % len(HALVES)]) for number in range(300)]
        begun = time.monotonic()
        async with httpx.AsyncClient() as client:
            assert (await client.post(server.url, content=b"whole")).text == "5"
        assert time.monotonic() - begun < 1
        async with asyncio.timeout(8):
            assert all(await asyncio.gather(*(ended(reader) for reader, _ in halves)))
        for _, writer in halves:
            writer.close()


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (b"GET / HTTP/1.1\r\nHost: w\r\n\r\n", b"\r\n"),
        (b"POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 1000000\r\n\r\n", b"x"),
        (b"POST /unread HTTP/1.1\r\nHost: w\r\nContent-Length: 1000000\r\n\r\n", b"x"),
        (b"POST / HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
)
async def test_request_that_trickles_ends(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    beginning: bytes,
    drop: bytes,
) -> None:
    async with served(monkeypatch, tmp_path) as server:
        reader, writer = await server.connect(beginning)
        ending = asyncio.create_task(ended(reader))
        async with asyncio.timeout(8):
            while not ending.done():
                writer.write(drop)
                await asyncio.sleep(0.05)
        writer.close()


async def test_large_body_over_a_slow_line_arrives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with served(monkeypatch, tmp_path, body_seconds=0.5) as server:
        reader, writer = await server.connect(b"POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 8388608\r\n\r\n")
        for _ in range(32):
            writer.write(b"x" * (8388608 // 32))
            await writer.drain()
            await asyncio.sleep(0.1)
        assert b"8388608" in await reader.readuntil(b"8388608")
        writer.close()


@pytest.mark.parametrize("endless", [b"GET /" + b"a" * 200_000, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000])
async def test_endless_head_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endless: bytes) -> None:
    async with served(monkeypatch, tmp_path) as server:
        reader, writer = await server.connect(endless)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b'"code": "request-too-large"' in answer
        writer.close()


async def test_reader_that_stops_ends_and_one_that_goes_on_gets_all(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    async with served(monkeypatch, tmp_path) as server:
        request = b"GET /large HTTP/1.1\r\nHost: w\r\n\r\n"
        stopped, stopped_writer = await server.connect(request)
        slow, slow_writer = await server.connect(request)
        await stopped.read(100)
        received = 0
        for _ in range(40):
            received += len(await slow.read(1 << 18))
            await asyncio.sleep(0.1)
        while received < 64 << 20:
            received += len(await slow.read(1 << 20))
        # What the kernels held is still read, and then the connection is over.
        async with asyncio.timeout(5):
            rest = 0
            with contextlib.suppress(ConnectionError):
                while data := await stopped.read(1 << 20):
                    rest += len(data)
        assert rest < 64 << 20
        stopped_writer.close()
        slow_writer.close()


async def test_connections_of_one_address_make_way_for_new_ones(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    async with served(monkeypatch, tmp_path, connections_per_address=8, head_seconds=60) as server:
        silent = [await server.connect(b"GET / HT") for _ in range(30)]
        async with httpx.AsyncClient() as client:
            assert (await client.post(server.url, content=b"whole")).text == "5"
        await asyncio.sleep(0.2)
        assert sum(reader.at_eof() or reader.exception() is not None for reader, _ in silent) >= 22
        for _, writer in silent:
            writer.close()


async def test_connection_beyond_those_that_are_being_answered_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    async with served(monkeypatch, tmp_path, connections_per_address=4) as server:
        held = [await server.connect(b"GET /held HTTP/1.1\r\nHost: w\r\n\r\n") for _ in range(4)]
        await asyncio.sleep(0.2)
        reader, writer = await server.connect()
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 5\r\n" in answer.lower()
        assert b'"code": "too-many-connections"' in answer
        for held_reader, held_writer in held:
            assert (await held_reader.readline()).startswith(b"HTTP/1.1 200")
            held_writer.close()
        writer.close()


@pytest.mark.parametrize(
    ("trusted", "headers", "seen"),
    [
        ((), {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https"}, ("127.0.0.1", "http")),
        ((), {"Forwarded": "for=9.9.9.9;proto=https", "X-Real-IP": "9.9.9.9"}, ("127.0.0.1", "http")),
        (("10.0.0.0/8",), {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https"}, ("127.0.0.1", "http")),
        (("127.0.0.1",), {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https"}, ("9.9.9.9", "https")),
        (("127.0.0.1",), {"X-Forwarded-For": "1.1.1.1, 9.9.9.9"}, ("9.9.9.9", "http")),
        (("127.0.0.0/8", "10.0.0.2"), {"X-Forwarded-For": "1.1.1.1, 9.9.9.9, 10.0.0.2"}, ("9.9.9.9", "http")),
        (("127.0.0.1",), {"Forwarded": "for=9.9.9.9;proto=https", "X-Real-IP": "9.9.9.9"}, ("127.0.0.1", "http")),
        (("127.0.0.1",), {"X-Forwarded-Proto": "javascript"}, ("127.0.0.1", "http")),
    ],
)
async def test_only_named_proxies_say_who_calls(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    trusted: tuple[str, ...],
    headers: dict[str, str],
    seen: tuple[str, str],
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    async with served(monkeypatch, tmp_path, trusted_proxies=trusted) as server, httpx.AsyncClient() as client:
        await client.get(server.url, headers=headers)
        assert server.clients == [seen]


async def test_proxy_holds_connections_for_many(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with served(
        monkeypatch, tmp_path, connections_per_address=2, trusted_proxies=("127.0.0.1",), head_seconds=60
    ) as server:
        waiting = [await server.connect(b"GET / HT") for _ in range(10)]
        await asyncio.sleep(0.2)
        assert not any(reader.at_eof() for reader, _ in waiting)
        for _, writer in waiting:
            writer.close()
