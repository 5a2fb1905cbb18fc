"""The sections of ELF files, of which each byte is a stranger's."""

import hashlib
import struct
import sys
from pathlib import Path

import pytest

from wheelyard.wheel_files.elf_sections import read_sections

HEADER = struct.Struct("<16s2HI3QI6H")
SECTION = struct.Struct("<2I4Q2I2Q")
NAMES = b"\0.one\0.two\0.names\0"


def elf(*sections: tuple[int, int, int], names_at: int | None = None) -> bytes:
    """Return a file with sections of (place of the name, offset, length), and its names as the last one."""
    body = NAMES + b"x" * 64
    rows = [SECTION.pack(name, 1, 0, 0, HEADER.size + offset, length, 0, 0, 1, 0) for name, offset, length in sections]
    rows.append(SECTION.pack(11, 3, 0, 0, HEADER.size, len(NAMES), 0, 0, 1, 0))
    last = len(rows) - 1 if names_at is None else names_at
    table = HEADER.size + len(body)
    magic = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = HEADER.pack(magic, 3, 62, 1, 0, 0, table, 0, HEADER.size, 0, 0, SECTION.size, len(rows), last)
    return header + body + b"".join(rows)


def test_real_program_has_its_sections() -> None:
    found = read_sections(Path(sys.executable).resolve().read_bytes())
    assert {".text", ".dynsym"} <= found.keys()


def test_section_has_the_hash_of_its_bytes() -> None:
    found = read_sections(elf((1, len(NAMES), 8), (6, len(NAMES), 4)))
    assert found[".one"] == hashlib.sha256(b"x" * 8).hexdigest()
    assert found[".two"] == hashlib.sha256(b"x" * 4).hexdigest()


def test_sections_that_make_more_of_the_file_than_it_has_are_left_out() -> None:
    content = elf((1, 0, 200), (6, 0, 200))
    assert list(read_sections(content)) == [".one", ".names"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x7fELF\x02\x01", id="cut-short"),
        pytest.param(b"\x7fELF\x01\x01".ljust(64, b"\0"), id="32-bits"),
        pytest.param(elf((1, 0, 4))[:-8], id="table-beyond-the-file"),
        pytest.param(elf((1, 0, 4), names_at=9), id="names-beyond-the-table"),
    ],
)
def test_file_without_readable_sections_has_none(content: bytes) -> None:
    assert read_sections(content) == {}


def test_section_beyond_the_file_is_left_out() -> None:
    assert list(read_sections(elf((1, 0, 1 << 40), (6, 0, 4)))) == [".two", ".names"]
