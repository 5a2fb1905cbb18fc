"""Range headers, and the parts that they ask for."""

import pytest

from wheelyard.domain.index.byte_range import ByteRange, parse_ranges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, []),
        ("bytes=0-0", [(0, 0)]),
        ("bytes=10-19", [(10, 19)]),
        ("bytes=90-", [(90, 99)]),
        ("bytes=90-1000", [(90, 99)]),
        ("bytes=-10", [(90, 99)]),
        ("bytes=-1000", [(0, 99)]),
        ("BYTES= 10-19", [(10, 19)]),
        ("bytes=0-1,5-6", [(0, 1), (5, 6)]),
        ("bytes=50-59 , 0-1,,-1", [(50, 59), (0, 1), (99, 99)]),
        ("bytes=0-1,200-300", [(0, 1)]),
    ],
)
def test_header_is_read_as_rfc_9110_says(header: str | None, expected: list[tuple[int, int]]) -> None:
    found = parse_ranges(header, size_bytes=100)
    assert found == tuple(ByteRange(first=first, last=last) for first, last in expected)


@pytest.mark.parametrize(
    "header",
    [
        "bytes=20-10",
        "bytes=-",
        "bytes=",
        "bytes=,",
        "bytes=a-b",
        "bytes=0-1,x",
        "bytes=0-1,5",
        "bytes=1-2-3",
        "bytes=٣-4",
        "lines=1-2",
        "bytes=0-50,50-99",
        "bytes=0-,0-,0-,0-",
        "bytes=" + ",".join(f"{place}-{place}" for place in range(0, 34, 2)),
        "bytes=" + "0-0," * 5000,
        "bytes=0-" + "9" * 5000,
    ],
)
def test_header_that_is_malformed_or_greedy_means_the_whole_file(header: str) -> None:
    assert parse_ranges(header, size_bytes=100) == ()


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=500-600", "bytes=-0", "bytes=100-,-0"])
def test_part_that_is_not_there_is_an_error(header: str) -> None:
    with pytest.raises(ValueError, match="100 bytes"):
        parse_ranges(header, size_bytes=100)


def test_empty_file_has_no_part() -> None:
    with pytest.raises(ValueError, match="0 bytes"):
        parse_ranges("bytes=0-", size_bytes=0)
