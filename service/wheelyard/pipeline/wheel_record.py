"""Compare a wheel's RECORD (the binary distribution format) with the members that are really there.

Reads every member, so what is checked is what installers get. Must not unpack anything.
"""

import base64
import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from zipfile import ZipFile, ZipInfo

from wheelyard.pipeline.wheel_check import shown

_RECORD_BYTES: Final = 64 << 20
_BLOCK_BYTES: Final = 1 << 20
_LINE_LENGTH: Final = 4096
"""Of a name of 1,000 bytes, quoted, with its digest and size."""
_COLUMNS: Final = 3
_DIGESTS: Final = frozenset({"sha256", "sha384", "sha512"})
"""What the format allows: sha256 or better."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    digest: str
    size: str


def check_record(bundle: ZipFile, folder: str) -> None:
    """Check that RECORD lists every member with its right hash and size, and nothing else.

    Args:
        bundle: the wheel, its members checked already.
        folder: its ``.dist-info`` folder.

    Raises:
        ValueError: they do not agree.
    """
    members = {member.filename: member for member in bundle.infolist() if not member.is_dir()}
    lines = _read_lines(bundle, f"{folder}/RECORD", members)
    unrecorded = {f"{folder}/RECORD{suffix}" for suffix in ("", ".jws", ".p7s")}
    for name in members.keys() - lines.keys() - unrecorded:
        raise ValueError(f"its RECORD does not list {shown(name)}")
    for name, line in lines.items():
        if name not in unrecorded:
            _check_member(bundle, members[name], line)


def _read_lines(bundle: ZipFile, name: str, members: Mapping[str, ZipInfo]) -> dict[str, _Line]:
    """Read the lines one by one, each of another member: a short file can hold millions of them."""
    if name not in members:
        raise ValueError("it has no RECORD")
    lines: dict[str, _Line] = {}
    try:
        for row in csv.reader(_text_lines(bundle, name), strict=True):
            if not row:
                continue
            if len(row) != _COLUMNS:
                raise ValueError(f"its RECORD has a line of {len(row)} columns")
            if row[0] in lines:
                raise ValueError(f"its RECORD lists {shown(row[0])} twice")
            if row[0] not in members:
                raise ValueError(f"its RECORD lists {shown(row[0])}, which it does not have")
            lines[row[0]] = _Line(digest=row[1], size=row[2])
    except csv.Error as error:
        raise ValueError(f"its RECORD cannot be read ({error})") from error
    return lines


def _text_lines(bundle: ZipFile, name: str) -> Iterator[str]:
    if bundle.getinfo(name).file_size > _RECORD_BYTES:
        raise ValueError(f"its RECORD has {bundle.getinfo(name).file_size} bytes")
    with bundle.open(name) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        while line := text.readline(_LINE_LENGTH + 1):
            if len(line) > _LINE_LENGTH:
                raise ValueError(f"its RECORD has a line of more than {_LINE_LENGTH} characters")
            yield line


def _check_member(bundle: ZipFile, member: ZipInfo, line: _Line) -> None:
    algorithm, _, promised = line.digest.partition("=")
    if algorithm not in _DIGESTS:
        raise ValueError(f"its RECORD has no sha256 of {shown(member.filename)}")
    digest = hashlib.new(algorithm)
    with bundle.open(member) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    found = base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
    if found != promised.rstrip("=") or (line.size and line.size != str(member.file_size)):
        raise ValueError(f"its RECORD says something else of {shown(member.filename)} than what it has")
