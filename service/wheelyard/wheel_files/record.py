"""Compare a wheel's RECORD (the binary distribution format) with its members.

It reads every member, so that the check covers the bytes that installers get.
"""

import base64
import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zipfile import ZipFile, ZipInfo

from wheelyard.wheel_files.members import PROGRAMS, installed_path, plain, shown

_RECORD_BYTES: Final = 64 << 20
_BLOCK_BYTES: Final = 1 << 20
_LINE_LENGTH: Final = 4096
"""The length of a quoted name of 1,000 bytes with its digest and size."""
_COLUMNS: Final = 3
_DIGESTS: Final = frozenset({"sha256", "sha384", "sha512"})
"""The hashes that the format allows: sha256 or better."""


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
    """Read the lines one by one, each of another member: a short file can have millions of them."""
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


_GROUPS: Final = frozenset({"console_scripts", "gui_scripts"})
_PYTHON: Final = re.compile(r"python[0-9.]*[dtw]*(?:\.(?:exe|dll|zip|_pth))?")


def check_scripts(names: Sequence[str], entry_points: bytes) -> None:
    """Refuse programs that would be installed elsewhere, or would replace the Python of the environment.

    Installers join an entry point's name to the folder of scripts, and write a program there
    (https://github.com/pypa/pip/pull/14000).

    Args:
        names: the wheel's members.
        entry_points: its ``entry_points.txt``, empty if it has none.

    Raises:
        ValueError: there is such a program.
    """
    for script in _scripts(entry_points.decode()):
        if not script.isprintable() or not {"/", "\\"}.isdisjoint(script) or script in {"", ".", ".."}:
            raise ValueError(f"its entry point {shown(script)} is no plain file name")
        _check_place(script)
    for name in names:
        folder, _, file = installed_path(name).rpartition("/")
        if plain(folder) in {"", PROGRAMS}:
            _check_place(file)


def _check_place(script: str) -> None:
    if _PYTHON.fullmatch(plain(script)) or plain(script) == "pyvenv.cfg":
        raise ValueError(f"its file {shown(script)} would take the place of the Python that it is installed for")


def _scripts(entry_points: str) -> Iterator[str]:
    """Return the names of programs, parsed as loosely as by any installer.

    uv also accepts ``[console_scripts] ; text`` as the group. Parsers of ini files, uv's among them, also separate a
    name from its value at a colon (https://github.com/astral-sh/uv/issues/19439).
    """
    is_group = False
    for line in map(str.strip, entry_points.splitlines()):
        if line.startswith("["):
            is_group = any(group in line for group in _GROUPS)
        elif is_group and line and not line.startswith(("#", ";")):
            name = line.partition("=")[0].strip()
            yield name
            yield from {name.partition(":")[0].strip(), name.partition("#")[0].strip()} - {name, ""}
