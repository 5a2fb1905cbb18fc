"""The PostgreSQL connections that the stores share: a pool, typed errors, and wake-ups through LISTEN."""

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

# The newest migration of the first release, which did not record what it had applied.
_UNWRITTEN: Final = "03.04.00_50_post_add_retry_failed_job_procedure.sql"
_RECORD: Final = b"create table if not exists queue_migrations (name text primary key)"
_INDEX: Final = b"create index on procrastinate_jobs ((args->>'build_id'))"
_NOTE: Final = b"insert into queue_migrations (name) values (%s)"

_SyncConnection = psycopg.Connection[Any]


def bring_queue_up_to_date(connection: _SyncConnection) -> None:
    """Create the queue's tables, or apply the migrations that they lack. The connection must be in autocommit mode.

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
"""NOTIFY on it carries a topic: the id of the build that changed, or a request that concerns one."""

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]
MIGRATIONS: Final = Path(__file__).with_name("migrations")
_PREFER_ORDER: Final = b"""
select set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
       set_config('enable_seqscan', 'off', true)
"""
# Defaults for what the address does not set. A cut network sends no error, so keepalives find it within a lease.
_LINE_OPTIONS: Final = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "3",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "9000",
}
_ANSWER_SECONDS: Final = 30.0
"""How long a transaction may take. Each of ours takes less than a second on a healthy server."""
_SILENCE_SHARE: Final = 1 / 3
"""Share of it that the server waits for our next statement inside a transaction.

A worker that is frozen or cut off in the middle of a sweep would otherwise block the sweeps of all others for ever.
"""
_AWAY: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    PoolTimeout,
)
_HOLD_CALLER: Final = b"select pg_advisory_xact_lock(hashtextextended('wheelyard caller ' || %(caller)s, 0))"
_LIMIT_SILENCE: Final = b"select set_config('idle_in_transaction_session_timeout', %(time)s, false)"
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
        """Set the options of a connection, here because some poolers do not accept them in its address."""
        await connection.set_autocommit(True)
        await connection.execute(_LIMIT_SILENCE, {"time": self._silence})
        await connection.set_autocommit(False)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Yield a connection inside a transaction.

        Raise DatabaseUnavailableError if no connection can be had, InvalidRequestError for values that no column can
        hold.
        """
        with _typed_errors():
            async with self._pool.connection() as connection:
                with _closing_after(self._answer_seconds, connection):
                    async with connection.transaction():
                        yield connection

    async def fetch_one(self, query: str, parameters: Row) -> Row | None:
        """Run one statement in its own transaction and return its first row; None if there is none."""
        async with self.transaction() as connection:
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchone()

    async def fetch_all(self, query: str, parameters: Row) -> list[Row]:
        """Run one statement in its own transaction and return its rows."""
        async with self.transaction() as connection:
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchall()

    async def ask(self, query: str, parameters: Row, *, binary: bool = False) -> list[Row]:
        """Run one statement that is a transaction by itself, in one exchange instead of three, and return its rows."""
        async with self._autocommit() as connection:
            return await (await connection.execute(query.encode(), parameters, binary=binary)).fetchall()

    @contextlib.asynccontextmanager
    async def one_exchange(self) -> AsyncIterator[Connection]:
        """Yield a connection that sends its statements together, as one transaction, when the block ends.

        Their results can be fetched afterwards.
        """
        async with self._autocommit() as connection, connection.pipeline():
            yield connection

    @contextlib.asynccontextmanager
    async def _autocommit(self) -> AsyncIterator[Connection]:
        with _typed_errors():
            async with self._pool.connection() as connection:
                with _closing_after(self._answer_seconds, connection):
                    await connection.set_autocommit(True)
                    try:
                        yield connection
                    finally:
                        await connection.set_autocommit(False)

    @contextlib.asynccontextmanager
    async def watch(self, build_id: str) -> AsyncIterator[AsyncIterator[None]]:
        """Yield an iterator that yields at once, at each change of the build, and at least every ``poll_seconds``."""
        async with self.event(build_id) as event:
            yield _wake_ups(event, self._poll_seconds)

    @contextlib.asynccontextmanager
    async def event(self, topic: str) -> AsyncIterator[asyncio.Event]:
        """Yield an event that is set at each notification of the topic. Notifications are lost while LISTEN is down."""
        event = asyncio.Event()
        self._waiting[topic].add(event)
        try:
            yield event
        finally:
            self._waiting[topic].discard(event)
            if not self._waiting[topic]:
                del self._waiting[topic]

    async def _listen_forever(self) -> None:
        """Hold one LISTEN connection. While the database is down, the watchers poll by themselves."""
        while True:
            try:
                await self._listen()
            except psycopg.Error:
                pass  # callers of the database report it
            except Exception:  # noqa: BLE001  without the loop, no watcher would be woken
                _log.exception("listening-interrupted")
            await asyncio.sleep(self._poll_seconds)

    async def _listen(self) -> None:
        async with await psycopg.AsyncConnection.connect(self.conninfo, autocommit=True) as connection:
            await connection.execute(f"listen {CHANNEL}".encode())
            async for notice in connection.notifies():
                for event in self._waiting.get(notice.payload, ()):
                    event.set()


async def prefer_order(connection: Connection) -> None:
    """Make the planner read the start of an ordered index instead of sorting what a filter leaves.

    Applies to the rest of the transaction. Statistics lag behind a queue that fills quickly. With them, the planner
    sorts thousands of rows to return a few.
    """
    await connection.execute(_PREFER_ORDER)


async def hold_caller(connection: Connection, caller: str) -> None:
    """Lock a caller's builds against other counts until the transaction ends, so that our count stays true."""
    await connection.execute(_HOLD_CALLER, {"caller": caller})


async def _wake_ups(event: asyncio.Event, poll_seconds: float) -> AsyncIterator[None]:
    while True:
        event.clear()
        yield
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), poll_seconds)


def migrate(conninfo: str) -> None:
    """Apply the missing migrations: ours with yoyo, the queue's with procrastinate's own.

    Any number of processes may call it at once. An advisory lock, which ends with its holder, admits one at a time.
    yoyo's own lock is a row that a killed process leaves behind, hence its ``break-lock`` command:
    https://manpages.ubuntu.com/manpages/questing/man1/yoyo.1.html
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(b"select pg_advisory_lock(hashtext('wheelyard-migrate'))")
        backend = yoyo.get_backend(_yoyo_url(conninfo))
        backend.apply_migrations(backend.to_apply(yoyo.read_migrations(str(MIGRATIONS))))
        backend.connection.close()
        bring_queue_up_to_date(connection)


@contextlib.contextmanager
def _closing_after(seconds: float, connection: Connection) -> Iterator[None]:
    """Close the connection when a block takes too long, so that its caller gets an error at once.

    Cancelling the task is not enough: psycopg then waits for the server's answer to the cancellation.
    https://github.com/psycopg/psycopg/issues/1371
    """
    handle = asyncio.get_running_loop().call_later(seconds, _shut_down, connection)
    try:
        yield
    finally:
        handle.cancel()


def _shut_down(connection: Connection) -> None:
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def with_line_options(conninfo: str) -> str:
    """Add the options that detect a cut connection to a connection string; options that it already sets stay."""
    given = psycopg.conninfo.conninfo_to_dict(conninfo)
    missing = {name: value for name, value in _LINE_OPTIONS.items() if name not in given}
    return psycopg.conninfo.make_conninfo(conninfo, **missing)


def complete_address(conninfo: str, password: str | None) -> str:
    """Return the connection string with a password that is stored apart from it."""
    return conninfo if password is None else psycopg.conninfo.make_conninfo(conninfo, password=password)


def _yoyo_url(conninfo: str) -> str:
    """Return the connection as yoyo expects it: a URL with the driver in its scheme."""
    parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    query = urlencode({key: str(value) for key, value in parts.items() if key != "dbname"})
    return f"postgresql+psycopg:///{parts.get('dbname', '')}?{query}"


@contextlib.contextmanager
def _typed_errors() -> Iterator[None]:
    """Raise our errors for the driver's. Errors in our own SQL stay as they are."""
    try:
        yield
    except psycopg.DataError as error:
        # The most frequent value that a caller can send and PostgreSQL cannot store is the character NUL.
        raise InvalidRequestError(problems=[f"the database cannot hold a value of it: {_first_line(error)}"]) from error
    except _AWAY as error:
        raise DatabaseUnavailableError(reason=_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


async def notify(connection: Connection, topic: str) -> None:
    """Wake the watchers of a topic (a build's id) when the transaction commits."""
    await connection.execute(b"select pg_notify(%s, %s)", (CHANNEL, topic))


def cancel_topic(build_id: str) -> str:
    """Return the topic that the worker of a build watches for cancellation."""
    return f"cancel {build_id}"
