"""Indexes of the suites' package archives in PostgreSQL."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Final

from wheelyard.adapters.store.database import Database
from wheelyard.domain.catalogue.archive_files import StoredArchive
from wheelyard.domain.catalogue.archive_index import FORMAT

_LEASE_SECONDS: Final = 900.0
"""How long a worker that reads an archive keeps the others from it; one that dies blocks them for so long."""
_LOOK_UP: Final = """
select digest, read_at from suite_archives
where suite = %(suite)s and architecture = %(architecture)s and format = %(format)s and data is not null
"""
_LOAD: Final = """
select data from suite_archives
where suite = %(suite)s and architecture = %(architecture)s and format = %(format)s and data is not null
"""
_SAVE: Final = """
insert into suite_archives (suite, architecture, data, digest, format, read_at)
values (%(suite)s, %(architecture)s, %(data)s, %(digest)s, %(format)s, now())
on conflict (suite, architecture) do update
    set data = excluded.data, digest = excluded.digest, format = excluded.format, read_at = excluded.read_at
returning suite
"""
_ASK: Final = """
insert into suite_archives (suite, architecture, asked_at) values (%(suite)s, %(architecture)s, now())
on conflict (suite, architecture) do update set asked_at = now() returning suite
"""
_ASKED: Final = """
select suite from suite_archives
where architecture = %(architecture)s and asked_at is not null and (read_at is null or read_at < asked_at)
order by asked_at
"""
_CLAIM: Final = """
insert into suite_archives (suite, architecture, reading_until)
values (%(suite)s, %(architecture)s, now() + make_interval(secs => %(seconds)s))
on conflict (suite, architecture) do update set reading_until = excluded.reading_until
    where suite_archives.reading_until is null or suite_archives.reading_until < now()
returning suite
"""
_RELEASE: Final = """
update suite_archives set reading_until = null
where suite = %(suite)s and architecture = %(architecture)s returning suite
"""


class PostgresArchives:
    """Store the indexes of archives in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look_up(self, suite: str, architecture: str) -> StoredArchive | None:
        """Return what is known of an archive's index; None if it was never read, or by another release of ours."""
        row = await self._database.fetch_one(_LOOK_UP, _key(suite, architecture))
        return StoredArchive(digest=row["digest"], read_at=row["read_at"]) if row else None

    async def load(self, suite: str, architecture: str) -> bytes | None:
        """Return an archive's index, compressed; None if it was never read."""
        row = await self._database.fetch_one(_LOAD, _key(suite, architecture))
        return bytes(row["data"]) if row else None

    async def save(self, suite: str, architecture: str, index: bytes) -> None:
        """Replace an archive's index."""
        values = {"data": index, "digest": hashlib.sha256(index).hexdigest()}
        await self._database.fetch_one(_SAVE, _key(suite, architecture) | values)

    @contextlib.asynccontextmanager
    async def reading(self, suite: str, architecture: str) -> AsyncIterator[bool]:
        """Hold the right to read an archive; yield whether it is ours, or another process holds it."""
        key = _key(suite, architecture)
        if await self._database.fetch_one(_CLAIM, key | {"seconds": _LEASE_SECONDS}) is None:
            yield False
            return
        try:
            yield True
        finally:
            await self._database.fetch_one(_RELEASE, key)

    async def ask_for(self, suite: str, architecture: str) -> None:
        """Ask those who can to read an archive anew."""
        await self._database.fetch_one(_ASK, _key(suite, architecture))

    async def list_asked(self, architecture: str) -> tuple[str, ...]:
        """Return the suites whose archives were asked for and not read since."""
        rows = await self._database.fetch_all(_ASKED, {"architecture": architecture})
        return tuple(str(row["suite"]) for row in rows)


def _key(suite: str, architecture: str) -> dict[str, str | int]:
    return {"suite": suite, "architecture": architecture, "format": FORMAT}
