"""Logs in PostgreSQL as readers see them: chunks while an attempt runs, compressed pieces afterwards.

Reading a part costs as much as the part is long, not the log.
"""

import asyncio
import gzip
import uuid
import zlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Final

from wheelyard.adapters.store.database import Connection, Database
from wheelyard.adapters.store.rows import Row
from wheelyard.domain.builds.records import LogPart
from wheelyard.errors import NotFoundError

_PART_BYTES: Final = 1 << 20
# Without a row the build does not exist; without a size the attempt does not.
_ATTEMPT: Final = """
select coalesce(%(number)s::integer, b.attempt) as number, a.finished_at is not null as finished, a.log_size, a.log_gzip
from builds b left join attempts a on a.build_id = b.id and a.number = coalesce(%(number)s::integer, b.attempt)
where b.id = %(id)s
"""
# One statement, because a chunk may become part of a piece a moment later. The first row may begin before the offset.
_CONTENT: Final = """
(select start, data, true as packed from log_pieces
 where build_id = %(id)s and attempt = %(number)s and start <= %(offset)s order by start desc limit 1)
union all
(select start, data, false as packed from log_chunks
 where build_id = %(id)s and attempt = %(number)s and start < %(end)s and start >= coalesce((
     select max(start) from log_chunks where build_id = %(id)s and attempt = %(number)s and start <= %(offset)s), 0))
order by start
"""
_GZIP: Final = 16 + zlib.MAX_WBITS


class PostgresLogs:
    """Read logs from PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, build_id: str, *, attempt: int | None = None, offset: int = 0) -> LogPart:
        """Return at most about a megabyte from the offset on; raise NotFoundError."""
        row = await self._find_attempt(build_id, attempt)
        number: int = row["number"]
        if number == 0:
            return LogPart(attempt=0, offset=0, data=b"", finished=False)
        if row["log_size"] is None:
            raise NotFoundError(kind="attempt", name=f"{build_id}/{number}")
        if row["log_gzip"] is not None:
            return await asyncio.to_thread(_part_of_whole, bytes(row["log_gzip"]), number, offset)
        place = {"id": build_id, "number": number, "offset": offset, "end": offset + _PART_BYTES}
        rows = await self._database.ask(_CONTENT, place, binary=True)
        data = await asyncio.to_thread(_content, rows, offset)
        finished = bool(row["finished"]) and offset + len(data) >= row["log_size"]
        return LogPart(attempt=number, offset=offset, data=data, finished=finished)

    def watch(self, build_id: str) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Yield an iterator that yields at each change of the build."""
        return self._database.watch(build_id)

    async def _find_attempt(self, build_id: str, wanted: int | None) -> Row:
        try:
            parameters = {"id": uuid.UUID(build_id), "number": wanted}
        except ValueError as error:
            raise NotFoundError(kind="build", name=build_id) from error
        rows = await self._database.ask(_ATTEMPT, parameters, binary=True)
        if not rows:
            raise NotFoundError(kind="build", name=build_id)
        return rows[0]


def _content(rows: list[Row], offset: int) -> bytes:
    """Return a piece's content from the offset on, or the chunks after it if it ends before."""
    for row in rows:
        if row["packed"] and (data := gzip.decompress(bytes(row["data"]))[offset - row["start"] :]):
            return data
    chunks = [row for row in rows if not row["packed"]]
    data = b"".join(bytes(chunk["data"]) for chunk in chunks)
    return data[offset - chunks[0]["start"] :] if chunks else b""


def _part_of_whole(packed: bytes, number: int, offset: int) -> LogPart:
    """Return a part of a log that was compressed as a whole, without holding more than a part of it."""
    reader, left = zlib.decompressobj(_GZIP), packed
    position, data = 0, b""
    while left and not data:
        block = reader.decompress(left, _PART_BYTES)
        left = reader.unconsumed_tail
        data = block[max(offset - position, 0) :]
        position += len(block)
    return LogPart(attempt=number, offset=offset, data=data, finished=not reader.decompress(left, 1))


PIECE_BYTES: Final = 1 << 20
_NEXT: Final = b"""
select build_id as id, number from attempts where finished_at is not null and not log_packed
order by finished_at limit 1 for update skip locked
"""
# Chunks follow each other without a gap, so the difference of their starts is what lies between.
_CHUNKS: Final = b"""
select start, data from log_chunks where build_id = %(id)s and attempt = %(number)s and start < %(size)s + (
    select min(start) from log_chunks where build_id = %(id)s and attempt = %(number)s)
order by start
"""
_PUT_PIECE: Final = b"""
insert into log_pieces (build_id, attempt, start, data) values (%(id)s, %(number)s, %(start)s, %(data)s)
"""
_DROP_CHUNKS: Final = b"""
delete from log_chunks where build_id = %(id)s and attempt = %(number)s and start <= %(last)s
"""
_END: Final = b"update attempts set log_packed = true where build_id = %(id)s and number = %(number)s"


class PostgresLogPacking:
    """Compress the logs of finished attempts. Any number of workers may do it at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self) -> None:
        """Compress until nothing is left."""
        while await self._pack_piece():
            pass

    async def _pack_piece(self) -> bool:
        """Compress one piece; return False if there was no log left."""
        async with self._database.transaction() as connection:
            place = await (await connection.execute(_NEXT)).fetchone()
            if place is None:
                return False
            chunks = await (await connection.execute(_CHUNKS, {**place, "size": PIECE_BYTES})).fetchall()
            if not chunks:
                await connection.execute(_END, place)
                return True
            await _put(connection, place, chunks)
            return True


async def _put(connection: Connection, place: Row, chunks: list[Row]) -> None:
    data = await asyncio.to_thread(gzip.compress, b"".join(bytes(chunk["data"]) for chunk in chunks), 6)
    await connection.execute(_PUT_PIECE, {**place, "start": chunks[0]["start"], "data": data})
    await connection.execute(_DROP_CHUNKS, {**place, "last": chunks[-1]["start"]})
