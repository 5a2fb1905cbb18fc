"""Unpack an sdist into one fixed place. Runs in the sandbox: the archive is hostile."""

from __future__ import annotations

import calendar
import lzma
import os
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

from wheelyard_agent.job import JobError

# What the archive modules raise for files that are broken, encrypted, or say times that no clock shows.
_UNREADABLE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(RuntimeError, OverflowError, OSError, EOFError, ValueError),
    KeyError,  # a hard link to a member that is not there
)
_EARLIEST_ZIP_TIME = 315532800  # 1980-01-01: a zip file, and so a wheel, cannot hold an earlier time


def unpack_sdist(archive: Path, where: Path) -> tuple[Path, int]:
    """Unpack and return the source folder and the time for SOURCE_DATE_EPOCH: the newest member's, in seconds."""
    where.mkdir()
    try:
        newest = _unpack_zip(archive, where) if archive.suffix == ".zip" else _unpack_tar(archive, where)
    except _UNREADABLE as error:
        raise JobError("invalid-sdist", reason=f"it cannot be unpacked ({error})") from error
    folders = [path for path in where.iterdir() if path.is_dir()]
    if len(folders) != 1:
        raise JobError("invalid-sdist", reason=f"it holds {len(folders)} top-level folders instead of one")
    return folders[0], min(max(newest, _EARLIEST_ZIP_TIME), int(time.time()))


def _unpack_tar(archive: Path, where: Path) -> int:
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        # PEP 706's data filter refuses absolute and outside paths, devices, and links that leave the folder.
        tar.extractall(where, members=members, filter="data")
        return max((int(member.mtime) for member in members), default=0)


def _unpack_zip(archive: Path, where: Path) -> int:
    newest = 0
    with zipfile.ZipFile(archive) as bundle:
        for member in bundle.infolist():
            path = bundle.extract(member, where)
            stamp = calendar.timegm(member.date_time)
            os.utime(path, (stamp, stamp))
            newest = max(newest, stamp)
    return newest
