"""Read the sections of an ELF file of 64 bits (System V ABI, "Sections"), to say in which of them two files differ."""

import hashlib
import struct
from typing import Final

_HEADER: Final = struct.Struct("<16s2HI3QI6H")
_SECTION: Final = struct.Struct("<2I4Q2I2Q")
_MAGIC: Final = b"\x7fELF\x02\x01"
_NO_BITS: Final = 8
_MOST_SECTIONS: Final = 5000
_LONGEST_NAME: Final = 100


def read_sections(content: bytes) -> dict[str, str]:
    """Return the sha256 of each section by its name; empty for anything that is no little-endian ELF file of 64 bits.

    Sections that reach beyond the file are left out, and so is what makes more of them than the file has bytes.
    """
    if not content.startswith(_MAGIC) or len(content) < _HEADER.size:
        return {}
    (_, _, _, _, _, _, table, _, _, _, _, size, count, names_at) = _HEADER.unpack_from(content)
    if size != _SECTION.size or not 0 < count <= _MOST_SECTIONS or table + size * count > len(content):
        return {}
    rows = [_SECTION.unpack_from(content, table + size * number) for number in range(count)]
    if names_at >= count:
        return {}
    names = content[rows[names_at][4] : rows[names_at][4] + rows[names_at][5]]
    found: dict[str, str] = {}
    bytes_left = len(content)
    for name_at, kind, _, _, offset, length, *_ in rows:
        name = names[name_at : name_at + _LONGEST_NAME].partition(b"\0")[0].decode(errors="replace")
        if name and kind != _NO_BITS and offset + length <= len(content) and length <= bytes_left:
            bytes_left -= length
            found[name] = hashlib.sha256(content[offset : offset + length]).hexdigest()
    return found
