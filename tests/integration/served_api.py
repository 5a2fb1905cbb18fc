"""The REST API as it is assembled for users, on PostgreSQL, behind a real server; devpi and upstream are in memory."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from tests.fakes.index import MemoryIndex
from tests.fakes.sources import MemoryReleaseResolver, MemorySourceIndex

from wheelyard.adapters.host.parser_pool import ParserProcesses
from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.store.database import Database
from wheelyard.assembly import prebuilds
from wheelyard.assembly.backends import Backends
from wheelyard.assembly.index import IndexBackends
from wheelyard.assembly.parts import Parts
from wheelyard.assembly.service import api_services, make_app
from wheelyard.domain.access import Scope
from wheelyard.domain.index.index import Level
from wheelyard.metrics import CacheLookups
from wheelyard.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedApi:
    """Where it is, and what opens it."""

    url: str
    token: str


@contextmanager
def served_api(database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedApi]:
    """Serve the API from a thread of its own: its connections belong to one event loop."""
    resolver = MemoryReleaseResolver()
    resolver.add("pyyaml", "6.0.3")
    # uv would ask upstream for every name that a test makes up.
    monkeypatch.setattr(prebuilds, "UvReleaseResolver", lambda *_: resolver)
    tokens: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(lambda: None, log_level="warning", lifespan="off"))
        serving = _serve(server, listening, database_url, folder, tokens)
        thread = threading.Thread(target=asyncio.run, args=(serving,))
        thread.start()
        try:
            while not server.started and thread.is_alive():
                thread.join(0.05)
            yield ServedApi(url=f"http://127.0.0.1:{listening.getsockname()[1]}", token=tokens[0])
        finally:
            server.should_exit = True
            thread.join()


def make_backends(
    settings: Settings, database: Database, source: MemorySourceIndex, parsers: ParserProcesses, held: MemoryIndex
) -> Backends:
    """Make the backends of an API on a real database, with a source index and an index in memory."""
    return Backends(
        parts=Parts(settings),
        database=database,
        source=source,
        parsers=parsers,
        index=IndexBackends(indexes={Level.PROD: held, Level.STAGING: held}, storage=held),
        lookups=CacheLookups(),
        uv_slots=FairSlots(1),
        index_url="",
    )


async def _serve(
    server: uvicorn.Server, listening: socket.socket, database_url: str, folder: Path, tokens: list[str]
) -> None:
    settings = Settings(state_dir=folder, requests_per_minute=0)
    source, held, stopping = MemorySourceIndex(folder), MemoryIndex(), asyncio.Event()
    source.add("pyyaml-6.0.3.tar.gz", b"sdist")
    stopping.set()  # Followed logs end at once.
    async with Database(database_url, pool_size=4) as database, ParserProcesses() as parsers:
        backends = make_backends(settings, database, source, parsers, held)
        services = await api_services(backends, stopping=stopping, builds_here=False)
        _, secret = await services.tokens.create(name="fuzz", scope=Scope.ADMIN, created_by="tests")
        tokens.append(secret)
        server.config.app = make_app(services)
        await server.serve(sockets=[listening])
