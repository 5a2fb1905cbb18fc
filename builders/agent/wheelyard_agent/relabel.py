"""Give a wheel another version: in its file name, the names of its folders, METADATA and RECORD."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
from pathlib import Path

from wheelyard_agent.job import JobError, say

_VERSION_LINE = re.compile(rb"^Version:[^\r\n]*", re.MULTILINE | re.IGNORECASE)
_MAX_METADATA = 16 << 20


def relabel_wheel(wheel: Path, *, made: str, version: str) -> Path:
    """Write a copy of a wheel with another version beside it, and return it.

    Args:
        wheel: It must have the version ``made``, in the form that its backend writes.
        made: The version of the sdist that it was built from.
        version: The new version, normalised.
    """
    name, old, rest = wheel.name.split("-", 2)
    if _key(old) != _key(made):
        raise JobError("build-failed", exit_reason=f"its sdist has version {made}, and its wheel {old}")
    target = wheel.with_name(f"{name}-{version}-{rest}")
    try:
        with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
            _copy(source, copy, f"{name}-{version}", version)
    except (zipfile.BadZipFile, KeyError, ValueError, RuntimeError, NotImplementedError) as error:
        raise JobError("build-failed", exit_reason=f"its wheel cannot be read ({error})") from error
    say(f"the wheel's version is {version}: {made} could be taken for the release")
    wheel.unlink()
    return target


def _copy(source: zipfile.ZipFile, copy: zipfile.ZipFile, stem: str, version: str) -> None:
    infos = [name for name in source.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
    if len(infos) != 1:
        raise ValueError(f"it has {len(infos)} METADATA files")
    old = infos[0].removesuffix(".dist-info/METADATA")
    rows: list[tuple[str, str, str]] = []
    for member in source.infolist():
        renamed = _renamed(member.filename, old, stem)
        if renamed in {f"{stem}.dist-info/RECORD", f"{stem}.dist-info/RECORD.jws", f"{stem}.dist-info/RECORD.p7s"}:
            continue
        content = source.read(member)
        if renamed == f"{stem}.dist-info/METADATA":
            content = _with_version(content, version)
        _write(copy, renamed, content, member)
        if not member.is_dir():
            rows.append((renamed, _digest(content), str(len(content))))
    record = io.StringIO()
    csv.writer(record, lineterminator="\n").writerows([*rows, (f"{stem}.dist-info/RECORD", "", "")])
    _write(copy, f"{stem}.dist-info/RECORD", record.getvalue().encode(), source.getinfo(f"{old}.dist-info/RECORD"))


def _write(copy: zipfile.ZipFile, name: str, content: bytes, like: zipfile.ZipInfo) -> None:
    info = zipfile.ZipInfo(name, like.date_time)
    info.external_attr, info.compress_type = like.external_attr, zipfile.ZIP_DEFLATED
    copy.writestr(info, content)


def _renamed(member: str, old: str, stem: str) -> str:
    for folder in (".dist-info/", ".data/"):
        if member.startswith(old + folder):
            return f"{stem}{folder}{member.removeprefix(old + folder)}"
    return member


def _with_version(metadata: bytes, version: str) -> bytes:
    """Replace the version in the headers; the description behind them stays."""
    if len(metadata) > _MAX_METADATA:
        raise ValueError("its METADATA is too large")
    end = min((at for at in (metadata.find(b"\n\n"), metadata.find(b"\r\n\r\n")) if at >= 0), default=len(metadata))
    head, count = _VERSION_LINE.subn(f"Version: {version}".encode(), metadata[:end])
    if count != 1:
        raise ValueError(f"its METADATA has {count} versions")
    return head + metadata[end:]


def _digest(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def _key(version: str) -> str:
    """Return a version without the differences that escaping in file names makes."""
    return re.sub(r"[-_.+]+", ".", version.lower())
