"""Logs in PostgreSQL as readers see them: chunks while an attempt runs, one compressed piece afterwards.

Must not write.
"""

import asyncio
import gzip
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Final

from wheelyard.adapters.database import Connection, Database
from wheelyard.adapters.records import Row
from wheelyard.domain.ledger import LogPart
from wheelyard.errors import NotFoundError

_PART_BYTES: Final = 1 << 20
_BUILD: Final = b"select attempt from builds where id = %(id)s"
_ATTEMPT: Final = b"""
select finished_at is not null as finished, log_size, log_gzip from attempts
where build_id = %(id)s and number = %(number)s
"""
# Chunks are bounded, so a part's worth of rows is bounded too; the first may begin before the offset.
_CHUNKS: Final = b"""
select start, data from log_chunks
where build_id = %(id)s and attempt = %(number)s and start + octet_length(data) > %(offset)s
order by start limit 64
"""


class PostgresLogs:
    """The LogStore on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, build_id: str, *, attempt: int | None = None, offset: int = 0) -> LogPart:
        """Read at most about a megabyte from the offset on."""
        async with self._database.transaction() as connection:
            number = await _find_attempt(connection, build_id, attempt)
            if number == 0:
                return LogPart(attempt=0, offset=0, data=b"", finished=False)
            place = {"id": build_id, "number": number, "offset": offset}
            row = await (await connection.execute(_ATTEMPT, place)).fetchone()
            if row is None:
                raise NotFoundError(kind="attempt", name=f"{build_id}/{number}")
            if row["finished"]:
                return await _finished_part(row, number, offset)
            data = _joined(await (await connection.execute(_CHUNKS, place)).fetchall(), offset)
            return LogPart(attempt=number, offset=offset, data=data, finished=False)

    def watch(self, build_id: str) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Wake up at each change of the build."""
        return self._database.watch(build_id)


async def _find_attempt(connection: Connection, build_id: str, wanted: int | None) -> int:
    try:
        parameters = {"id": uuid.UUID(build_id)}
    except ValueError as error:
        raise NotFoundError(kind="build", name=build_id) from error
    row = await (await connection.execute(_BUILD, parameters)).fetchone()
    if row is None:
        raise NotFoundError(kind="build", name=build_id)
    return int(row["attempt"]) if wanted is None else wanted


async def _finished_part(row: Row, number: int, offset: int) -> LogPart:
    log = await asyncio.to_thread(gzip.decompress, bytes(row["log_gzip"] or gzip.compress(b"")))
    data = log[offset : offset + _PART_BYTES]
    return LogPart(attempt=number, offset=offset, data=data, finished=offset + len(data) >= len(log))


def _joined(chunks: list[Row], offset: int) -> bytes:
    data = b"".join(bytes(chunk["data"]) for chunk in chunks)
    return data[offset - chunks[0]["start"] :] if chunks else b""
