"""The PostgreSQL connections that the stores share: a pool, typed errors, and wake-ups through LISTEN.

Must not know any table.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode

import psycopg
import psycopg.conninfo
import yoyo
from procrastinate.schema import SchemaManager
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from wheelyard.errors import DatabaseUnavailableError

CHANNEL: Final = "wheelyard_build"
"""NOTIFY on it carries the id of the build that changed."""

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]
_MIGRATIONS: Final = Path(__file__).with_name("migrations")
_CONNECT_OPTIONS: Final = {"row_factory": dict_row, "connect_timeout": 5}


class Database:
    """A pool of connections, and the listeners for changes of builds."""

    def __init__(
        self, conninfo: str, *, pool_size: int = 12, wait_seconds: float = 10.0, poll_seconds: float = 1.0
    ) -> None:
        self.conninfo = conninfo
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            conninfo, min_size=1, max_size=pool_size, open=False, timeout=wait_seconds, kwargs=_CONNECT_OPTIONS
        )
        self._poll_seconds = poll_seconds
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._pool.open()
        self._listener = asyncio.create_task(self._listen_forever(), name="database-listener")
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        await self._pool.close()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Give a connection inside a transaction; raises DatabaseUnavailableError if there is none to be had."""
        try:
            async with self._pool.connection() as connection, connection.transaction():
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise DatabaseUnavailableError(reason=_first_line(error)) from error

    async def fetch_one(self, query: str, parameters: Row) -> Row | None:
        """Run one statement in its own transaction and return its first row."""
        async with self.transaction() as connection:
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchone()

    async def fetch_all(self, query: str, parameters: Row) -> list[Row]:
        """Run one statement in its own transaction and return its rows."""
        async with self.transaction() as connection:
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchall()

    @contextlib.asynccontextmanager
    async def watch(self, build_id: str) -> AsyncIterator[AsyncIterator[None]]:
        """Give an iterator that yields at once, at each change of the build, and at least every ``poll_seconds``."""
        event = asyncio.Event()
        self._waiting[build_id].add(event)
        try:
            yield _wake_ups(event, self._poll_seconds)
        finally:
            self._waiting[build_id].discard(event)
            if not self._waiting[build_id]:
                del self._waiting[build_id]

    async def _listen_forever(self) -> None:
        """Hold one LISTEN connection; while the database is away, the watchers' own poll carries on."""
        while True:
            with contextlib.suppress(psycopg.Error):
                await self._listen()
            await asyncio.sleep(self._poll_seconds)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(self.conninfo, autocommit=True) as connection:
            await connection.execute(f"listen {CHANNEL}".encode())
            async for notice in connection.notifies():
                for event in self._waiting.get(notice.payload, ()):
                    event.set()


async def _wake_ups(event: asyncio.Event, poll_seconds: float) -> AsyncIterator[None]:
    while True:
        event.clear()
        yield
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), poll_seconds)


def migrate(conninfo: str) -> None:
    """Bring the schema up to date: ours with yoyo, the queue's as procrastinate ships it.

    Any number of processes may call it at once: an advisory lock, which dies with its holder, lets one through at a
    time (yoyo's own lock is a row that a killed process leaves behind).
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(b"select pg_advisory_lock(hashtext('wheelyard-migrate'))")
        backend = yoyo.get_backend(_yoyo_url(conninfo))
        backend.apply_migrations(backend.to_apply(yoyo.read_migrations(str(_MIGRATIONS))))
        backend.connection.close()
        missing = connection.execute(b"select to_regclass('procrastinate_jobs') is null").fetchone()
        if missing is not None and missing[0]:
            with connection.transaction():
                connection.execute(SchemaManager.get_schema().encode())
                connection.execute(b"create index on procrastinate_jobs ((args->>'build_id'))")


def _yoyo_url(conninfo: str) -> str:
    """Say the connection in the form that yoyo takes: a URL with the driver in its scheme."""
    parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    query = urlencode({key: str(value) for key, value in parts.items() if key != "dbname"})
    return f"postgresql+psycopg:///{parts.get('dbname', '')}?{query}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
