"""The API that takes uploads, on PostgreSQL, behind the port that users reach; devpi and upstream are in memory."""

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from tests.fakes.index import MemoryIndex
from tests.fakes.sources import MemorySourceIndex
from tests.integration.served_api import make_backends
from tests.unit.pipeline_harness import make_wheel

from wheelyard.adapters.host.parser_pool import ParserProcesses
from wheelyard.adapters.store.database import Database
from wheelyard.assembly import listening
from wheelyard.assembly.service import api_services, make_app
from wheelyard.domain.access import Scope
from wheelyard.settings import Settings
from wheelyard.usecases.tokens import Tokens

NAME: Final = "demo-1.0-py3-none-any.whl"
POOL_SIZE: Final = 3


def other_wheel(number: int, name: str = NAME) -> bytes:
    """Make a wheel with other bytes under the same name."""
    return make_wheel(name, requires=[f"other{number}"])


@dataclass(kw_only=True)
class UploadService:
    """A running API, and what tests look at behind it."""

    port: int
    tokens: Tokens
    database: Database
    received: Path
    """Where files are while they are received."""
    http: httpx.AsyncClient
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"http://127.0.0.1:{self.port}"

    async def token(self, name: str = "ci") -> str:
        """Return the id of a token that may upload everything; its secret is in ``secrets``."""
        token, self.secrets[name] = await self.tokens.create(name=name, scope=Scope.OPERATE, created_by="tests")
        return token.id

    def headers(self, name: str = "ci") -> dict[str, str]:
        """Return what shows a token."""
        return {"Authorization": f"Bearer {self.secrets[name]}"}

    async def push(
        self, content: bytes | AsyncIterator[bytes], *, name: str = NAME, by: str = "ci", **query: str
    ) -> httpx.Response:
        """Upload a file over REST."""
        query = {"filename": name, "wait": "false", **query}
        return await self.http.post("/v1/files", params=query, content=content, headers=self.headers(by))

    async def send_form(self, content: bytes, *, name: str = NAME, by: str = "ci") -> httpx.Response:
        """Upload a file as twine does."""
        form = {
            ":action": "file_upload",
            "protocol_version": "1",
            "sha256_digest": hashlib.sha256(content).hexdigest(),
        }
        return await self.http.post(
            "/legacy/", data=form, files={"content": (name, content)}, auth=("__token__", self.secrets[by])
        )

    async def connect(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and send something."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        await writer.drain()
        return reader, writer

    async def one(self, statement: str) -> Any:  # noqa: ANN401  whatever a column has
        """Return the only value of a statement."""
        row = await self.database.fetch_one(statement, {})
        assert row is not None
        return next(iter(row.values()))

    async def stored(self) -> tuple[int, int, int]:
        """Return how many files, files with parts, and builds the database has."""
        return (
            await self.one("select count(*) from brought_files"),
            await self.one("select count(distinct file_id) from brought_chunks"),
            await self.one("select count(*) from builds"),
        )

    def open_files(self) -> int:
        """Return how many files are being received: they have no name, but this process has them open."""
        return sum(str(self.received) in link for link in _open_links())


def _open_links() -> list[str]:
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(entry.readlink()))
    return links


@contextlib.asynccontextmanager
async def upload_service(database_url: str, folder: Path, **settings: object) -> AsyncIterator[UploadService]:
    """Run the API on the event loop of the test."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    made = Settings.model_validate(
        {"state_dir": folder, "requests_per_minute": 0, "disk_floor_bytes": 0, "port": 0, **settings}
    )
    source, held = MemorySourceIndex(folder), MemoryIndex()
    stop = asyncio.Event()

    async def wait_for_stop() -> None:
        await stop.wait()

    async with Database(database_url, pool_size=POOL_SIZE) as database, ParserProcesses() as parsers:
        backends = make_backends(made, database, source, parsers, held)
        services = await api_services(backends, stopping=stop, builds_here=False)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(listening.serve(make_app(services), made, listener, wait_for_stop))
            port = listener.getsockname()[1]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http:
                service = UploadService(
                    port=port, tokens=services.tokens, database=database, received=folder / "received", http=http
                )
                await service.token()
                try:
                    yield service
                finally:
                    stop.set()
                    await serving
