"""The parts of a file that a Range header requests (RFC 9110, section 14)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

MOST_RANGES: Final = 16
"""Ranges of one request; with more, the whole file is sent, as RFC 9110, section 14.2, allows."""
_HEADER: Final = re.compile(r"bytes=([0-9, \t-]+)", re.IGNORECASE)
_RANGE: Final = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")
_LONGEST_HEADER: Final = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ByteRange:
    """Bytes of a file, both ends included."""

    first: int
    last: int

    @property
    def size_bytes(self) -> int:
        """Return the number of bytes."""
        return self.last - self.first + 1

    def of(self, size_bytes: int) -> str:
        """Return the value of Content-Range for a file of this size."""
        return f"bytes {self.first}-{self.last}/{size_bytes}"


def parse_ranges(header: str | None, *, size_bytes: int) -> tuple[ByteRange, ...]:
    """Parse a Range header; return no range for the whole file; raise ValueError if the file has no such part.

    A header that is malformed, has too many ranges, or has ranges that overlap means the whole file.
    """
    found = _HEADER.fullmatch(header) if header and len(header) <= _LONGEST_HEADER else None
    if found is None:
        return ()
    specifiers = [one for text in found[1].split(",") if (one := text.strip(" \t"))]
    if not 0 < len(specifiers) <= MOST_RANGES:
        return ()
    matches = [_RANGE.fullmatch(one) for one in specifiers]
    pairs = [match.groups() for match in matches if match and match.groups() != ("", "")]
    if len(pairs) < len(specifiers) or any(first and last and int(last) < int(first) for first, last in pairs):
        return ()
    ranges = tuple(part for first, last in pairs for part in _satisfiable(first, last, size_bytes))
    if not ranges:
        raise ValueError(f"it has {size_bytes} bytes")
    ordered = sorted(ranges, key=lambda part: part.first)
    overlap = any(after.first <= before.last for before, after in pairwise(ordered))
    return () if overlap else ranges


def _satisfiable(first: str, last: str, size_bytes: int) -> Iterator[ByteRange]:
    """Yield the range if the file has a part of it."""
    start = int(first) if first else max(size_bytes - int(last), 0)
    end = min(int(last), size_bytes - 1) if first and last else size_bytes - 1
    if start <= end:
        yield ByteRange(first=start, last=end)
