"""Check that every reader of an archive sees the same members.

Some readers follow the directory at the end of a zip file, others the headers in front of the members, from the start;
installers do both. What only one kind of them sees can be another wheel (https://blog.pypi.org/posts/2025-08-07-wheel-archive-confusion-attacks/).
"""

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import IO, Final
from zipfile import ZipFile, ZipInfo

from wheelyard.wheel_files.members import shown

_LOCAL: Final = struct.Struct("<4s2H H 2H 3I 2H")
_ENTRY: Final = struct.Struct("<4s24x3H12x")
_END: Final = struct.Struct("<4s16xH")
_END64_BYTES: Final = 56
_LOCATOR64_BYTES: Final = 20
_HAS_DESCRIPTOR: Final = 1 << 3
_IS_UTF8: Final = 1 << 11
_FLAGS: Final = 1 | _IS_UTF8
"""Bits that change what is read: encrypted, and the encoding of the name."""
_IN_EXTRA: Final = 0xFFFFFFFF
"""In place of a size that is in the extra field for large files."""
_DESCRIPTOR_BYTES: Final = frozenset({12, 16, 20, 24})
_MAX_COMMENT: Final = 1 << 16


def check_archive(bundle: ZipFile) -> None:
    """Check the headers of all members against the directory, and that there is nothing between and around them.

    Raises:
        ValueError: Readers could see different members.
    """
    file = bundle.fp
    if file is None:
        raise ValueError("it is closed")
    members = sorted(bundle.infolist(), key=lambda member: member.header_offset)
    starts = [*(member.header_offset for member in members), bundle.start_dir]
    if starts[0]:
        raise ValueError(f"it has {starts[0]} bytes in front of its first member")
    for member, (_, following) in zip(members, pairwise(starts), strict=True):
        _check_header(file, member, following)
    _check_end(file, bundle.start_dir, len(members))


def _check_header(file: IO[bytes], member: ZipInfo, following: int) -> None:
    file.seek(member.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise ValueError(f"its member {shown(member.filename)} has no header")
    _, _, flags, method, _, _, crc, packed, unpacked, name_bytes, extra_bytes = _LOCAL.unpack(header)
    name = file.read(name_bytes)
    if method != member.compress_type or (flags ^ member.flag_bits) & _FLAGS or name != _name_of(member):
        raise ValueError(
            f"its member {shown(member.filename)} has another name or kind in its header than in the directory"
        )
    known = (crc, packed, unpacked)
    is_open = flags & _HAS_DESCRIPTOR and not any(known)
    expected = (member.CRC, member.compress_size, member.file_size)
    if not is_open and any(one not in {_IN_EXTRA, wanted} for one, wanted in zip(known, expected, strict=True)):
        raise ValueError(f"its member {shown(member.filename)} has another size in its header than in the directory")
    end = member.header_offset + _LOCAL.size + name_bytes + extra_bytes + member.compress_size
    gap = following - end
    if flags & _HAS_DESCRIPTOR and gap in _DESCRIPTOR_BYTES:
        file.seek(end)
        _check_descriptor(file.read(gap), member)
    elif gap:
        raise ValueError(f"it has {gap} bytes behind its member {shown(member.filename)} that are in no member")


def _check_descriptor(descriptor: bytes, member: ZipInfo) -> None:
    """Check the sizes behind a member's content, which may begin with a signature and be of 4 or 8 bytes each."""
    if len(descriptor) in {16, 24}:
        descriptor = descriptor.removeprefix(b"PK\x07\x08")
    shape = {12: "<3I", 20: "<I2Q"}.get(len(descriptor))
    if shape is None or struct.unpack(shape, descriptor) != (member.CRC, member.compress_size, member.file_size):
        raise ValueError(f"its member {shown(member.filename)} has another size behind it than in the directory")


def _name_of(member: ZipInfo) -> bytes:
    """Return the bytes of a name, as the directory has them."""
    return member.orig_filename.encode("utf-8" if member.flag_bits & _IS_UTF8 else "cp437")


def _check_end(file: IO[bytes], start: int, count: int) -> None:
    """Check that the directory and its end are the end of the file."""
    file.seek(start)
    entries = sum(1 for _ in _read_entries(file))
    tail = file.read(_END64_BYTES + _LOCATOR64_BYTES + _END.size + _MAX_COMMENT)
    if tail.startswith(b"PK\x06\x06"):
        tail = tail[_END64_BYTES + _LOCATOR64_BYTES :]
    signature, comment_bytes = _END.unpack(tail[: _END.size]) if len(tail) >= _END.size else (b"", 0)
    comment = tail[_END.size :]
    if signature != b"PK\x05\x06" or entries != count or len(comment) != comment_bytes or file.read(1):
        raise ValueError("it has bytes behind its directory that are no part of it")
    if b"PK\x05\x06" in comment:
        raise ValueError("its comment looks like another directory")


def _read_entries(file: IO[bytes]) -> Iterator[None]:
    """Go over the directory's entries, and leave the file at what follows them."""
    while True:
        here = file.tell()
        entry = file.read(_ENTRY.size)
        if len(entry) < _ENTRY.size or not entry.startswith(b"PK\x01\x02"):
            file.seek(here)
            return
        file.seek(sum(_ENTRY.unpack(entry)[1:]), 1)
        yield
