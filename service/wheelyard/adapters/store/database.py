"""The PostgreSQL connections that the stores share: a pool, typed errors, and wake-ups through LISTEN.

Must not know any table.
"""

import asyncio
import contextlib
import os
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode

import psycopg
import psycopg.conninfo
import psycopg.errors
import yoyo
from procrastinate.schema import SchemaManager
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from wheelyard.errors import DatabaseUnavailableError, InvalidRequestError
from wheelyard.logs import get_logger

# The newest that the first release had: it did not write down yet which ones it had.
_UNWRITTEN: Final = "03.04.00_50_post_add_retry_failed_job_procedure.sql"
_RECORD: Final = b"create table if not exists queue_migrations (name text primary key)"
_INDEX: Final = b"create index on procrastinate_jobs ((args->>'build_id'))"
_NOTE: Final = b"insert into queue_migrations (name) values (%s)"

_SyncConnection = psycopg.Connection[Any]


def bring_queue_up_to_date(connection: _SyncConnection) -> None:
    """Make the queue's tables, or apply the migrations that they lack; the connection must be in autocommit mode.

    The names of procrastinate's migrations are in order:
    https://procrastinate.readthedocs.io/en/stable/howto/production/migrations.html
    """
    shipped = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"), key=lambda path: path.name)
    connection.execute(_RECORD)
    if _is_missing(connection):
        with connection.transaction():
            connection.execute(SchemaManager.get_schema().encode())
            connection.execute(_INDEX)
            connection.execute(_NOTE, [shipped[-1].name])
        return
    newest = _newest(connection)
    for file in shipped:
        if file.name > newest:
            with connection.transaction():
                connection.execute(file.read_bytes())
                connection.execute(_NOTE, [file.name])


def _is_missing(connection: _SyncConnection) -> bool:
    row = connection.execute(b"select to_regclass('procrastinate_jobs') is null").fetchone()
    return bool(row and row[0])


def _newest(connection: _SyncConnection) -> str:
    row = connection.execute(b"select max(name) from queue_migrations").fetchone()
    return (row and row[0]) or _UNWRITTEN


CHANNEL: Final = "wheelyard_build"
"""NOTIFY on it carries a topic: the id of the build that changed, or a wish that concerns one."""

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]
MIGRATIONS: Final = Path(__file__).with_name("migrations")
_PREFER_ORDER: Final = b"""
select set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_seqscan', 'off', true)
"""
# What is not said in the address. A network that is cut says nothing either: the kernel finds out within a lease.
_LINE_OPTIONS: Final = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "3",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "9000",
}
_ANSWER_SECONDS: Final = 30.0
"""How long a transaction may take; whatever is done here in one takes less than a second on a server that is well."""
_SILENCE_SHARE: Final = 1 / 3
"""Of that, how long the server waits inside of a transaction for a word of ours, and with it who waits for its locks.

A worker that is frozen, or cut off, in the middle of a sweep would else hold off the sweeps of all others for good.
"""
_AWAY: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    PoolTimeout,
)
_HOLD_CALLER: Final = b"select pg_advisory_xact_lock(hashtextextended('wheelyard caller ' || %(caller)s, 0))"
_HANG_UP_ON_SILENCE: Final = b"select set_config('idle_in_transaction_session_timeout', %(time)s, false)"
_log = get_logger(__name__)


class Database:
    """A pool of connections, and the listeners for changes of builds."""

    def __init__(
        self,
        conninfo: str,
        *,
        pool_size: int = 12,
        wait_seconds: float = 10.0,
        answer_seconds: float = _ANSWER_SECONDS,
        poll_seconds: float = 1.0,
    ) -> None:
        self.conninfo = with_line_options(conninfo)
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self.conninfo,
            min_size=1,
            max_size=pool_size,
            open=False,
            timeout=wait_seconds,
            kwargs={"row_factory": dict_row},
            configure=self._configure,
        )
        self._silence = f"{round(answer_seconds * _SILENCE_SHARE * 1000)}ms"
        self._answer_seconds = answer_seconds
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

    async def _configure(self, connection: Connection) -> None:
        """Say what holds for a connection; not in its address, where not every pooler takes it."""
        await connection.set_autocommit(True)
        await connection.execute(_HANG_UP_ON_SILENCE, {"time": self._silence})
        await connection.set_autocommit(False)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Give a connection inside a transaction.

        Raises DatabaseUnavailableError if there is none to be had, InvalidRequestError for values that no column holds.
        """
        with _typed_errors():
            async with self._pool.connection() as connection:
                with _hanging_up_after(self._answer_seconds, connection):
                    async with connection.transaction():
                        yield connection

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

    async def ask(self, query: str, parameters: Row, *, binary: bool = False) -> list[Row]:
        """Run one statement that is a transaction by itself: one exchange instead of three."""
        async with self._autocommit() as connection:
            return await (await connection.execute(query.encode(), parameters, binary=binary)).fetchall()

    @contextlib.asynccontextmanager
    async def one_exchange(self) -> AsyncIterator[Connection]:
        """Give a connection that sends its statements together when the block ends; they are one transaction.

        What they return can be fetched afterwards.
        """
        async with self._autocommit() as connection, connection.pipeline():
            yield connection

    @contextlib.asynccontextmanager
    async def _autocommit(self) -> AsyncIterator[Connection]:
        with _typed_errors():
            async with self._pool.connection() as connection:
                with _hanging_up_after(self._answer_seconds, connection):
                    await connection.set_autocommit(True)
                    try:
                        yield connection
                    finally:
                        await connection.set_autocommit(False)

    @contextlib.asynccontextmanager
    async def watch(self, build_id: str) -> AsyncIterator[AsyncIterator[None]]:
        """Give an iterator that yields at once, at each change of the build, and at least every ``poll_seconds``."""
        async with self.event(build_id) as event:
            yield _wake_ups(event, self._poll_seconds)

    @contextlib.asynccontextmanager
    async def event(self, topic: str) -> AsyncIterator[asyncio.Event]:
        """Give an event that is set whenever somebody notifies of the topic; one is missed while LISTEN is away."""
        event = asyncio.Event()
        self._waiting[topic].add(event)
        try:
            yield event
        finally:
            self._waiting[topic].discard(event)
            if not self._waiting[topic]:
                del self._waiting[topic]

    async def _listen_forever(self) -> None:
        """Hold one LISTEN connection; while the database is away, the watchers' own poll carries on."""
        while True:
            try:
                await self._listen()
            except psycopg.Error:
                pass  # said by whoever asks the database something
            except Exception:  # noqa: BLE001  without it, nobody would be woken up any more
                _log.exception("listening-interrupted")
            await asyncio.sleep(self._poll_seconds)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(self.conninfo, autocommit=True) as connection:
            await connection.execute(f"listen {CHANNEL}".encode())
            async for notice in connection.notifies():
                for event in self._waiting.get(notice.payload, ()):
                    event.set()


async def prefer_order(connection: Connection) -> None:
    """Let the rest of a transaction read the beginning of an ordered index, instead of sorting what a filter leaves.

    Statistics lag behind a queue that fills quickly, and with them the planner takes thousands of rows for a few.
    """
    await connection.execute(_PREFER_ORDER)


async def hold_caller(connection: Connection, caller: str) -> None:
    """Let nobody else count what a caller has until this transaction ends, so that what was counted stays true."""
    await connection.execute(_HOLD_CALLER, {"caller": caller})


async def _wake_ups(event: asyncio.Event, poll_seconds: float) -> AsyncIterator[None]:
    while True:
        event.clear()
        yield
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), poll_seconds)


def migrate(conninfo: str) -> None:
    """Bring the schema up to date: ours with yoyo, the queue's with procrastinate's own migrations.

    Any number of processes may call it at once: an advisory lock, which dies with its holder, lets one through at a
    time (yoyo's own lock is a row that a killed process leaves behind).
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(b"select pg_advisory_lock(hashtext('wheelyard-migrate'))")
        backend = yoyo.get_backend(_yoyo_url(conninfo))
        backend.apply_migrations(backend.to_apply(yoyo.read_migrations(str(MIGRATIONS))))
        backend.connection.close()
        bring_queue_up_to_date(connection)


@contextlib.contextmanager
def _hanging_up_after(seconds: float, connection: Connection) -> Iterator[None]:
    """Close the line when a block takes too long: whoever waits for an answer on it gets an error, at once.

    A cancellation would not do: the driver first asks the server to let go, and then waits for its answer all the same.
    """
    handle = asyncio.get_running_loop().call_later(seconds, _hang_up, connection)
    try:
        yield
    finally:
        handle.cancel()


def _hang_up(connection: Connection) -> None:
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def with_line_options(conninfo: str) -> str:
    """Complete a connection string by what notices a line that was cut; what it says itself stays."""
    said = psycopg.conninfo.conninfo_to_dict(conninfo)
    missing = {name: value for name, value in _LINE_OPTIONS.items() if name not in said}
    return psycopg.conninfo.make_conninfo(conninfo, **missing)


def complete_address(conninfo: str, password: str | None) -> str:
    """Put a password that is kept apart into a connection string."""
    return conninfo if password is None else psycopg.conninfo.make_conninfo(conninfo, password=password)


def _yoyo_url(conninfo: str) -> str:
    """Say the connection in the form that yoyo takes: a URL with the driver in its scheme."""
    parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    query = urlencode({key: str(value) for key, value in parts.items() if key != "dbname"})
    return f"postgresql+psycopg:///{parts.get('dbname', '')}?{query}"


@contextlib.contextmanager
def _typed_errors() -> Iterator[None]:
    """Say the driver's errors in our words; a mistake in our own SQL stays what it is."""
    try:
        yield
    except psycopg.DataError as error:
        # What a caller can send and no text of PostgreSQL can hold is above all the character NUL.
        raise InvalidRequestError(problems=[f"the database cannot hold a value of it: {_first_line(error)}"]) from error
    except _AWAY as error:
        raise DatabaseUnavailableError(reason=_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


async def notify(connection: Connection, topic: str) -> None:
    """Wake whoever watches a build (its id is the topic), when the transaction commits."""
    await connection.execute(b"select pg_notify(%s, %s)", (CHANNEL, topic))


def cancel_topic(build_id: str) -> str:
    """Name what the worker of a build watches."""
    return f"cancel {build_id}"
