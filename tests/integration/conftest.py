"""Real services that integration tests share: one PostgreSQL for the whole run."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from wheelyard.adapters.database import migrate
from wheelyard.adapters.embedded_postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def open_state_dir() -> Iterator[Path]:
    """Give a directory that every user may enter: pytest's own are closed, and PostgreSQL does not run as root."""
    path = Path(tempfile.mkdtemp(prefix="wheelyard-test-", dir="/tmp"))  # noqa: S108
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
async def database_url(open_state_dir: Path) -> AsyncIterator[str]:
    """Give the address of a running PostgreSQL with our schema."""
    async with EmbeddedPostgres(open_state_dir) as url:
        await asyncio.to_thread(migrate, url)
        yield url
