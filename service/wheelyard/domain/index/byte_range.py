"""The part of a file that a Range header requests (RFC 9110, section 14)."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

# One range only: a server may ignore a header with more, and no installer sends one.
_SINGLE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True, kw_only=True, slots=True)
class ByteRange:
    """Bytes of a file, both ends included."""

    first: int
    last: int

    @property
    def size_bytes(self) -> int:
        """Return the number of bytes."""
        return self.last - self.first + 1

    async def cut(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield these bytes of a file's chunks, without reading further ones."""
        position = 0
        async for chunk in chunks:
            part = chunk[max(self.first - position, 0) : self.last + 1 - position]
            position += len(chunk)
            if part:
                yield part
            if position > self.last:
                return


def parse_range(header: str | None, *, size_bytes: int) -> ByteRange | None:
    """Parse a Range header; return None for the whole file; raise ValueError if the file has no such part."""
    found = _SINGLE.fullmatch(header.replace(" ", "")) if header else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(size_bytes - int(last), 0), size_bytes - 1
    else:
        start, end = int(first), min(int(last), size_bytes - 1) if last else size_bytes - 1
    if last and first and int(last) < int(first):
        return None
    if start > end:
        raise ValueError(f"it has {size_bytes} bytes")
    return ByteRange(first=start, last=end)
