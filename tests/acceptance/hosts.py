"""Hosts of their own on one machine: network namespaces that reach each other through this one. Needs root for that."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """Two hosts, and the address at which both reach what runs here."""

    address: str
    hosts: tuple[tuple[str, ...], tuple[str, ...]]
    """What to put before a command so that it runs on the host."""


@contextmanager
def open_network() -> Iterator[Network]:
    """Make two hosts; for an ordinary user, who may not, both are this one."""
    if os.geteuid() != 0:
        yield Network(address=_LOOPBACK, hosts=((), ()))
        return
    subnet = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
    with contextlib.ExitStack() as stack:
        names = [f"wy{os.getpid()}{letter}" for letter in "ab"]
        for number, name in enumerate(names):
            stack.callback(_ip, "netns", "delete", name)
            _connect(name, here=f"{subnet}.{number * 4 + 1}", there=f"{subnet}.{number * 4 + 2}")
        first, second = (("ip", "netns", "exec", name) for name in names)
        yield Network(address=f"{subnet}.1", hosts=(first, second))


def _connect(name: str, *, here: str, there: str) -> None:
    """Make a host with one cable to this one; the cable goes with the host."""
    _ip("netns", "add", name)
    _ip("link", "add", f"{name}0", "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("address", "add", f"{here}/30", "dev", f"{name}0")
    _ip("link", "set", f"{name}0", "up")
    _ip("-n", name, "address", "add", f"{there}/30", "dev", "eth0")
    for device in ("eth0", "lo"):
        _ip("-n", name, "link", "set", device, "up")
    _ip("-n", name, "route", "add", "default", "via", here)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@asynccontextmanager
async def database_on(address: str, url: str) -> AsyncIterator[str]:
    """Give a TCP address for a database that listens on a Unix socket only, as the embedded one does."""
    socket = Path(parse_qs(urlsplit(url).query)["host"][0]) / ".s.PGSQL.5432"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(str(socket))
        await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))

    async with await asyncio.start_server(serve, address, 0) as server:
        yield f"postgresql://postgres@{address}:{server.sockets[0].getsockname()[1]}/wheelyard"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
