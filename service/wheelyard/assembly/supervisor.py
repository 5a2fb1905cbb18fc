"""The long-running processes: the whole service in one, the API alone, a worker alone. Each stops what it started."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.host.files import write_atomic
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.servers.devpi import EmbeddedDevpi
from wheelyard.api.services import ApiServices
from wheelyard.assembly.access import host_user, tokens_of
from wheelyard.assembly.backends import Backends, open_backends
from wheelyard.assembly.index import devpi_serving
from wheelyard.assembly.listening import holding_port, open_port, serve, url_of
from wheelyard.assembly.parts import Parts, make_parts
from wheelyard.assembly.prebuilds import advance_forever, make_webhooks
from wheelyard.assembly.service import api_services, make_app
from wheelyard.assembly.worker import make_worker
from wheelyard.domain.access import Scope
from wheelyard.errors import SettingsInvalidError, UnauthenticatedError
from wheelyard.logs import configure_logs
from wheelyard.resources import data_path
from wheelyard.settings import Settings
from wheelyard.usecases.tokens import Tokens

_FIRST_TOKEN: Final = "first token"  # noqa: S105 - the name of a token
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def run_up(settings: Settings) -> None:
    """Run everything here until a signal comes."""
    parts = await make_parts(settings)
    async with (
        stop_on_signals(_print) as stop,
        _serving(parts, stop, builds_here=True) as (backends, services, listener),
    ):
        await _ensure_first_token(settings, tokens_of(backends.database))
        worker = make_worker(backends)
        open_port(settings, listener)
        with _announced(settings, listener, backends.index_url):
            async with (
                _running(worker.run()),
                _running(services.upkeep()),
                _running(advance_forever(services.prebuilds.advance, make_webhooks(settings, backends.database))),
            ):
                await _answer(settings, services, listener, stop)


async def run_serve(settings: Settings) -> None:
    """Run the API alone until a signal comes."""
    _require_external(settings)
    parts = await make_parts(settings)
    async with (
        stop_on_signals(_print) as stop,
        _serving(parts, stop, builds_here=False) as (backends, services, listener),
    ):
        webhooks = make_webhooks(settings, backends.database)
        open_port(settings, listener)
        _print(f"API on {url_of(listener)}")
        async with _running(services.upkeep()), _running(advance_forever(services.prebuilds.advance, webhooks)):
            await _answer(settings, services, listener, stop)


async def run_worker(settings: Settings) -> None:
    """Run one worker until a signal comes."""
    _require_external(settings)
    parts = await make_parts(settings)
    async with stop_on_signals(_print) as stop, _holding_state(settings), open_backends(parts, _print) as backends:
        worker = make_worker(backends)
        _print(f"worker {worker.registration.name}")
        async with _running(worker.run()):
            await stop.wait()
            _print(f"draining for at most {settings.drain_seconds:g} s; a second signal requeues builds at once")
            await worker.drain(settings.drain_seconds)


async def run_devpi(settings: Settings, *, host: str, port: int) -> None:
    """Run devpi alone, for the parts on other hosts, until a signal comes."""
    devpi = EmbeddedDevpi(
        settings.state_dir, lock_file=data_path("devpi.lock"), serving=devpi_serving(settings, host, port)
    )
    async with stop_on_signals(_print) as stop, _holding_state(settings), devpi as endpoint:
        _print(f"devpi on {endpoint.url}")
        async with _running(devpi.watch()):
            await stop.wait()


@dataclass(kw_only=True, slots=True)
class Stop:
    """Whether this process was asked to stop."""

    asked: asyncio.Event
    main: "asyncio.Task[object] | None"
    report: Callable[[str], None]
    in_order: bool = False
    """True once something waits for the request to stop: then nothing needs to be cancelled."""

    async def wait(self) -> None:
        """Wait until this process is asked to stop."""
        self.in_order = True
        await self.asked.wait()

    def ask(self) -> None:
        """Ask this process to stop; a second call cancels what still runs."""
        self.report("stopping")
        if self.main is not None and (self.asked.is_set() or not self.in_order):
            self.main.cancel()
        self.asked.set()


@contextlib.asynccontextmanager
async def stop_on_signals(report: Callable[[str], None]) -> AsyncIterator[Stop]:
    """Handle signals while the block runs; a block that a signal has cancelled ends without an error."""
    stop = Stop(asked=asyncio.Event(), main=asyncio.current_task(), report=report)
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.ask)
    try:
        yield stop
    except asyncio.CancelledError:
        if not stop.asked.is_set():
            raise
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _serving(
    parts: Parts, stop: Stop, *, builds_here: bool
) -> AsyncIterator[tuple[Backends, ApiServices, socket.socket]]:
    """Bind the port, then start the API's backends: a port in use is reported before anything starts."""
    settings = parts.settings
    async with _holding_state(settings):
        with holding_port(settings) as listener:
            async with open_backends(parts, _print) as backends:
                services = await api_services(backends, stopping=stop.asked, builds_here=builds_here)
                yield backends, services, listener


@contextlib.asynccontextmanager
async def _holding_state(settings: Settings) -> AsyncIterator[None]:
    """Start the log, and reserve the state directory for this process."""
    configure_logs(log_format=settings.log_format, level=settings.log_level)
    state = StateDir(settings.state_dir)
    await asyncio.to_thread(state.make)
    with FileLock(state.lock):
        yield


async def _ensure_first_token(settings: Settings, tokens: Tokens) -> None:
    """Write a valid token where the command line finds it."""
    file = StateDir(settings.state_dir).token
    if file.exists():
        with contextlib.suppress(UnauthenticatedError):
            await tokens.authenticate(f"Bearer {file.read_text(encoding='ascii').strip()}")
            return
    _, secret = await tokens.create(name=_FIRST_TOKEN, scope=Scope.ADMIN, created_by=host_user())
    write_atomic(file, secret + "\n")


@contextlib.contextmanager
def _announced(settings: Settings, listener: socket.socket, index_url: str) -> Iterator[None]:
    """Announce all addresses, on the terminal and in the state directory, while they are valid."""
    state = StateDir(settings.state_dir)
    url = url_of(listener)
    write_atomic(state.api, json.dumps({"url": url, "index_url": index_url, "pid": os.getpid()}) + "\n")
    _print(f"API    {url}  (documentation: {url}/docs)")
    _print(f"index  {url}/simple/  (devpi, which holds the wheels: {index_url}/+simple/)")
    _print(f"token  in {state.token}")
    try:
        yield
    finally:
        state.api.unlink(missing_ok=True)


async def _answer(settings: Settings, services: ApiServices, listener: socket.socket, stop: Stop) -> None:
    """Answer requests until this process is asked to stop."""
    app = make_app(services)
    freeze_objects()
    await serve(app, settings, listener, stop.wait)


def freeze_objects() -> None:
    """Exclude existing objects from garbage collection, which would block answers for a tenth of a second."""
    gc.collect()
    gc.freeze()


@contextlib.asynccontextmanager
async def _running(work: "asyncio._CoroutineLike[None]") -> AsyncIterator[None]:
    """Run something beside the block; if it fails, so does the block."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        yield
        task.cancel()


def _require_external(settings: Settings) -> None:
    """Refuse to run one part alone on embedded services: they belong to ``wheelyard up``."""
    problems = [
        f"WHEELYARD_{name.upper()} is needed to run this part alone; 'wheelyard up' runs everything in one"
        for name in ("database_url", "index_url")
        if getattr(settings, name) is None
    ]
    if problems:
        raise SettingsInvalidError(problems=problems)


def _print(text: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that is gone, or a full disk, is no reason to stop
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
