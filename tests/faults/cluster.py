"""A whole service of separate parts on this machine, each with lines that can be cut: two workers, an API, a devpi.

PostgreSQL runs here, kept as ``wheelyard up`` keeps it; the test plays whoever starts the other parts again.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
from psycopg.rows import dict_row
from tests.acceptance.processes import containers, descendants, free_port, is_listening, wait_for
from tests.acceptance.running_service import BUILD_SECONDS, FINAL, START_SECONDS, STOP_SECONDS, Document, Launch
from tests.acceptance.upstream import QUICK, Upstream, open_upstream
from tests.faults.barriers import Barriers
from tests.faults.lines import Line, line_to, to_path, to_port
from tests.faults.private_engine import PrivateEngine

from wheelyard.adapters.servers.keeper import keeping
from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.servers.processes import ChildCommand, spawn
from wheelyard.adapters.store.database import migrate
from wheelyard.assembly.parts import Parts
from wheelyard.assembly.worker import worker_name
from wheelyard.settings import Settings

LEASE_SECONDS: Final = 6.0
BOOKWORM_ALONE: Final = """
schema = 1
[suite.bullseye]
pythons = ["3.11"]
[suite.trixie]
pythons = ["3.11"]
"""
"""A brought wheel for Python 3.13 is proven on one target then, whose images are there."""
# Its image is not there, and no test waits until it is.
RECIPES: Final = {"wantsanimage": 'schema = 1\nname = "wantsanimage"\n\n[[rule]]\napt = ["hello", "figlet"]\n'}
HELD_IN_CONTAINERS: Final = ("build", "repair", "verify")
# Every part calls now() by its plain name, so that one that is looked up before the server's own sets the clock.
_CLOCK: Final = """
create schema test_clock;
create table test_clock.ahead (by interval not null);
insert into test_clock.ahead values ('0');
create function test_clock.now() returns timestamptz language sql stable as
    'select pg_catalog.now() + by from test_clock.ahead';
alter database wheelyard set search_path = public, test_clock, pg_catalog;
"""
_LEFT: Final = """
select (select count(*) from builds where status in ('queued', 'running') or lease_until is not null)
     + (select count(*) from attempts where finished_at is null) as count
"""


@dataclass(kw_only=True)
class Part:
    """One process of the service, which can be ended and begun again where it was."""

    command: tuple[str, ...]
    launch: Launch
    process: "subprocess.Popen[bytes]"

    @property
    def worker(self) -> str:
        """The name that a worker has here."""
        return worker_name(Settings(state_dir=self.launch.state_dir))

    def kill(self) -> None:
        """End it as a power cut does, with all that it has started."""
        marks = descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        for mark in marks:
            mark.send(signal.SIGKILL)

    def kill_alone(self) -> None:
        """End nothing but the part itself."""
        self.process.kill()
        self.process.wait()


@dataclass(kw_only=True)
class Cluster:
    """Everything, and what a test does with it."""

    loop: asyncio.AbstractEventLoop
    postgres: EmbeddedPostgres
    database_dir: Path
    """The state directory of PostgreSQL."""
    upstream: Upstream
    barriers: Barriers
    engine: str
    """The program that talks to the engine of the cluster's workers."""
    engine_server: PrivateEngine | None
    """The cluster's own engine; None without root, when it is the host's."""
    make_state_dir: Callable[[], Path]
    settings: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    http: httpx.Client = field(default_factory=httpx.Client)

    def do(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something in the thread of the event loop, which children must be started from."""
        asyncio.run_coroutine_threadsafe(work, self.loop).result(START_SECONDS)

    @property
    def private_engine(self) -> PrivateEngine:
        """The cluster's own engine, which tests may kill."""
        assert self.engine_server is not None, "these tests need root"
        return self.engine_server

    def start_engine(self) -> None:
        """Start the cluster's own engine, and wait until it answers."""

        async def start() -> None:
            self.private_engine.start()

        self.do(start())
        self.private_engine.until_ready()

    def start(self, name: str, *command: str, state_dir: Path | None = None, **settings: str) -> Part:
        """Start a part."""
        launch = Launch(state_dir=state_dir or self.make_state_dir(), settings={**self.settings, **settings})
        part = Part(command=command, launch=launch, process=self._spawn(command, launch))
        self.parts[name] = part
        return part

    def start_again(self, name: str) -> None:
        """Start a part again that has ended."""
        part = self.parts[name]
        part.process.wait(STOP_SECONDS)
        part.process = self._spawn(part.command, part.launch)

    def _spawn(self, command: tuple[str, ...], launch: Launch) -> "subprocess.Popen[bytes]":
        argv = ("/usr/bin/env", sys.executable, "-m", "wheelyard", *command)
        child = ChildCommand(argv=argv, environment=launch.environment, directory=Path.cwd())
        started: list[subprocess.Popen[bytes]] = []

        async def start() -> None:
            started.append(spawn(child, log=launch.log))

        self.do(start())
        return started[0]

    def submit(self, project: str, act: str = QUICK) -> str:
        """Ask for a wheel of a new project and return the build's id."""
        response = self.http.post("/v1/builds", json={"requirement": self.upstream.add(project, act)})
        return str(response.raise_for_status().json()["id"])

    def build(self, build_id: str) -> Document:
        """Look at a build; while the API is away, at nothing."""
        with contextlib.suppress(httpx.HTTPError):
            document: Document = self.http.get(f"/v1/builds/{build_id}").raise_for_status().json()
            return document
        return {"status": "unknown", "stage": None, "attempts": []}

    def finished(self, build_id: str) -> Document:
        """Wait until a build is over."""
        look = lambda: build if (build := self.build(build_id))["status"] in FINAL else None  # noqa: E731
        return wait_for(f"the end of {build_id}", look, seconds=BUILD_SECONDS)

    def hold(self, stage: str, project: str) -> None:
        """Let no build get beyond the beginning of a stage."""
        if stage == "fetch":
            self.upstream.held.add(project)
        elif stage == "publish":
            self.lines["devpi"].cut()
        elif stage == "uploaded":
            self.lines["devpi"].hold_answers_to(b"POST /wheels/prod")
        else:
            self.barriers.close(stage)

    def until_held(self, build_id: str, stage: str) -> str:
        """Wait until a build is in a stage, and return the name of the worker that has it."""

        def look() -> str | None:
            build = self.build(build_id)
            assert build["status"] not in FINAL, build
            if stage == "uploaded":
                here = self.lines["devpi"].held.is_set()
            else:
                here = build["stage"] == stage and (stage not in HELD_IN_CONTAINERS or bool(self.running(build_id)))
            return str(build["attempts"][-1]["worker"]) if here else None

        worker = wait_for(f"stage {stage} of {build_id}", look, seconds=BUILD_SECONDS)
        return next(name for name in ("first", "second") if self.parts[name].worker == worker)

    @contextmanager
    def full_disk(self, folder: Path) -> Iterator[None]:
        """Let nothing more fit on the disk that a directory is on, which must be a small one of the cluster's own."""
        assert os.path.ismount(folder)
        filler = folder / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        try:
            yield
        finally:
            filler.unlink()

    def release(self) -> None:
        """Let everything go on."""
        self.barriers.open_all()
        self.upstream.held.clear()
        self.lines["devpi"].restore()

    def running(self, build_id: str) -> list[str]:
        """List a build's containers that run."""
        label = f"label=org.wheelyard.build={build_id}"
        listed = subprocess.run(
            [self.engine, "ps", "--quiet", "--no-trunc", "--filter", label], capture_output=True, check=True, text=True
        )
        return listed.stdout.split()

    def containers(self, build_id: str) -> list[str]:
        """List all of a build's containers, ended ones too."""
        return containers(self.engine, f"org.wheelyard.build={build_id}")

    def query(self, statement: str) -> dict[str, Any]:
        """Ask the database for one row."""
        with psycopg.connect(self.postgres.url, row_factory=dict_row, autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
            assert row is not None
            return row

    def put_clock(self, *, hours: float) -> None:
        """Put the database's clock on, or back again with 0."""
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute("update test_clock.ahead set by = make_interval(secs => %s)", (hours * 3600,))

    def until_well(self) -> None:
        """Wait until all parts are there and answer."""
        wait_for("all parts", self._is_well, seconds=START_SECONDS)

    def _is_well(self) -> bool:
        for name, part in self.parts.items():
            assert part.process.poll() is None, f"{name}: {part.launch.log.read_text()[-3000:]}"
        with contextlib.suppress(httpx.HTTPError):
            states = {one["name"]: one["state"] for one in self.http.get("/v1/workers").raise_for_status().json()}
            ready = self.http.get("/readyz").is_success
            return ready and all(states.get(self.parts[name].worker) == "active" for name in ("first", "second"))
        return False

    def assert_nothing_left(self, build_id: str) -> None:
        """Check that no container, no lease, no open attempt and no directory of an attempt is left."""
        wait_for("the end of its containers", lambda: not self.containers(build_id), seconds=30)
        assert self.query(_LEFT)["count"] == 0
        wait_for("the end of its directories", lambda: not self._folders(), seconds=10)

    def _folders(self) -> list[Path]:
        return [path for part in self.parts.values() for path in part.launch.state_dir.glob("attempts/*/*")]

    def assert_on_the_index_once(self, build: Document) -> None:
        """Check that devpi holds one file of the project, with the bytes that the build told, and that we list it."""
        page = f"{self.settings['INDEX_URL']}/wheels/prod/+simple/{build['project']}/"
        accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
        (held,) = httpx.get(page, headers=accept, trust_env=False).raise_for_status().json()["files"]
        content = httpx.get(str(httpx.URL(page).join(held["url"])), trust_env=False).raise_for_status().content
        wheel = build["wheel"]
        assert (held["filename"], hashlib.sha256(content).hexdigest()) == (wheel["filename"], wheel["sha256"])
        (listed,) = self.http.get(f"/simple/{build['project']}/", headers=accept).raise_for_status().json()["files"]
        assert (listed["filename"], listed["hashes"]["sha256"]) == (wheel["filename"], wheel["sha256"])


@asynccontextmanager
async def open_cluster(make_state_dir: Callable[[], Path], engine: PrivateEngine | None) -> AsyncIterator[Cluster]:
    """Open a cluster with all its parts; without an engine of its own, its containers are on the host's."""
    with ExitStack() as stack:
        upstream = stack.enter_context(open_upstream())
        database_dir = make_state_dir()
        postgres = EmbeddedPostgres(database_dir)
        async with postgres as url, keeping("PostgreSQL", postgres):
            await asyncio.to_thread(migrate, url)
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute(_CLOCK.encode())
            cluster = _make(upstream, postgres, database_dir, make_state_dir, engine)
            try:
                await asyncio.to_thread(_open, cluster)
                yield cluster
            finally:
                await asyncio.to_thread(_close, cluster)


def _make(
    upstream: Upstream,
    postgres: EmbeddedPostgres,
    database_dir: Path,
    make_state_dir: Callable[[], Path],
    engine: PrivateEngine | None,
) -> Cluster:
    hosts = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    barriers = Barriers(
        make_state_dir(), engine=Parts(Settings()).engine.program, address=engine.address if engine else hosts
    )
    return Cluster(
        loop=asyncio.get_running_loop(),
        postgres=postgres,
        database_dir=database_dir,
        upstream=upstream,
        barriers=barriers,
        engine=str(barriers.program),
        engine_server=engine,
        make_state_dir=make_state_dir,
    )


def _open(cluster: Cluster) -> None:
    database = to_path(f"{parse_qs(urlsplit(cluster.postgres.url).query)['host'][0]}/.s.PGSQL.5432")
    for name in ("first", "second", "api"):
        cluster.lines[name] = line_to(database)
    port = free_port()
    cluster.lines["devpi"] = line_to(to_port(port))
    cluster.settings = {
        **{name: secrets.token_hex(16) for name in ("INDEX_PASSWORD", "STAGING_PASSWORD")},
        "UPSTREAM_INDEX_URL": cluster.upstream.url,
        "REFRESH_INTERVAL_HOURS": "0",
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "RETRY_SECONDS": "0.5",
        "MAX_ATTEMPTS": "9",
        "REQUESTS_PER_MINUTE": "0",
        "ENGINE": str(cluster.barriers.program),
        "INDEX_URL": f"http://127.0.0.1:{port}",
        "DISK_FLOOR_BYTES": str(16 << 20),
    }
    catalogue = cluster.make_state_dir() / "catalogue.toml"
    catalogue.write_text(BOOKWORM_ALONE)
    catalogue.chmod(0o644)
    cluster.settings["CATALOGUE"] = str(catalogue)
    cluster.start("devpi", "devpi", "--host", "127.0.0.1", "--port", str(port))
    wait_for("devpi", lambda: is_listening(cluster.settings["INDEX_URL"]), seconds=START_SECONDS)
    api_port = free_port()
    recipes = cluster.make_state_dir()
    for project, text in RECIPES.items():
        (recipes / f"{project}.toml").write_text(text)
    api = cluster.start(
        "api", "serve", PORT=str(api_port), DATABASE_URL=_address(cluster, "api"), RECIPES=json.dumps([str(recipes)])
    )
    through = f"http://127.0.0.1:{cluster.lines['devpi'].port}"
    for name in ("first", "second"):
        cluster.start(name, "worker", DATABASE_URL=_address(cluster, name), INDEX_URL=through, DRAIN_SECONDS="60")
    url = f"http://127.0.0.1:{api_port}"
    wait_for("the API", lambda: is_listening(url), seconds=START_SECONDS)
    token = api.launch.cli("token", "create", "tests").stdout.strip()
    cluster.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=60)
    cluster.until_well()


def _address(cluster: Cluster, name: str) -> str:
    return f"postgresql://postgres@127.0.0.1:{cluster.lines[name].port}/wheelyard"


def _close(cluster: Cluster) -> None:
    cluster.release()
    for line in cluster.lines.values():
        line.restore()
    cluster.http.close()
    for name in ("first", "second", "api", "devpi"):
        if (part := cluster.parts.get(name)) is not None:
            part.process.send_signal(signal.SIGCONT)
            part.process.terminate()
            part.process.wait(STOP_SECONDS)
    for line in cluster.lines.values():
        line.close()


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Give what tells the seconds since."""
    begun = time.monotonic()
    yield lambda: time.monotonic() - begun
