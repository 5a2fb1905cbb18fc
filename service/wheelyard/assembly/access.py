"""Assembly of access control: the database's URL, tokens, sessions, the audit log."""

import contextlib
import getpass
import secrets
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.store.access import PostgresAudit, PostgresTokens
from wheelyard.adapters.store.database import Database, complete_address
from wheelyard.adapters.store.fleet import PostgresFleet
from wheelyard.domain.access import OpenLimits
from wheelyard.interfaces import AuditStore, FleetStore
from wheelyard.settings import Settings
from wheelyard.usecases.access import Access, ParallelLimit, RequestLimit
from wheelyard.usecases.sessions import Sessions
from wheelyard.usecases.tokens import Tokens

_SECRET_BYTES: Final = 32


def database_address(settings: Settings) -> str:
    """Return the URL of the database: from the settings, or the embedded one's while it runs."""
    if settings.database_url is not None:
        password = settings.database_password.get_secret_value() if settings.database_password else None
        return complete_address(settings.database_url.get_secret_value(), password)
    return EmbeddedPostgres(settings.state_dir).url


def tokens_of(database: Database) -> Tokens:
    """Make the use cases of tokens."""
    return Tokens(store=PostgresTokens(database), new_secret=lambda: secrets.token_urlsafe(_SECRET_BYTES))


def host_user() -> str:
    """Return the name of the user who runs this program, for the audit log."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def access_of(settings: Settings, tokens: Tokens) -> Access:
    """Make the object that decides whether requests are answered."""
    failures = RequestLimit(what="wrong tokens from this address", per_minute=settings.login_failures_per_minute)
    return Access(
        tokens=tokens,
        requests=RequestLimit(what="requests of this caller", per_minute=settings.requests_per_minute),
        index_reads=RequestLimit(what="index requests of this caller", per_minute=settings.index_requests_per_minute),
        failures=failures,
        running=ParallelLimit(
            what="requests",
            most=settings.concurrent_requests_per_token,
            setting="WHEELYARD_CONCURRENT_REQUESTS_PER_TOKEN",
        ),
        streams=ParallelLimit(
            what="followed logs and requests",
            most=settings.streams_per_token,
            setting="WHEELYARD_STREAMS_PER_TOKEN",
        ),
        anonymous_read=settings.anonymous_read,
    )


def open_limits(settings: Settings) -> OpenLimits:
    """Return how much unfinished work one token may have."""
    return OpenLimits(
        requests=settings.open_requests_per_token,
        items=settings.open_items_per_token,
        builds=settings.queued_builds_per_token,
        upload_bytes=settings.open_upload_bytes_per_token,
    )


def sessions_of(settings: Settings, database: Database, access: Access) -> Sessions:
    """Make the sessions of browsers."""
    return Sessions(
        access=access,
        store=PostgresTokens(database),
        lifetime=timedelta(hours=settings.session_hours),
        new_secret=lambda: secrets.token_urlsafe(_SECRET_BYTES),
        now=lambda: datetime.now(UTC),
    )


@contextlib.asynccontextmanager
async def open_audit(settings: Settings) -> AsyncIterator[AuditStore]:
    """Open the database to read the audit log."""
    async with Database(database_address(settings), pool_size=2) as database:
        yield PostgresAudit(database)


@contextlib.asynccontextmanager
async def open_workers(settings: Settings) -> AsyncIterator[FleetStore]:
    """Open the database to read the workers."""
    async with Database(database_address(settings), pool_size=2) as database:
        yield PostgresFleet(database)


@contextlib.asynccontextmanager
async def open_tokens(settings: Settings) -> AsyncIterator[Tokens]:
    """Open the database for commands about tokens."""
    async with Database(database_address(settings), pool_size=2) as database:
        yield tokens_of(database)
