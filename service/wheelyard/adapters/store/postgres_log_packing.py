"""Packs the logs of ended attempts: chunks as they came become compressed pieces of about a megabyte, one at a time.

However long a log is, no more than a piece of it is in memory, and readers find all of it at any moment. Must not be
part of an attempt's end, which has to be quick.
"""

import asyncio
import gzip
from typing import Final

from wheelyard.adapters.store.database import Connection, Database
from wheelyard.adapters.store.rows import Row

PIECE_BYTES: Final = 1 << 20
_NEXT: Final = b"""
select build_id as id, number from attempts where finished_at is not null and not log_packed
order by finished_at limit 1 for update skip locked
"""
# Chunks follow each other without a gap, so that their starts tell how much is in between.
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
    """What workers do with the logs of attempts that have ended, any number of them at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self) -> None:
        """Pack until nothing is left to do."""
        while await self._pack_piece():
            pass

    async def _pack_piece(self) -> bool:
        """Make one piece; False if there was no log to be packed."""
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
