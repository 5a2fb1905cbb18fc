"""Range headers, and the parts that they ask for."""

from collections.abc import AsyncIterator

import pytest

from wheelyard.domain.index.byte_range import ByteRange, parse_range

CONTENT = bytes(range(100))


async def chunks(size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(CONTENT), size):
        yield CONTENT[start : start + size]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-0", (0, 0)),
        ("bytes=10-19", (10, 19)),
        ("bytes=90-", (90, 99)),
        ("bytes=90-1000", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=-1000", (0, 99)),
        ("bytes=20-10", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=1-2", None),
    ],
)
def test_header_is_read_as_rfc_9110_says(header: str | None, expected: tuple[int, int] | None) -> None:
    found = parse_range(header, size_bytes=100)
    assert found == (expected and ByteRange(first=expected[0], last=expected[1]))


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_part_that_is_not_there_is_an_error(header: str) -> None:
    with pytest.raises(ValueError, match="100 bytes"):
        parse_range(header, size_bytes=100)


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
@pytest.mark.parametrize(("first", "last"), [(0, 0), (5, 8), (0, 99), (99, 99), (13, 14)])
async def test_cut_gives_these_bytes_however_they_come(size: int, first: int, last: int) -> None:
    part = ByteRange(first=first, last=last)
    data = b"".join([chunk async for chunk in part.cut(chunks(size))])
    assert data == CONTENT[first : last + 1]
    assert len(data) == part.size_bytes
