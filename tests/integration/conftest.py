"""Real services that integration tests share: one PostgreSQL for the whole run."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from wheelyard.adapters.servers.devpi import EmbeddedDevpi
from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.store.database import migrate
from wheelyard.domain.index.index import IndexEndpoint

LOCK_FILE = Path(__file__).parents[2] / "devpi.lock"


@pytest.fixture(scope="session")
def open_state_dir() -> Iterator[Path]:
    """Give a directory that every user may enter: pytest's own are closed, and PostgreSQL does not run as root."""
    path = Path(tempfile.mkdtemp(prefix="wheelyard-test-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
async def database_url(open_state_dir: Path) -> AsyncIterator[str]:
    """Give the address of a running PostgreSQL with our schema."""
    async with EmbeddedPostgres(open_state_dir) as url:
        await asyncio.to_thread(migrate, url)
        yield url


@pytest.fixture(scope="session")
async def endpoint(open_state_dir: Path) -> AsyncIterator[IndexEndpoint]:
    """Give a running devpi with our indexes, empty at first; what tests publish stays there."""
    async with EmbeddedDevpi(open_state_dir / "index", lock_file=LOCK_FILE) as endpoint:
        yield endpoint
