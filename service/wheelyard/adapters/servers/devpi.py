"""A devpi server of our own, as a child process on the loopback."""

import asyncio
import contextlib
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from wheelyard.adapters.host.disk import check_free_space
from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.host.files import write_atomic
from wheelyard.adapters.host.process import inherited_environment
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.servers.devpi_files import (
    ensure_environment,
    ensure_passwords,
    ensure_secret,
    find_base_python,
    remembered_port,
    save_passwords,
)
from wheelyard.adapters.servers.devpi_serving import (
    DevpiServing,
    choose_account,
    endpoint_of,
    ensure_indexes,
    give_home,
)
from wheelyard.adapters.servers.postgres_files import find_account, hand_over
from wheelyard.adapters.servers.processes import (
    POLL_SECONDS,
    Account,
    ChildCommand,
    ProcessMark,
    end_child,
    end_leftover,
    last_line,
    make_workshop,
    rotate_log,
    run_child,
    spawn,
)
from wheelyard.domain.index.index import IndexEndpoint
from wheelyard.errors import ServiceStartError

# devpi reports its port nowhere else.
_SERVING: Final = re.compile(r"Serving on http://\S+:([0-9]+)$", re.MULTILINE)
_STOP_STEPS: Final = ((signal.SIGTERM, 15.0),)
_INIT_SECONDS: Final = 120.0
_START_SECONDS: Final = 60.0
_PORT_SECONDS: Final = 3.0
_WATCH_SECONDS: Final = 1.0
_NO_CONFIG: Final = ("--configfile", "/dev/null")  # otherwise it reads the user's or the system's
_CACHE: Final = ("--keyfs-cache-size", "100000")
_INIT_PROGRAM: Final = "import sys; from devpi_server.init import init; sys.exit(init())"


class EmbeddedDevpi:
    """A devpi server that lives as long as this process, with its data in the state directory.

    Start it from the thread that runs the program's event loop until the end.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        lock_file: Path,
        serving: DevpiServing | None = None,
        disk_floor_bytes: int = 256 << 20,
    ) -> None:
        self._state = StateDir(state_dir.resolve())
        self._home = self._state.devpi
        self._log = self._state.log("devpi")
        self._lock_file = lock_file.resolve()
        self._serving = serving or DevpiServing()
        self._disk_floor_bytes = disk_floor_bytes
        self._account: Account | None = None
        self._environment: Mapping[str, str] = {}
        self._python: Path | None = None
        self._port = 0
        self._lock = FileLock(self._state.devpi_lock)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs, else None."""
        return self._child.pid if self._child and self._child.poll() is None else None

    async def __aenter__(self) -> IndexEndpoint:
        return await self.start()

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self) -> IndexEndpoint:
        """Start the server, after installing and initialising it if necessary, and return its endpoint.

        Raise AlreadyRunningError, DiskFullError, or ServiceStartError with the reason and what to do.
        """
        await asyncio.to_thread(self._state.make)
        self._lock.acquire()
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(self.stop)
            known = await asyncio.to_thread(self._prepare)
            await self._end_leftover()
            python = await self._find_python()
            if not self._state.devpi_data.exists():
                await self._initialise(python, known)
            port = await self._start_server(python)
            self._python, self._port = python, port
            endpoint = endpoint_of(self._serving.url(port), {**known, **self._serving.passwords})
            await self._ensure_indexes(endpoint, known)
            undo.pop_all()
        return endpoint

    async def restart(self) -> None:
        """Start the server again after it has ended by itself, on the same port, so that its clients find it."""
        if self._python is None or await self._try_port(self._python, self._port) is None:
            raise self._start_error(last_line(self._log))

    async def stop(self) -> None:
        """Stop the server if it runs. Uploads in progress are cut off: wait for them before."""
        child, self._child = self._child, None
        if child is not None:
            await end_child(child, _STOP_STEPS)
        self._lock.release()

    async def watch(self) -> None:
        """Never return; raise ServiceStartError when the server has ended by itself."""
        while self.pid is not None:  # noqa: ASYNC110 (a process that ends sets no event)
            await asyncio.sleep(_WATCH_SECONDS)
        raise self._start_error(f"it ended: {last_line(self._log)}")

    def _prepare(self) -> Mapping[str, str]:
        check_free_space(self._state.root, self._disk_floor_bytes)
        self._home.mkdir(mode=0o700, exist_ok=True)
        rotate_log(self._log)
        ensure_secret(self._state.devpi_secret)
        return ensure_passwords(self._state.devpi_passwords, self._serving.passwords)

    async def _find_python(self) -> Path:
        """Return the Python that has devpi, and choose the account that can run it."""
        python = self._serving.python
        account = await asyncio.to_thread(find_account)
        if python is None:
            base = await asyncio.to_thread(find_base_python, self._state, account)
            self._environment = base.environment()
            python = await ensure_environment(
                self._state, lock_file=self._lock_file, log=self._log, base=base, account=account
            )
        self._account = await asyncio.to_thread(choose_account, account, python, self._home, self._environment)
        await asyncio.to_thread(give_home, self._home, self._account)
        return python

    async def _end_leftover(self) -> None:
        # We hold the lock, so a server that still runs belonged to a Wheelyard that was killed.
        if mark := ProcessMark.load(self._state.devpi_pid):
            await end_leftover(mark, _STOP_STEPS)

    async def _initialise(self, python: Path, passwords: Mapping[str, str]) -> None:
        # Renamed when it is complete: devpi-init may be interrupted at any point.
        fresh = await asyncio.to_thread(make_workshop, self._home, "data")
        await asyncio.to_thread(hand_over, fresh, self._account)
        # --no-root-pypi: with a mirror, devpi would fetch the list of all existing projects.
        arguments = ("--no-root-pypi", "--serverdir", str(fresh), *_NO_CONFIG, *_CACHE)
        # The password is in the environment, because other users of the host can read a command line.
        command = self._command(python, "-c", _INIT_PROGRAM, *arguments, DEVPISERVER_ROOT_PASSWD=passwords["root"])
        try:
            status = await run_child(command, log=self._log, timeout_seconds=_INIT_SECONDS)
        except TimeoutError:
            status = -signal.SIGKILL
        if status != 0:
            raise self._start_error(f"devpi-init ended with status {status}: {last_line(self._log)}")
        await asyncio.to_thread(fresh.rename, self._state.devpi_data)

    def _command(self, python: Path, *arguments: str, **environment: str) -> ChildCommand:
        return ChildCommand(
            # devpi 6 imports pkg_resources through pyramid, which warns at each start:
            # https://github.com/Pylons/pyramid/issues/3785
            argv=(str(python), "-I", "-W", "ignore::UserWarning", *arguments),
            environment=inherited_environment("DEVPI", **self._environment, **environment),
            directory=self._home,
            account=self._account,
        )

    async def _start_server(self, python: Path) -> int:
        remembered = self._state.devpi_port
        wanted = await self._wanted_port(remembered)
        port = await self._try_port(python, wanted)
        if port is None and wanted and not self._serving.port:
            # Another process took the port between our check and devpi's start.
            port = await self._try_port(python, 0)
        if port is None:
            raise self._start_error(last_line(self._log))
        await asyncio.to_thread(write_atomic, remembered, f"{port}\n")
        return port

    async def _wanted_port(self, remembered: Path) -> int:
        """Return the port that is set, or that of the last start; 0 if there was none or if it is taken for good.

        A server that was just stopped may hold it for a moment longer, until its last thread has ended.
        """
        if self._serving.port:
            return self._serving.port
        loop = asyncio.get_running_loop()
        patience = _PORT_SECONDS if await asyncio.to_thread(remembered.exists) else 0.0
        deadline = loop.time() + patience
        while not (port := await asyncio.to_thread(remembered_port, remembered)):
            if loop.time() >= deadline:
                return 0
            await asyncio.sleep(POLL_SECONDS)
        return port

    async def _try_port(self, python: Path, port: int) -> int | None:
        """Start the server and return its port; None if it ended instead."""
        offset = self._log.stat().st_size if self._log.exists() else 0
        arguments = ("--serverdir", str(self._state.devpi_data), "--secretfile", str(self._state.devpi_secret))
        options = (*arguments, *_NO_CONFIG, *_CACHE, *self._serving.options(port))
        self._child = spawn(self._command(python, "-m", "devpi_server", *options), log=self._log)
        if mark := ProcessMark.of(self._child.pid):
            mark.save(self._state.devpi_pid)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _START_SECONDS
        while self._child.poll() is None:
            if found := await asyncio.to_thread(_serving_port, self._log, offset):
                return found
            if loop.time() > deadline:
                raise self._start_error(f"it did not serve within {_START_SECONDS:.0f} seconds")
            await asyncio.sleep(POLL_SECONDS)
        return None

    async def _ensure_indexes(self, endpoint: IndexEndpoint, known: Mapping[str, str]) -> None:
        passwords = {**known, **self._serving.passwords}
        renewed = {user for user, password in passwords.items() if known[user] != password}
        try:
            # trust_env=False: the proxy of the environment is not for the loopback.
            async with httpx.AsyncClient(base_url=endpoint.url, trust_env=False, timeout=30) as client:
                (await client.get("/+api")).raise_for_status()
                await ensure_indexes(client, passwords, renewed=renewed)
        except httpx.HTTPError as error:
            file = self._state.devpi_passwords
            reason = f"its users and indexes could not be set up ({error}); they belong to {file}"
            raise self._start_error(reason) from error
        if renewed:
            await asyncio.to_thread(save_passwords, self._state.devpi_passwords, passwords)

    def _start_error(self, reason: str) -> ServiceStartError:
        return ServiceStartError(service="devpi", reason=reason.rstrip(".") or "it ended", log=self._log)


def _serving_port(log: Path, offset: int) -> int | None:
    with log.open("rb") as file:
        file.seek(offset)
        match = _SERVING.search(file.read().decode(errors="replace"))
    return int(match[1]) if match else None
