"""The long-running processes: the whole service in one, the API alone, a worker alone. Stops what it started."""

import asyncio
import contextlib
import gc
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.adapters.host.parser_pool import ParserProcesses
from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.servers.devpi import EmbeddedDevpi
from wheelyard.adapters.servers.keeper import keeping
from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.servers.processes import FileLock
from wheelyard.adapters.store.database import Database, migrate
from wheelyard.api.services import ApiServices
from wheelyard.assembly.access import database_address, host_user, tokens_of
from wheelyard.assembly.index import IndexBackends, Places, devpi_serving, embedded_index, external_index, open_index
from wheelyard.assembly.listening import holding_port, open_port, serve, url_of
from wheelyard.assembly.parts import Parts, make_parts
from wheelyard.assembly.prebuilds import advance_forever, make_webhooks
from wheelyard.assembly.service import api_services, make_app, source_index
from wheelyard.assembly.signals import Stop, stop_on_signals
from wheelyard.assembly.worker import Worker
from wheelyard.assembly.worker_parts import make_worker
from wheelyard.client_settings import API_FILE, TOKEN_FILE
from wheelyard.domain.access import Scope
from wheelyard.domain.index.index import Level
from wheelyard.errors import SettingsInvalidError, UnauthenticatedError
from wheelyard.interfaces import ParserPool, SourceIndex
from wheelyard.logs import configure_logs, get_logger
from wheelyard.metrics import CacheLookups
from wheelyard.resources import data_path
from wheelyard.settings import Settings
from wheelyard.usecases.tokens import Tokens

_FIRST_TOKEN: Final = "first token"  # noqa: S105 - the name of a token
_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Backends:
    """What the API and the worker stand on."""

    database: Database
    source: SourceIndex
    parsers: ParserPool
    lookups: CacheLookups
    uv_slots: FairSlots
    """Of the resolver: the API and the worker of one process share them."""
    index: IndexBackends
    index_url: str
    """Address of devpi's index that users could install from, too."""


async def run_up(settings: Settings) -> None:
    """Run everything here until a signal comes."""
    parts = await make_parts(settings)
    async with (
        stop_on_signals(_say) as stop,
        _serving(parts, stop, builds_here=True) as (backends, services, listener),
    ):
        await _ensure_first_token(settings, tokens_of(backends.database))
        worker = _worker_on(parts, backends)
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
        stop_on_signals(_say) as stop,
        _serving(parts, stop, builds_here=False) as (backends, services, listener),
    ):
        webhooks = make_webhooks(settings, backends.database)
        open_port(settings, listener)
        _say(f"API on {url_of(listener)}")
        async with _running(services.upkeep()), _running(advance_forever(services.prebuilds.advance, webhooks)):
            await _answer(settings, services, listener, stop)


async def run_worker(settings: Settings) -> None:
    """Run one worker until a signal comes."""
    _require_external(settings)
    parts = await make_parts(settings)
    async with stop_on_signals(_say) as stop, _holding_state(settings), _open_backends(settings) as backends:
        worker = _worker_on(parts, backends)
        _say(f"worker {worker.registration.name}")
        async with _running(worker.run()):
            await stop.wait()
            _say(f"draining for at most {settings.drain_seconds:g} s; a second signal hands back at once")
            await worker.drain(settings.drain_seconds)


async def run_devpi(settings: Settings, *, host: str, port: int) -> None:
    """Run devpi alone, for the parts on other hosts, until a signal comes."""
    devpi = EmbeddedDevpi(
        settings.state_dir, lock_file=data_path("devpi.lock"), serving=devpi_serving(settings, host, port)
    )
    async with stop_on_signals(_say) as stop, _holding_state(settings), devpi as endpoint:
        _say(f"devpi on {endpoint.url}")
        async with _running(devpi.watch()):
            await stop.wait()


@contextlib.asynccontextmanager
async def _serving(
    parts: Parts, stop: Stop, *, builds_here: bool
) -> AsyncIterator[tuple[_Backends, ApiServices, socket.socket]]:
    """Take the port, then start what the API stands on: a taken port is said before anything has begun."""
    settings = parts.settings
    async with _holding_state(settings):
        with holding_port(settings) as listener:
            async with _open_backends(settings) as backends:
                services = await api_services(
                    parts,
                    database=backends.database,
                    source=backends.source,
                    parsers=backends.parsers,
                    index=backends.index,
                    stopping=stop.asked,
                    builds_here=builds_here,
                    uv_slots=backends.uv_slots,
                )
                yield backends, services, listener


@contextlib.asynccontextmanager
async def _holding_state(settings: Settings) -> AsyncIterator[None]:
    """Begin the log, and keep the state directory to this process."""
    configure_logs(log_format=settings.log_format, level=settings.log_level)
    await asyncio.to_thread(_make_state_dir, settings.state_dir)
    lock = FileLock(settings.state_dir / "wheelyard.lock")
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.asynccontextmanager
async def _open_backends(settings: Settings) -> AsyncIterator[_Backends]:
    """Start what is embedded, connect to the rest, bring the schema up to date."""
    lookups = CacheLookups()
    async with contextlib.AsyncExitStack() as stack:
        conninfo = await _open_database(settings, stack)
        places = await _open_index(settings, stack)
        await asyncio.to_thread(migrate, conninfo)
        parsers = await stack.enter_async_context(ParserProcesses())
        yield _Backends(
            database=await stack.enter_async_context(Database(conninfo)),
            source=await stack.enter_async_context(source_index(settings, lookups, parsers)),
            parsers=parsers,
            lookups=lookups,
            uv_slots=FairSlots(settings.resolver_processes),
            index=await stack.enter_async_context(open_index(places)),
            index_url=places[Level.PROD].url,
        )


def _worker_on(parts: Parts, backends: _Backends) -> Worker:
    return make_worker(
        parts,
        database=backends.database,
        source=backends.source,
        parsers=backends.parsers,
        index=backends.index,
        lookups=backends.lookups,
        uv_slots=backends.uv_slots,
    )


def _make_state_dir(path: Path) -> None:
    """Make the state directory; others may pass through it, as the database's own user must, but not list it."""
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(0o711)


async def _open_database(settings: Settings, stack: contextlib.AsyncExitStack) -> str:
    if settings.database_url is not None:
        return database_address(settings)
    _say("starting PostgreSQL")
    postgres = EmbeddedPostgres(settings.state_dir)
    address = await stack.enter_async_context(postgres)
    await stack.enter_async_context(keeping("PostgreSQL", postgres))
    return address


async def _open_index(settings: Settings, stack: contextlib.AsyncExitStack) -> Places:
    if settings.index_url is not None:
        return external_index(settings)
    _say("starting devpi")
    devpi = EmbeddedDevpi(settings.state_dir, lock_file=data_path("devpi.lock"))
    endpoint = await stack.enter_async_context(devpi)
    await stack.enter_async_context(keeping("devpi", devpi))
    return embedded_index(endpoint)


async def _ensure_first_token(settings: Settings, tokens: Tokens) -> None:
    """Leave a token that works where the command line finds it."""
    file = settings.state_dir / TOKEN_FILE
    if file.exists():
        with contextlib.suppress(UnauthenticatedError):
            await tokens.authenticate(f"Bearer {file.read_text(encoding='ascii').strip()}")
            return
    _, secret = await tokens.create(name=_FIRST_TOKEN, scope=Scope.ADMIN, created_by=host_user())
    _write_private(file, secret + "\n")


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, complete or not at all."""
    partial = file.with_name(f".{file.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    partial.replace(file)


@contextlib.contextmanager
def _announced(settings: Settings, listener: socket.socket, index_url: str) -> Iterator[None]:
    """Say where everything is, on the terminal and in the state directory, for as long as it is there."""
    file = settings.state_dir / API_FILE
    url = url_of(listener)
    _write_private(file, json.dumps({"url": url, "index_url": index_url, "pid": os.getpid()}) + "\n")
    _say(f"API    {url}  (documentation: {url}/docs)")
    _say(f"index  {url}/simple/  (devpi, which holds the wheels: {index_url}/+simple/)")
    _say(f"token  in {settings.state_dir / TOKEN_FILE}")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


async def _answer(settings: Settings, services: ApiServices, listener: socket.socket, stop: Stop) -> None:
    """Answer requests until we are told to stop."""
    app = make_app(services)
    keep_for_good()
    await serve(app, settings, listener, stop)


def keep_for_good() -> None:
    """Take what is there out of Python's collections: looking through it holds up answers for a tenth of a second."""
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


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that is gone, or a full disk, is no reason to stop
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
