"""Our index as installers meet it: the API on a socket, PostgreSQL and devpi behind; wheels come as from builds."""

import asyncio
import hashlib
import socket
import uuid
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from packaging.utils import canonicalize_name
from tests.contract.samples import sample_order, sample_wheel
from tests.unit.api_harness import access_on, api_harness

from wheelyard.adapters.store.access import PostgresTokens
from wheelyard.adapters.store.attempts import PostgresAttempts
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.api.services import IndexAccess
from wheelyard.assembly.index import IndexBackends, embedded_index, open_index, worker_index
from wheelyard.assembly.service import index_services, make_app
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Claim, Outcome
from wheelyard.domain.index.index import FileSender, IndexEndpoint, Level
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.settings import Settings
from wheelyard.usecases.tokens import Tokens

SECRET = "of-the-clients"


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexService:
    """A running API, and what stands behind it."""

    url: str
    token: str
    database: Database
    backends: IndexBackends
    folder: Path

    @property
    def _attempts(self) -> PostgresAttempts:
        return PostgresAttempts(self.database, BuildQueue(self.database.conninfo))

    async def claimed(self, name: str, version: str = "1.0") -> Claim:
        """Order a build of a release and begin it."""
        order = replace(sample_order(key=uuid.uuid4().hex, project=canonicalize_name(name)), version=version)
        builds = PostgresBuilds(self.database, BuildQueue(self.database.conninfo), max_attempts=3)
        submission = await builds.submit(order, requested_by="tests")
        return await self._claim(submission.build.id)

    async def taken_over(self, claim: Claim) -> Claim:
        """Let a claim's lease run out and another worker take the build."""
        values = {"id": claim.build_id}
        overdue = "update builds set lease_until = now() - interval '1 s' where id = %(id)s returning id"
        assert await self.database.fetch_one(overdue, values)
        return await self._claim(claim.build_id)

    async def _claim(self, build_id: str) -> Claim:
        claim = await self._attempts.claim(build_id, worker="w", lease_seconds=60)
        assert claim is not None
        return claim

    async def publish(
        self,
        name: str,
        version: str = "1.0",
        *,
        level: Level = Level.PROD,
        requires: Sequence[str] = (),
        body: str = "",
    ) -> IndexedWheel:
        """Publish a wheel as a worker does: on devpi, then the outcome of its build."""
        path = make_wheel(self.folder, name=name, version=version, requires=requires, body=body)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        index = worker_index(Settings(publish_level=level), self.database, self.backends)
        published = await index.publish(path, sha256=digest)
        claim = await self.claimed(name, version)
        wheel = replace(
            sample_wheel(),
            filename=path.name,
            sha256=digest,
            size_bytes=path.stat().st_size,
            tag="py3-none-any",
            url=published.url,
            index_url=published.index_url,
            level=level,
        )
        assert await self._attempts.finish(claim, Outcome(status=Status.SUCCEEDED, wheel=wheel, published=published))
        services = index_services(Settings(state_dir=self.folder), self.database, self.backends, targets=())
        return await services.browse.wheel(path.name)


def make_wheel(folder: Path, *, name: str, version: str, requires: Sequence[str] = (), body: str = "") -> Path:
    """Write a pure wheel that any installer takes."""
    path = folder / f"{name}-{version}-1-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: >=3.9\n"
    members = {
        f"{name}.py": f"VERSION = {version!r}\n{body}",
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {text}\n" for text in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: here\nRoot-Is-Purelib: true\nTag: py3-none-any\nBuild: 1\n",
    }
    record = "".join(f"{member},,\n" for member in (*members, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, text in {**members, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(member, (2026, 1, 1, 0, 0, 0)), text)
    return path


@asynccontextmanager
async def open_index_service(
    database_url: str,
    endpoint: IndexEndpoint,
    folder: Path,
    *,
    access: IndexAccess | None = None,
    sender: FileSender = FileSender.API,
) -> AsyncIterator[IndexService]:
    """Serve the index until the block ends."""
    async with Database(database_url) as database, open_index(embedded_index(endpoint)) as backends:
        secret = f"{SECRET}-{id(database)}"
        _, token = await Tokens(store=PostgresTokens(database), new_secret=lambda: secret).create(
            name="clients", scope=Scope.OPERATE, created_by="tests"
        )
        async with api_harness(folder) as harness:
            targets = harness.services.request_build.targets()
            settings = Settings(state_dir=folder, file_sender=sender, disk_floor_bytes=0)
            index = index_services(settings, database, backends, targets=targets)
            tokens = Tokens(store=PostgresTokens(database), new_secret=lambda: SECRET)
            services = replace(
                harness.services,
                tokens=tokens,
                access=access_on(tokens),
                index=replace(index, access=access or IndexAccess()),
            )
            async with _serving(make_app(services)) as url:
                yield IndexService(url=url, token=token, database=database, backends=backends, folder=folder)


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncIterator[str]:
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server._serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
