"""A PostgreSQL server of our own, as a child process on a Unix socket."""

import asyncio
import contextlib
import signal
import subprocess
from pathlib import Path
from typing import Final

import psycopg

from wheelyard.adapters.host.disk import check_free_space
from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.host.process import inherited_environment
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.servers.postgres_files import (
    DATABASE,
    SUPERUSER,
    check_reachable,
    database_url,
    find_account,
    find_binaries,
    find_server,
    hand_over,
    make_private_directory,
    remove_socket_directory,
    socket_directory,
)
from wheelyard.adapters.servers.processes import (
    POLL_SECONDS,
    Account,
    ChildCommand,
    end_child,
    end_leftover,
    last_line,
    make_workshop,
    rotate_log,
    run_child,
    spawn,
)
from wheelyard.errors import ServiceStartError

MAJOR: Final = "18"
"""The major version of this Wheelyard's data directories."""

_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "jit": "off",
    # Parallel queries need more of /dev/shm than containers get, and no query here is large:
    # https://github.com/docker-library/postgres/issues/416
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# SIGINT is a fast shutdown, SIGQUIT an immediate one with recovery at the next start:
# https://postgresql.org/docs/16/server-shutdown.html
_STOP_STEPS: Final = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))
_INITDB_SECONDS: Final = 180.0
_RECOVERY_SECONDS: Final = 300.0


class EmbeddedPostgres:
    """A PostgreSQL server that lives as long as this process, with its data in the state directory.

    As root it runs as the system user ``wheelyard``, which is created if necessary. Start it from the thread that runs
    the program's event loop until the end.
    """

    def __init__(
        self, state_dir: Path, *, disk_floor_bytes: int = 256 << 20, start_timeout_seconds: float = 30.0
    ) -> None:
        self._state = StateDir(state_dir.resolve())
        self._data_dir = self._state.postgres
        self._log = self._state.log("postgres")
        self._lock = FileLock(self._state.postgres_lock)
        self._disk_floor_bytes = disk_floor_bytes
        self._start_timeout_seconds = start_timeout_seconds
        self._account: Account | None = None
        self._binaries = Path()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The database's address for libpq; the same at every start."""
        return database_url(self._data_dir)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs, else None."""
        return self._child.pid if self._child and self._child.poll() is None else None

    async def __aenter__(self) -> str:
        return await self.start()

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self) -> str:
        """Start the server, after creating the data directory and the database if necessary, and return the address.

        Raise AlreadyRunningError, DiskFullError, or ServiceStartError with the reason and what to do.
        """
        await asyncio.to_thread(self._state.make)
        self._lock.acquire()
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(self.stop)
            await asyncio.to_thread(self._prepare)
            await self._end_leftover()
            if not self._data_dir.exists():
                await self._initialise()
            await asyncio.to_thread(self._check_version)
            await asyncio.to_thread(make_private_directory, socket_directory(self._data_dir), self._account)
            await self._start_server()
            await self._create_database()
            undo.pop_all()
        return self.url

    async def restart(self) -> None:
        """Start the server again after it has ended by itself, at the same address."""
        await self._start_server()

    async def stop(self) -> None:
        """Stop the server in order; do nothing if there is none."""
        child, self._child = self._child, None
        if child is not None:
            await end_child(child, _STOP_STEPS)
            await asyncio.to_thread(remove_socket_directory, self._data_dir)
        self._lock.release()

    def _prepare(self) -> None:
        check_free_space(self._state.root, self._disk_floor_bytes)
        self._account = find_account()
        check_reachable(self._state.root, self._account)
        self._binaries = find_binaries(self._state, self._account)
        rotate_log(self._log)

    async def _end_leftover(self) -> None:
        # We hold the lock, so a server that still runs on our directory belonged to a Wheelyard that was killed.
        if mark := await asyncio.to_thread(find_server, self._data_dir):
            await end_leftover(mark, _STOP_STEPS)

    async def _initialise(self) -> None:
        # Renamed when it is complete: initdb may be interrupted at any point.
        fresh = await asyncio.to_thread(make_workshop, self._state.root, self._data_dir.name)
        await asyncio.to_thread(hand_over, fresh, self._account)
        # The built-in locale does not change with the system's C library. The sort order of an index must never change.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command = self._command("initdb", "-D", str(fresh), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", *locale)
        try:
            status = await run_child(command, log=self._log, timeout_seconds=_INITDB_SECONDS)
        except TimeoutError:
            status = -signal.SIGKILL
        if status != 0:
            raise self._start_error(f"initdb ended with status {status}: {last_line(self._log)}")
        await asyncio.to_thread(fresh.rename, self._data_dir)

    def _check_version(self) -> None:
        path = self._data_dir / "PG_VERSION"
        found = path.read_text().strip() if path.exists() else "no PG_VERSION file"
        if found != MAJOR:
            raise self._start_error(
                f"{self._data_dir} belongs to another major version ({found}, this is {MAJOR}); dump it with the "
                "Wheelyard that made it, or move it away to start empty"
            )

    def _command(self, program: str, *arguments: str) -> ChildCommand:
        return ChildCommand(
            argv=(str(self._binaries / program), *arguments),
            environment=inherited_environment("PG", LC_ALL="C"),
            directory=Path("/"),
            account=self._account,
            death_signal=signal.SIGINT,
        )

    def _server_command(self) -> ChildCommand:
        quoted = str(socket_directory(self._data_dir)).replace('"', '""')
        settings = _SETTINGS | {"unix_socket_directories": f'"{quoted}"'}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return self._command("postgres", "-D", str(self._data_dir), *options)

    async def _start_server(self) -> None:
        # Try for a while: processes of a killed server hold its shared memory until they notice that it is gone.
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._start_timeout_seconds
        while True:
            self._child = spawn(self._server_command(), log=self._log)
            if await self._is_ready():
                return
            if loop.time() > deadline:
                raise self._start_error(last_line(self._log) or f"it ended with status {self._child.returncode}")
            await asyncio.sleep(0.5)

    async def _is_ready(self) -> bool:
        loop = asyncio.get_running_loop()
        # A crashed server replays its log before it accepts connections.
        deadline = loop.time() + _RECOVERY_SECONDS
        while self._child is not None and self._child.poll() is None:
            try:
                connection = await psycopg.AsyncConnection.connect(self._maintenance_url, connect_timeout=5)
            except psycopg.OperationalError as error:
                if loop.time() > deadline:
                    raise self._start_error(f"it accepted no connection for {_RECOVERY_SECONDS:.0f} seconds") from error
                await asyncio.sleep(POLL_SECONDS)
            else:
                await connection.close()
                return True
        return False

    @property
    def _maintenance_url(self) -> str:
        return database_url(self._data_dir, database="postgres")

    async def _create_database(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._maintenance_url, autocommit=True) as connection:
            cursor = await connection.execute("select from pg_database where datname = %s", (DATABASE,))
            if cursor.rowcount == 0:
                await connection.execute(f"create database {DATABASE}")

    def _start_error(self, reason: str) -> ServiceStartError:
        return ServiceStartError(service="PostgreSQL", reason=reason.rstrip("."), log=self._log)
