"""Unpack archives: the sdist, and archives of a recipe.

This runs in the sandbox, because the archive is untrusted.
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

# Exceptions of the archive modules for files that are broken, encrypted, or have impossible times.
UNREADABLE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(RuntimeError, OverflowError, OSError, EOFError, ValueError),
    KeyError,  # a hard link to a missing member
)
"""Exceptions of unpacking for invalid archives."""
_MAX_MEMBERS = 200_000
_EARLIEST_ZIP_TIME = 315532800  # 1980-01-01: a zip file, and so a wheel, cannot have an earlier time


def unpack_sdist(archive: Path, where: Path) -> tuple[Path, int]:
    """Unpack an sdist; return the source folder and the newest member's time in seconds, for SOURCE_DATE_EPOCH."""
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
    """Unpack a zip or tar file of any name into a folder; raise one of UNREADABLE."""
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
    """Yield the members in order; refuse a negative size, which would loop forever.

    https://github.com/python/cpython/issues/130577 (CVE-2025-8194)
    """
    place = -1
    for member in tar:
        if member.offset <= place:
            raise ValueError("its members lead back to earlier ones")
        place = member.offset
        yield member


def _check_room(where: Path, sizes: Sequence[int]) -> None:
    """Refuse files that need more space than is free, before writing them, which could take long."""
    if len(sizes) > _MAX_MEMBERS:
        raise ValueError(f"it has more than {_MAX_MEMBERS} members")
    if sum(sizes) > shutil.disk_usage(where).free:
        raise OSError(errno.ENOSPC, f"it unpacks to {sum(sizes)} bytes")


def _check_inside(name: str) -> None:
    """Refuse paths in a zip file that PEP 706's filter refuses in a tar file; zipfile would silently change them."""
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
