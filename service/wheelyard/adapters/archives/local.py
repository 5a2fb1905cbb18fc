"""Indexes of archives in a folder, for processes that have no database, such as a trial of a recipe."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from wheelyard.adapters.host.disk import disk_errors
from wheelyard.adapters.host.files import write_atomic
from wheelyard.domain.catalogue.archive_files import StoredArchive
from wheelyard.domain.catalogue.archive_index import FORMAT


class LocalArchives:
    """Store the indexes of archives in a folder. What is asked for is read at once by the process that asks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def look_up(self, suite: str, architecture: str) -> StoredArchive | None:
        """Return what is known of an archive's index; None if it was never read."""
        return await asyncio.to_thread(self._look_up, self._path(suite, architecture))

    def _look_up(self, path: Path) -> StoredArchive | None:
        try:
            data, modified = path.read_bytes(), path.stat().st_mtime
        except FileNotFoundError:
            return None
        return StoredArchive(digest=hashlib.sha256(data).hexdigest(), read_at=datetime.fromtimestamp(modified, UTC))

    async def load(self, suite: str, architecture: str) -> bytes | None:
        """Return an archive's index, compressed; None if it was never read."""
        with contextlib.suppress(FileNotFoundError):
            return await asyncio.to_thread(self._path(suite, architecture).read_bytes)
        return None

    async def save(self, suite: str, architecture: str, index: bytes) -> None:
        """Replace an archive's index."""
        await asyncio.to_thread(self._save, self._path(suite, architecture), index)

    def _save(self, path: Path, index: bytes) -> None:
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomic(path, index, mode=0o644)

    @contextlib.asynccontextmanager
    async def reading(self, suite: str, architecture: str) -> AsyncIterator[bool]:  # noqa: ARG002  as all stores
        """Yield that the right to read an archive is ours: two processes that read one write the same file."""
        yield True

    async def ask_for(self, suite: str, architecture: str) -> None:
        """Forget an index that is too old, so that the next process reads the archive."""
        await asyncio.to_thread(self._path(suite, architecture).unlink, missing_ok=True)

    async def list_asked(self, architecture: str) -> tuple[str, ...]:  # noqa: ARG002  as all stores
        """Return no suites: nobody waits for another process here."""
        return ()

    def _path(self, suite: str, architecture: str) -> Path:
        return self._folder / f"{suite}-{architecture}.{FORMAT}.packed"
