"""How much room a disk has, and the error for too little of it: it is full, below what is kept free, or has a quota."""

import errno
import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from wheelyard.errors import DiskFullError

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def check_free_space(folder: Path, floor_bytes: int) -> None:
    """Raise DiskFullError if less is free than what is kept free."""
    free = shutil.disk_usage(folder).free
    if free < floor_bytes:
        raise DiskFullError(path=str(folder), free_bytes=free, floor_bytes=floor_bytes)


def disk_full_error(error: OSError, folder: Path, *, floor_bytes: int = 0) -> DiskFullError | None:
    """Return what the operating system's word for a full disk means; None if the error is another one."""
    if error.errno not in _FULL:
        return None
    path = Path(os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else folder)
    quota_of = _user() if error.errno == errno.EDQUOT else ""
    free = _free_bytes(path, folder)
    return DiskFullError(path=str(path), free_bytes=free, floor_bytes=floor_bytes, quota_of=quota_of)


@contextmanager
def disk_errors(folder: Path, *, floor_bytes: int = 0) -> Iterator[None]:
    """Turn the operating system's word for a full disk into ours, whichever file was written."""
    try:
        yield
    except OSError as error:
        full = disk_full_error(error, folder, floor_bytes=floor_bytes)
        if full is None:
            raise
        raise full from error


def _free_bytes(*places: Path) -> int | None:
    """Return what is free at the first of these places that is there, or around it."""
    for place in places:
        for folder in (place, *place.parents):
            try:
                return shutil.disk_usage(folder).free
            except OSError:
                continue
    return None


def _user() -> str:
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
