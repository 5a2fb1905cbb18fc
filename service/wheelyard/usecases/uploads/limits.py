"""Limits of what is received: how many files and bytes one token sends, how many at once, and for how long."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from wheelyard.usecases.access import ParallelLimit, RequestLimit
from wheelyard.wheel_files.received import ReceivedFile

_MIB: Final = 1 << 20
_ALL: Final = ""
"""The one caller of the limit that all tokens share."""


class UploadLimits:
    """Lets each token send so many files and bytes a minute, and all of them so many files at once; 0 is no limit."""

    def __init__(self, *, per_minute: int = 0, bytes_per_minute: int = 0, at_once: int = 0) -> None:
        self._files = RequestLimit(what="uploads with this token", per_minute=per_minute)
        mebibytes = max(1, bytes_per_minute // _MIB) if bytes_per_minute else 0
        self._mebibytes = RequestLimit(what="MiB uploaded with this token", per_minute=mebibytes)
        self._at_once = ParallelLimit(
            what="uploads", most=at_once, setting="WHEELYARD_CONCURRENT_UPLOADS", whose="All callers together"
        )

    @contextlib.contextmanager
    def receiving(self, caller: str) -> Iterator[None]:
        """Count a file for the length of a block; raise TooMuchOpenError or TooManyRequestsError."""
        self._at_once.check(_ALL)
        self._mebibytes.check(caller)
        self._files.take(caller)
        with self._at_once.hold(_ALL):
            yield

    def count_bytes(self, caller: str, size: int) -> None:
        """Count received bytes; raise TooManyRequestsError if the token has none left. Threads may call it."""
        self._mebibytes.take(caller, size / _MIB)


@contextlib.contextmanager
def receive_file(
    folder: Path, limits: UploadLimits, caller: str, *, limit_bytes: int, check_room: Callable[[int], None]
) -> Iterator[ReceivedFile]:
    """Make a file that a token's upload is received into; raise TooMuchOpenError or TooManyRequestsError."""

    def check(size: int) -> None:
        limits.count_bytes(caller, size)
        check_room(size)

    with limits.receiving(caller), ReceivedFile(folder, limit_bytes=limit_bytes, check_room=check) as file:
        yield file
