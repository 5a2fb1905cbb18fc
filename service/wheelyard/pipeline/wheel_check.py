"""Check the members of a wheel as untrusted data: their names, kinds and sizes, before anything is read or unpacked.

Must not read what members hold. What is refused here would be unpacked differently on some machine than on others, or
outside of its folder, or without end.
"""

import re
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

from wheelyard.zip_files import MAX_MEMBERS

MAX_UNPACKED_BYTES: Final = 8 << 30
_MAX_NAME_BYTES: Final = 1000
_MAX_PART_BYTES: Final = 255  # what file systems take
_MAX_PARTS: Final = 100
_LOCAL_HEADER_BYTES: Final = 30
_SHOWN: Final = 100
# Control characters, and those that reverse the direction of writing.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_KINDS: Final = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def check_members(members: Sequence[ZipInfo]) -> None:
    """Check all members; raises ValueError with the reason."""
    if len(members) > MAX_MEMBERS:
        raise ValueError(f"it has {len(members)} members, and {MAX_MEMBERS} are allowed")
    for member in members:
        _check_name(member)
        _check_kind(member)
    _check_distinct([member.filename for member in members])
    _check_sizes(members)


def shown(name: str) -> str:
    """Quote a stranger's name for a message."""
    quoted = ascii(name)
    return quoted if len(quoted) <= _SHOWN else f"{quoted[:_SHOWN]}…"


def folded(name: str) -> str:
    """Give what names have in common that are one on some file system."""
    return unicodedata.normalize("NFC", name.removesuffix("/")).casefold()


def _check_name(member: ZipInfo) -> None:
    # zipfile cuts a name at its first NUL, so it is the original one that counts.
    name = member.orig_filename
    problem = next(_problems(name), None)
    if problem:
        raise ValueError(f"its member {shown(name)} {problem}")


def _problems(name: str) -> Iterator[str]:
    parts = name.removesuffix("/").split("/")
    if _UNPRINTABLE.search(name):
        yield "has control characters in its name"
    elif name.startswith("/") or _DRIVE.match(name):
        yield "has an absolute path"
    elif "\\" in name:
        yield "has a backslash in its name"
    elif not {"", ".", ".."}.isdisjoint(parts):
        yield "has a path that leaves its folder or is not normal"
    elif len(name.encode()) > _MAX_NAME_BYTES or any(len(part.encode()) > _MAX_PART_BYTES for part in parts):
        yield "has a name that is too long"
    elif len(parts) > _MAX_PARTS:
        yield f"is below more than {_MAX_PARTS} folders"


def _check_kind(member: ZipInfo) -> None:
    if member.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise ValueError(f"its member {shown(member.filename)} is compressed in a way that not every installer knows")
    mode = member.external_attr >> 16
    if kind := _KINDS.get(stat.S_IFMT(mode)):
        raise ValueError(f"its member {shown(member.filename)} is {kind}")
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise ValueError(f"its member {shown(member.filename)} is setuid or setgid")


def _check_distinct(names: Sequence[str]) -> None:
    """Refuse names that are one on some file system, and files that are folders of other members."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(folded(name))
        if other is not None:
            raise ValueError(f"its members {shown(other)} and {shown(name)} are one where case does not count")
        seen[folded(name)] = name
    files = {folded(name) for name in names if not name.endswith("/")}
    for name in names:
        for parent in PurePosixPath(folded(name)).parents:
            if str(parent) in files:
                raise ValueError(f"its member {shown(name)} is in a folder that is a file")


def _check_sizes(members: Sequence[ZipInfo]) -> None:
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES:
        raise ValueError(f"it unpacks to {unpacked} bytes, and {MAX_UNPACKED_BYTES} are allowed")
    placed = sorted(members, key=lambda member: member.header_offset)
    for one, following in pairwise(placed):
        if one.header_offset + _LOCAL_HEADER_BYTES + one.compress_size > following.header_offset:
            raise ValueError(f"its members {shown(one.filename)} and {shown(following.filename)} overlap")
