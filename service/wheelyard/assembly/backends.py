"""Backends of a service and a worker: the database, the index, upstream; embedded ones are started."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from wheelyard.adapters.host.parser_pool import ParserProcesses
from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.servers.devpi import EmbeddedDevpi
from wheelyard.adapters.servers.keeper import keeping
from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.store.database import Database, migrate
from wheelyard.assembly.access import database_address
from wheelyard.assembly.index import IndexBackends, Places, embedded_index, external_index, open_index, own_source
from wheelyard.assembly.parts import Parts, source_index
from wheelyard.domain.index.index import Level
from wheelyard.interfaces import ParserPool, SourceIndex
from wheelyard.metrics import CacheLookups
from wheelyard.resources import data_path
from wheelyard.settings import Settings

Say = Callable[[str], None]
"""Reports to a person at a terminal what is started."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Backends:
    """The backends of the API and the worker."""

    parts: Parts
    database: Database
    source: SourceIndex
    parsers: ParserPool
    lookups: CacheLookups
    uv_slots: FairSlots
    """The slots of the resolver, shared by the API and the worker of one process."""
    index: IndexBackends
    index_url: str
    """URL of devpi's index, from which users could also install."""


@contextlib.asynccontextmanager
async def open_backends(parts: Parts, say: Say) -> AsyncIterator[Backends]:
    """Start what is embedded, connect to the rest, migrate the database."""
    settings, lookups = parts.settings, CacheLookups()
    async with contextlib.AsyncExitStack() as stack:
        conninfo = await _open_database(settings, stack, say)
        places = await _open_index(settings, stack, say)
        await asyncio.to_thread(migrate, conninfo)
        parsers = await stack.enter_async_context(ParserProcesses())
        database = await stack.enter_async_context(Database(conninfo))
        upstream = await stack.enter_async_context(source_index(settings, lookups, parsers))
        index = await stack.enter_async_context(open_index(places))
        yield Backends(
            parts=parts,
            database=database,
            source=own_source(settings, database, index, upstream),
            parsers=parsers,
            lookups=lookups,
            uv_slots=FairSlots(settings.resolver_processes),
            index=index,
            index_url=places[Level.PROD].url,
        )


async def _open_database(settings: Settings, stack: contextlib.AsyncExitStack, say: Say) -> str:
    if settings.database_url is not None:
        return database_address(settings)
    say("starting PostgreSQL")
    postgres = EmbeddedPostgres(settings.state_dir)
    address = await stack.enter_async_context(postgres)
    await stack.enter_async_context(keeping("PostgreSQL", postgres))
    return address


async def _open_index(settings: Settings, stack: contextlib.AsyncExitStack, say: Say) -> Places:
    if settings.index_url is not None:
        return external_index(settings)
    say("starting devpi")
    devpi = EmbeddedDevpi(settings.state_dir, lock_file=data_path("devpi.lock"))
    endpoint = await stack.enter_async_context(devpi)
    await stack.enter_async_context(keeping("devpi", devpi))
    return embedded_index(endpoint)
