"""Write a wheel anew with other content of some members, and leave everything else as it is."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path


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


def rewrite_wheel(wheel: Path, folder: Path, content: Mapping[str, bytes], dropped: Collection[str] = ()) -> Path:
    """Return a copy of a wheel in a folder, with new content of members, without others, and with a true RECORD."""
    record = f"{info_folder(wheel)}/RECORD"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(path, "w") as new:
        content = {**content, record: _record(old.read(record), content, dropped)}
        for member in old.infolist():
            if member.filename not in dropped:
                data = content.get(member.filename)
                new.writestr(member, old.read(member) if data is None else data)
    return path


def _record(text: bytes, content: Mapping[str, bytes], dropped: Collection[str]) -> bytes:
    rows = [row for row in csv.reader(io.StringIO(text.decode(), newline="")) if row and row[0] not in dropped]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(
        [row[0], _digest(content[row[0]]), len(content[row[0]])] if row[0] in content else row for row in rows
    )
    return buffer.getvalue().encode()


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
