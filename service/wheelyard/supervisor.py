"""The long-running processes: the whole service in one, the API alone, a worker alone. Stops what it started."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn

from wheelyard.adapters.child_process import FileLock
from wheelyard.adapters.database import Database, migrate
from wheelyard.adapters.devpi_index import DevpiIndex
from wheelyard.adapters.embedded_devpi import EmbeddedDevpi
from wheelyard.adapters.embedded_postgres import EmbeddedPostgres
from wheelyard.api.app import create_app
from wheelyard.api.services import ApiServices
from wheelyard.domain.index import Credentials
from wheelyard.errors import ServiceStartError, SettingsInvalidError, UnauthenticatedError
from wheelyard.interfaces import SourceIndex
from wheelyard.logs import configure_logs, get_logger
from wheelyard.resources import data_path
from wheelyard.settings import API_FILE, TOKEN_FILE, Settings
from wheelyard.signals import Stop, stop_on_signals
from wheelyard.usecases.tokens import Tokens
from wheelyard.wiring import api_services, embedded_index, external_index, make_worker, source_index, tokens_of

_FIRST_TOKEN: Final = "first token"  # noqa: S105 - the name of a token
_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Backends:
    """What the API and the worker stand on."""

    database: Database
    source: SourceIndex
    index: DevpiIndex
    index_url: str


async def run_up(settings: Settings) -> None:
    """Run everything here until a signal comes."""
    async with stop_on_signals(_say) as stop, _open_backends(settings) as backends:
        await _ensure_first_token(settings, tokens_of(backends.database))
        services = await api_services(
            settings, database=backends.database, source=backends.source, index=backends.index, stopping=stop.asked
        )
        worker = make_worker(settings, database=backends.database, source=backends.source, index=backends.index)
        with _listening(settings) as listener, _announced(settings, listener, backends.index_url):
            async with _running(worker.run()):
                await _serve(services, listener, stop)


async def run_serve(settings: Settings) -> None:
    """Run the API alone until a signal comes."""
    _require_external(settings)
    async with stop_on_signals(_say) as stop, _open_backends(settings) as backends:
        services = await api_services(
            settings, database=backends.database, source=backends.source, index=backends.index, stopping=stop.asked
        )
        with _listening(settings) as listener:
            _say(f"API on {_url_of(listener)}")
            await _serve(services, listener, stop)


async def run_worker(settings: Settings) -> None:
    """Run one worker until a signal comes."""
    _require_external(settings)
    async with stop_on_signals(_say) as stop, _open_backends(settings) as backends:
        worker = make_worker(settings, database=backends.database, source=backends.source, index=backends.index)
        _say(f"worker {worker.name}")
        async with _running(worker.run()):
            await stop.wait()


@contextlib.asynccontextmanager
async def _open_backends(settings: Settings) -> AsyncIterator[_Backends]:
    """Start what is embedded, connect to the rest, bring the schema up to date."""
    configure_logs(log_format=settings.log_format, level=settings.log_level)
    await asyncio.to_thread(_make_state_dir, settings.state_dir)
    async with contextlib.AsyncExitStack() as stack:
        lock = FileLock(settings.state_dir / "wheelyard.lock")
        lock.acquire()
        stack.callback(lock.release)
        conninfo = await _open_database(settings, stack)
        index_url, credentials = await _open_index(settings, stack)
        await asyncio.to_thread(migrate, conninfo)
        yield _Backends(
            database=await stack.enter_async_context(Database(conninfo)),
            source=await stack.enter_async_context(source_index(settings)),
            index=await stack.enter_async_context(DevpiIndex(index_url, credentials=credentials)),
            index_url=index_url,
        )


def _make_state_dir(path: Path) -> None:
    """Make the state directory; others may pass through it, as the database's own user must, but not list it."""
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o711)


async def _open_database(settings: Settings, stack: contextlib.AsyncExitStack) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    _say("starting PostgreSQL")
    return await stack.enter_async_context(EmbeddedPostgres(settings.state_dir))


async def _open_index(settings: Settings, stack: contextlib.AsyncExitStack) -> tuple[str, Credentials]:
    if settings.index_url is not None:
        return external_index(settings)
    _say("starting devpi")
    devpi = EmbeddedDevpi(settings.state_dir, lock_file=data_path("devpi.lock"))
    return embedded_index(await stack.enter_async_context(devpi))


async def _ensure_first_token(settings: Settings, tokens: Tokens) -> None:
    """Leave a token that works where the command line finds it."""
    file = settings.state_dir / TOKEN_FILE
    if file.exists():
        with contextlib.suppress(UnauthenticatedError):
            await tokens.authenticate(f"Bearer {file.read_text(encoding='ascii').strip()}")
            return
    _, secret = await tokens.create(name=_FIRST_TOKEN)
    _write_private(file, secret + "\n")


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, complete or not at all."""
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    partial.replace(file)


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Hold the API's port; raises ServiceStartError if somebody else has it."""
    try:
        listener = socket.create_server((settings.host, settings.port))
    except OSError as error:
        reason = f"{settings.host}:{settings.port} cannot be had ({error.strerror}); choose another WHEELYARD_PORT"
        raise ServiceStartError(service="The API", reason=reason) from error
    with listener:
        yield listener


def _url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


@contextlib.contextmanager
def _announced(settings: Settings, listener: socket.socket, index_url: str) -> Iterator[None]:
    """Say where everything is, on the terminal and in the state directory, for as long as it is there."""
    file = settings.state_dir / API_FILE
    url = _url_of(listener)
    _write_private(file, json.dumps({"url": url, "index_url": index_url, "pid": os.getpid()}) + "\n")
    _say(f"API    {url}  (documentation: {url}/docs)")
    _say(f"index  {index_url}/+simple/")
    _say(f"token  in {settings.state_dir / TOKEN_FILE}")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


async def _serve(services: ApiServices, listener: socket.socket, stop: Stop) -> None:
    """Answer requests until we are told to stop."""
    config = uvicorn.Config(create_app(services), log_config=None, access_log=False, timeout_graceful_shutdown=5)
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="api")
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    server.should_exit = True
    await serving


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals end the whole process, not only the API."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


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


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
