"""Unpack archives: an sdist into one fixed place, and what a recipe adds to it.

Runs in the sandbox: the archive is hostile.
"""

from __future__ import annotations

import calendar
import errno
import itertools
import lzma
import os
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from wheelyard_agent.job import JobError
from wheelyard_agent.refusals import LIMIT_OF

# What the archive modules raise for files that are broken, encrypted, or say times that no clock shows.
UNREADABLE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(RuntimeError, OverflowError, OSError, EOFError, ValueError),
    KeyError,  # a hard link to a member that is not there
)
"""What unpacking raises for archives that nobody should have made."""
_MAX_MEMBERS = 200_000
_EARLIEST_ZIP_TIME = 315532800  # 1980-01-01: a zip file, and so a wheel, cannot hold an earlier time


def unpack_sdist(archive: Path, where: Path) -> tuple[Path, int]:
    """Unpack and return the source folder and the time for SOURCE_DATE_EPOCH: the newest member's, in seconds."""
    where.mkdir()
    try:
        newest = _unpack_zip(archive, where) if archive.suffix == ".zip" else _unpack_tar(archive, where)
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno in LIMIT_OF:
            raise
        raise JobError("invalid-sdist", reason=f"it cannot be unpacked ({error})") from error
    folders = [path for path in where.iterdir() if path.is_dir()]
    if len(folders) != 1:
        raise JobError("invalid-sdist", reason=f"it holds {len(folders)} top-level folders instead of one")
    return folders[0], min(max(newest, _EARLIEST_ZIP_TIME), int(time.time()))


def unpack_archive(archive: Path, where: Path) -> None:
    """Unpack a zip or tar file of any name into a folder; raises one of UNREADABLE."""
    with archive.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    if is_zip:
        _unpack_zip(archive, where)
    else:
        _unpack_tar(archive, where)


def _unpack_tar(archive: Path, where: Path) -> int:
    with tarfile.open(archive) as tar:
        members = list(itertools.islice(_in_order(tar), _MAX_MEMBERS + 1))
        _check_room(where, [member.size for member in members])
        # PEP 706's data filter refuses absolute and outside paths, devices, and links that leave the folder.
        tar.extractall(where, members=members, filter="data")
        return max((int(member.mtime) for member in members), default=0)


def _in_order(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Give the members as they come; a size below zero leads back, and would do so without end (CVE-2025-8194)."""
    place = -1
    for member in tar:
        if member.offset <= place:
            raise ValueError("its members lead back to earlier ones")
        place = member.offset
        yield member


def _check_room(where: Path, sizes: Sequence[int]) -> None:
    """Refuse what is more than there is room for, before it is written: that may take long to find out."""
    if len(sizes) > _MAX_MEMBERS:
        raise ValueError(f"it has more than {_MAX_MEMBERS} members")
    if sum(sizes) > shutil.disk_usage(where).free:
        raise OSError(errno.ENOSPC, f"it unpacks to {sum(sizes)} bytes")


def _check_inside(name: str) -> None:
    """Refuse in a zip file what the filter refuses in a tar file; zipfile would quietly put it somewhere else."""
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise ValueError(f"{name!r} leads outside of its folder")


def _unpack_zip(archive: Path, where: Path) -> int:
    newest = 0
    with zipfile.ZipFile(archive) as bundle:
        members = bundle.infolist()
        _check_room(where, [member.file_size for member in members])
        for member in members:
            _check_inside(member.filename)
            path = bundle.extract(member, where)
            stamp = calendar.timegm(member.date_time)
            os.utime(path, (stamp, stamp))
            newest = max(newest, stamp)
    return newest
