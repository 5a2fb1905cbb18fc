"""Write a wheel anew with other content of some members, and leave everything else as it is."""

from __future__ import annotations

import base64
import copy
import csv
import hashlib
import io
import stat
import struct
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

_HEAD = struct.Struct("<26sHH")
"""A local file header, whose last numbers are the lengths of the name and the extra field (APPNOTE.TXT, 4.3.7)."""
_HAS_DESCRIPTOR = 0x08
_BLOCK = 1 << 20
_REGULAR_FILE = (stat.S_IFREG | 0o644) << 16


def info_folder(wheel: Path) -> str:
    """Return the name of a wheel's ``.dist-info`` folder."""
    with zipfile.ZipFile(wheel) as bundle:
        tops = {member.partition("/")[0] for member in bundle.namelist()}
    return next(top for top in sorted(tops) if top.endswith(".dist-info"))


def signatures(wheel: Path) -> list[str]:
    """Return the members that sign RECORD, which hold for these bytes alone."""
    info = info_folder(wheel)
    with zipfile.ZipFile(wheel) as bundle:
        return [name for name in (f"{info}/RECORD.jws", f"{info}/RECORD.p7s") if name in bundle.namelist()]


def rewrite_wheel(
    wheel: Path,
    folder: Path,
    content: Mapping[str, bytes],
    dropped: Collection[str] = (),
    added: Mapping[str, bytes] | None = None,
) -> Path:
    """Return a copy of a wheel in a folder, with new content of members, without others, and with a true RECORD.

    Added members stand before RECORD, with its time. The compressed data of all others is copied as it is.
    """
    record = f"{info_folder(wheel)}/RECORD"
    added = added or {}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(path, "w") as new:
        content = {**content, record: _record(old.read(record), {**content, **added}, dropped, added)}
        for member in old.infolist():
            if member.filename in dropped:
                continue
            if member.filename == record:
                _add_members(new, added, like=member)
            if (data := content.get(member.filename)) is None:
                _copy_member(old, new, member)
            else:
                new.writestr(member, data)
    return path


def _add_members(new: zipfile.ZipFile, added: Mapping[str, bytes], *, like: zipfile.ZipInfo) -> None:
    """Write new members, with the time of another one."""
    for name, data in added.items():
        info = zipfile.ZipInfo(name, like.date_time)
        info.external_attr, info.compress_type = _REGULAR_FILE, zipfile.ZIP_DEFLATED
        new.writestr(info, data)


def _copy_member(old: zipfile.ZipFile, new: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Copy a member without decompressing it, which the standard library has no function for.

    Compressing large members again would take longer than everything else here.
    https://github.com/python/cpython/issues/51067
    """
    source, target = old.fp, new.fp
    if source is None or target is None or member.flag_bits & _HAS_DESCRIPTOR:
        new.writestr(member, old.read(member))
        return
    source.seek(member.header_offset)
    head = source.read(_HEAD.size)
    names = sum(_HEAD.unpack(head)[-2:])
    copied = copy.copy(member)
    copied.header_offset = new.start_dir
    target.seek(new.start_dir)
    target.write(head)
    left = names + member.compress_size
    while left and (block := source.read(min(left, _BLOCK))):
        target.write(block)
        left -= len(block)
    new.filelist.append(copied)
    new.NameToInfo[copied.filename] = copied
    new.start_dir = target.tell()


def _record(text: bytes, content: Mapping[str, bytes], dropped: Collection[str], added: Collection[str]) -> bytes:
    rows = [row for row in csv.reader(io.StringIO(text.decode(), newline="")) if row and row[0] not in dropped]
    listed = {row[0] for row in rows}
    at = next((at for at, row in enumerate(rows) if row[0].endswith(".dist-info/RECORD")), len(rows))
    rows[at:at] = [[name] for name in added if name not in listed]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(
        [row[0], _digest(content[row[0]]), len(content[row[0]])] if row[0] in content else row for row in rows
    )
    return buffer.getvalue().encode()


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
