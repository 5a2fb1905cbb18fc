"""Opens untrusted zip files.

The standard library makes an object of every entry of a zip's directory when the file is opened. A file of a few
hundred MiB can have millions of entries, so the directory's size is checked before it is parsed
(https://github.com/python/cpython/issues/153460).
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final
from zipfile import ZipFile

MAX_MEMBERS: Final = 100_000
_MAX_DIRECTORY_BYTES: Final = 32 << 20
"""Three times the size that a directory of so many members with usual names has."""
_MAX_TAIL_BYTES: Final = 128 << 10
"""The limit of reads to the end of the file, where zipfile looks for the directory's size."""
_ENTRY: Final = b"PK\x01\x02"


@contextmanager
def open_zip(source: Path | io.BufferedIOBase) -> Iterator[ZipFile]:
    """Open a zip file; raise ValueError with the reason if its directory is too large, or what zipfile raises."""
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
        measured = _MeasuredFile(file)
        try:
            with ZipFile(measured) as bundle:
                measured.is_measured = False
                yield bundle
        finally:
            measured.detach()


class _MeasuredFile(io.BufferedReader):
    """A file with a limit for each read until its directory is known."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        super().__init__(file)
        self._size = self.seek(0, io.SEEK_END)
        self.is_measured = True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read with the limit."""
        if not self.is_measured:
            return super().read(size)
        if size is None or size < 0:
            return super().read(min(self._size - self.tell(), _MAX_TAIL_BYTES))
        if size > _MAX_DIRECTORY_BYTES:
            raise ValueError(f"it lists its members in {size} bytes, and {_MAX_DIRECTORY_BYTES} are allowed")
        content = super().read(size)
        if (entries := content.count(_ENTRY)) > MAX_MEMBERS:
            raise ValueError(f"it has {entries} members, and {MAX_MEMBERS} are allowed")
        return content
