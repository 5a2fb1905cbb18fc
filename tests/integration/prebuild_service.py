"""The service as it is assembled for users, with PostgreSQL, devpi and uv, before an upstream index on the loopback.

Builds are stood for: what is queued gets a wheel that the test makes, published as a worker publishes it.
"""

import asyncio
import hashlib
import io
import socket
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from tests.contract.samples import sample_wheel

from wheelyard.adapters.host.parser_pool import ParserProcesses
from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.store.attempts import PostgresAttempts
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.api.services import ApiServices
from wheelyard.assembly.backends import Backends
from wheelyard.assembly.index import IndexBackends, embedded_index, open_index, worker_index
from wheelyard.assembly.parts import Parts, source_index
from wheelyard.assembly.service import api_services, make_app
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Build, Status
from wheelyard.domain.builds.records import BuildFilter, Outcome
from wheelyard.domain.index.index import IndexEndpoint
from wheelyard.metrics import CacheLookups
from wheelyard.settings import Settings


def make_wheel(filename: str, files: Mapping[str, str], *metadata: str) -> bytes:
    """Pack a wheel that any installer takes whose machine its tags fit."""
    name, version, *_ = filename.split("-")
    tag = "-".join(filename.removesuffix(".whl").split("-")[-3:])
    info = f"{name}-{version}.dist-info"
    members = {
        **files,
        f"{info}/METADATA": "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata, ""]),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\nTag: {tag}\n",
    }
    record = "".join(f"{member},,\n" for member in (*members, f"{info}/RECORD"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for member, text in {**members, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(member, (2026, 1, 1, 0, 0, 0)), text)
    return packed.getvalue()


@dataclass(frozen=True, kw_only=True, slots=True)
class PrebuildService:
    """A running service."""

    url: str
    token: str
    services: ApiServices
    database: Database
    backends: IndexBackends
    folder: Path
    make: Callable[[Build], tuple[str, bytes]]
    """What a build makes: a file name and a wheel."""
    built: dict[str, str] = field(default_factory=dict)
    """The sha256 of each wheel that was built, by file name."""

    @property
    def simple_url(self) -> str:
        """Address for ``--index-url``."""
        return f"{self.url}/simple/"

    async def prebuild(self, **body: object) -> dict[str, Any]:
        """Order a prebuild and bring it to its end."""
        view = await self.ask("POST", "/v1/requests", json=body)
        while view["finished_at"] is None:
            await self.services.prebuilds.advance.once()
            for summary in (await self.services.builds.list_builds(BuildFilter(status=Status.QUEUED))).builds:
                await self._finish(await self.services.builds.get(summary.id))
            view = await self.ask("GET", view["url"])
        return view

    async def ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401  (httpx's own)
        """Ask the API."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as http:
            answer = await http.request(method, f"{self.url}{path}", **options)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def _finish(self, build: Build) -> None:
        """Publish a build's wheel as a worker does: on devpi, then the outcome."""
        attempts = PostgresAttempts(self.database, BuildQueue(self.database.conninfo))
        claim = await attempts.claim(build.id, worker="w", lease_seconds=60)
        assert claim is not None
        filename, content = self.make(build)
        path = self.folder / filename
        path.write_bytes(content)
        digest = self.built[filename] = hashlib.sha256(content).hexdigest()
        published = await worker_index(Settings(), self.database, self.backends).publish(path, sha256=digest)
        wheel = replace(
            sample_wheel(),
            filename=filename,
            sha256=digest,
            size_bytes=len(content),
            tag="-".join(filename.removesuffix(".whl").split("-")[-3:]),
            url=published.url,
            index_url=published.index_url,
        )
        assert await attempts.finish(claim, Outcome(status=Status.SUCCEEDED, wheel=wheel, published=published))


@asynccontextmanager
async def open_prebuild_service(  # noqa: PLR0913  (each is a part of its own)
    database_url: str,
    endpoint: IndexEndpoint,
    folder: Path,
    *,
    upstream: str,
    make: Callable[[Build], tuple[str, bytes]],
    git_hosts: tuple[str, ...] = (),
) -> AsyncIterator[PrebuildService]:
    """Serve until the block ends; the index needs no token."""
    settings = Settings(
        state_dir=folder,
        upstream_index_url=upstream,
        requests_per_minute=0,
        anonymous_read=True,
        git_hosts=git_hosts,
    )
    async with (
        Database(database_url, pool_size=4) as database,
        source_index(settings) as source,
        ParserProcesses() as parsers,
        open_index(embedded_index(endpoint)) as index,
    ):
        backends = Backends(
            parts=Parts(settings),
            database=database,
            source=source,
            parsers=parsers,
            index=index,
            lookups=CacheLookups(),
            uv_slots=FairSlots(2),
            index_url="",
        )
        services = await api_services(backends, stopping=asyncio.Event(), builds_here=False)
        _, token = await services.tokens.create(name=folder.name, scope=Scope.ADMIN, created_by="tests")
        config = uvicorn.Config(make_app(services), log_config=None, access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            task = asyncio.create_task(server._serve(sockets=[listener]))
            try:
                yield PrebuildService(
                    url=f"http://127.0.0.1:{listener.getsockname()[1]}",
                    token=token,
                    services=services,
                    database=database,
                    backends=index,
                    folder=folder,
                    make=make,
                )
            finally:
                server.should_exit = True
                await task
