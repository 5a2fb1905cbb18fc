"""Compare a wheel's RECORD (the binary distribution format) with the members that are really there.

Reads every member, so what is checked is what installers get. Must not unpack anything.
"""

import base64
import csv
import hashlib
import io
from dataclasses import dataclass
from typing import Final
from zipfile import ZipFile, ZipInfo

from wheelyard.pipeline.wheel_members import shown

_RECORD_BYTES: Final = 64 << 20
_BLOCK_BYTES: Final = 1 << 20
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
    lines = _read_lines(bundle, f"{folder}/RECORD")
    unrecorded = {f"{folder}/RECORD{suffix}" for suffix in ("", ".jws", ".p7s")}
    members = {member.filename: member for member in bundle.infolist() if not member.is_dir()}
    for name in lines.keys() - members.keys():
        raise ValueError(f"its RECORD lists {shown(name)}, which it does not have")
    for name in members.keys() - lines.keys() - unrecorded:
        raise ValueError(f"its RECORD does not list {shown(name)}")
    for name, line in lines.items():
        if name not in unrecorded:
            _check_member(bundle, members[name], line)


def _read_lines(bundle: ZipFile, name: str) -> dict[str, _Line]:
    text = _read_text(bundle, name)
    lines: dict[str, _Line] = {}
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error as error:
        raise ValueError(f"its RECORD cannot be read ({error})") from error
    for row in rows:
        if len(row) != _COLUMNS:
            raise ValueError(f"its RECORD has a line of {len(row)} columns")
        if row[0] in lines:
            raise ValueError(f"its RECORD lists {shown(row[0])} twice")
        lines[row[0]] = _Line(digest=row[1], size=row[2])
    return lines


def _read_text(bundle: ZipFile, name: str) -> str:
    if name not in bundle.namelist():
        raise ValueError("it has no RECORD")
    if bundle.getinfo(name).file_size > _RECORD_BYTES:
        raise ValueError(f"its RECORD has {bundle.getinfo(name).file_size} bytes")
    return bundle.read(name).decode()


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
