"""Positions of the lines in an attempt's log, so that a page reads only the part that it shows.

A log can have a quarter of a gigabyte. It is scanned once, block by block and in threads; later only its new part.
The index holds where each block begins. A block ends at the end of a line.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from wheelyard.interfaces import LogStore
from wheelyard.memory_cache import MemoryCache
from wheelyard.web.viewport import TAIL_LINES, LogSpan, StageMark, split_log, stage_marks

_KEPT_INDEXES: Final = 64
_LONGEST_BYTES: Final = 4 << 20
"""Longest block, in bytes: a longer one is cut even without a line end."""
_KEPT_CHARACTERS: Final = 1000
_KEPT_STAGES: Final = 100
"""An attempt has seven."""


@dataclass(kw_only=True, slots=True)
class LineIndex:
    """Positions of blocks and stages in a log; it grows with the log."""

    offsets: list[int] = field(default_factory=lambda: [0])
    """Start of each block in bytes; the last entry is the end of the indexed part."""
    counts: list[int] = field(default_factory=lambda: [0])
    """Number of lines before each of these offsets."""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    """The last lines, shortened; the failing line is searched in them."""
    stages: list[StageMark] = field(default_factory=list)
    """The lines where stages begin."""
    growing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def total(self) -> int:
        """Number of indexed lines."""
        return self.counts[-1]

    @property
    def size_bytes(self) -> int:
        """Size of the indexed part."""
        return self.offsets[-1]

    def add(self, block: bytes) -> None:
        """Index the next block, which ends at the end of a line or of the log."""
        lines = split_log(block)
        self.tail.extend(line[:_KEPT_CHARACTERS] for line in lines[-TAIL_LINES:])
        self.stages += stage_marks(lines, first=self.total + 1)[: _KEPT_STAGES - len(self.stages)]
        self.counts.append(self.total + len(lines))
        self.offsets.append(self.size_bytes + len(block))


class LineIndexes:
    """The indexes of the recently read logs."""

    def __init__(self) -> None:
        self._indexes: MemoryCache[tuple[str, int], LineIndex] = MemoryCache(limit=_KEPT_INDEXES)

    def of(self, build_id: str, attempt: int) -> LineIndex:
        """Return an attempt's index; create it if it does not exist."""
        key = (build_id, attempt)
        return self._indexes.last(key) or self._indexes.keep(key, LineIndex())


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedLog:
    """An attempt's log with its index."""

    logs: LogStore
    build_id: str
    attempt: int
    index: LineIndex

    async def survey(self) -> None:
        """Index the new part of the log, up to its last complete line while the attempt runs."""
        async with self.index.growing:
            rest, finished, offset = b"", False, self.index.size_bytes
            while not finished:
                part = await self.logs.read(self.build_id, attempt=self.attempt, offset=offset)
                rest, finished, offset = rest + part.data, part.finished, offset + len(part.data)
                if not part.data and not finished:
                    return
                whole = len(rest) if finished or len(rest) > _LONGEST_BYTES else rest.rfind(b"\n") + 1
                if whole:
                    await asyncio.to_thread(self.index.add, rest[:whole])
                    rest = rest[whole:]

    async def read(self, first: int, count: int) -> LogSpan:
        """Return lines from a number on; fewer at the end of the log."""
        begin = min(max(first, 1), max(self.index.total, 1))
        lines: list[str] = []
        start = bisect_right(self.index.counts, begin - 1) - 1
        async for block in self.blocks(start):
            lines += block.lines
            if self.index.counts[start] + len(lines) >= begin - 1 + count:
                break
        skipped = begin - 1 - self.index.counts[start]
        return LogSpan(first=begin, lines=lines[skipped : skipped + count], total=self.index.total)

    async def blocks(self, start: int = 0) -> AsyncIterator[LogSpan]:
        """Yield the log block by block; each is split in a thread."""
        for place in range(start, len(self.index.offsets) - 1):
            data = await self._bytes(self.index.offsets[place], self.index.offsets[place + 1])
            lines = await asyncio.to_thread(split_log, data)
            yield LogSpan(first=self.index.counts[place] + 1, lines=lines, total=self.index.total)

    async def _bytes(self, begin: int, end: int) -> bytes:
        data = b""
        while len(data) < end - begin:
            part = await self.logs.read(self.build_id, attempt=self.attempt, offset=begin + len(data))
            if not part.data:  # the log was deleted meanwhile
                break
            data += part.data
        return data[: end - begin]
