"""Read the members of an sdist as data: names, and contents on demand. Nothing is unpacked and nothing runs.

The archive is hostile, and this is not the sandbox. So the decompressed size, the number of members and the size of
their headers are limited. Members come in order, and links are never followed.
"""

import contextlib
import gzip
import hashlib
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from wheelyard.domain.comparison.wheels import SdistFacts
from wheelyard.domain.healing.prediction import predict_needs
from wheelyard.domain.sdist.contents import SdistContents, is_built, is_code, is_telling
from wheelyard.domain.sdist.need import Need
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import InvalidSdistError
from wheelyard.zip_files import MAX_MEMBERS, open_zip

_MAX_BYTES: Final = 1 << 30
"""How much of an archive is decompressed, in bytes."""
_MAX_CONTENT: Final = 4 << 20
"""How much of a member is read, in bytes."""
_MAX_HEADERS: Final = 8 << 20
"""Size of all extended headers together in bytes: a tar header can announce any size of its extension."""
_MAX_MEMBER_HEADERS: Final = 16 << 10
"""Size of all headers of one member in bytes: the time to read them grows with the square (CVE-2024-6232)."""
_LONG_NUMBER: Final = re.compile(rb"[0-9]{100}")
"""Number whose parsing takes longest there. No real header has it."""
_MAX_RECORDS: Final = 1000
"""How many pax records may apply to one member: those of global headers add up, and every member copies them."""
_MAX_MEMBERS: Final = MAX_MEMBERS

UNREADABLE: Final = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(RuntimeError, OverflowError, OSError, EOFError, ValueError, KeyError, NotImplementedError),
)
"""Errors that reading an archive can raise."""

Member = tuple[str, Callable[[], bytes] | None]
"""A member's name, and what reads the beginning of it; None if it is not a regular file."""


@contextlib.contextmanager
def open_members(archive: Path | io.BufferedIOBase, *, filename: str) -> Generator[Iterator[Member], None, None]:
    """Yield an iterator of an archive's members in order; it raises the errors of UNREADABLE."""
    with contextlib.closing(_read_zip(archive) if filename.endswith(".zip") else _read_tar(archive)) as members:
        yield _limited(members)


def _limited(members: Iterator[Member]) -> Iterator[Member]:
    for number, member in enumerate(members):
        if number == _MAX_MEMBERS:
            raise ValueError(f"it has more than {_MAX_MEMBERS} members")
        yield member


def _read_tar(archive: Path | io.BufferedIOBase) -> Generator[Member, None, None]:
    opened = {"filename": archive} if isinstance(archive, Path) else {"fileobj": archive}
    with _BoundedGzip(**opened, mode="rb") as plain, _Tar.open(fileobj=plain, mode="r:") as tar:
        place = -1
        while (member := tar.next()) is not None:
            # A negative size leads back to an earlier header, and so into an endless loop:
            # https://nvd.nist.gov/vuln/detail/CVE-2025-8194
            if member.offset <= place:
                raise ValueError("its members lead back to earlier ones")
            place = member.offset
            if len(tar.pax_headers) > _MAX_RECORDS or len(member.pax_headers) > _MAX_RECORDS:
                raise ValueError(f"its headers have more than {_MAX_RECORDS} records")
            # Otherwise tarfile keeps every header until the end.
            tar.members.clear()
            plain.begin_member()
            is_plain = member.isreg() and not member.issparse()
            yield member.name, partial(plain.read_content, member.offset_data, member.size) if is_plain else None


def _read_zip(archive: Path | io.BufferedIOBase) -> Generator[Member, None, None]:
    with open_zip(archive) as bundle:
        for info in bundle.infolist():
            yield info.filename, None if info.is_dir() else partial(_read_entry, bundle, info)


def _read_entry(bundle: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with bundle.open(info) as file:
        return file.read(_MAX_CONTENT)


class _Tar(tarfile.TarFile):
    members: list[tarfile.TarInfo]
    """The members that were read so far."""


class _BoundedGzip(gzip.GzipFile):
    """A compressed file of which only a limited part is read."""

    _left = _MAX_HEADERS
    _left_of_member = _MAX_MEMBER_HEADERS

    def begin_member(self) -> None:
        """Allow headers of the next member."""
        self._left_of_member = _MAX_MEMBER_HEADERS

    def read(self, size: int | None = -1) -> bytes:
        """Read a header, within the limits."""
        if size is None or not 0 <= size <= self._left_of_member:
            raise ValueError(f"a member's headers have more than {_MAX_MEMBER_HEADERS >> 10} KiB")
        if size > self._left:
            raise ValueError(f"its members' headers have more than {_MAX_HEADERS >> 20} MiB")
        self._left_of_member -= size
        if size > tarfile.BLOCKSIZE:
            self._left -= size
        self._check(self.tell() + size)
        content = super().read(size)
        if _LONG_NUMBER.search(content):
            raise ValueError("a member's headers have a number of a hundred digits")
        return content

    def read_content(self, place: int, size: int) -> bytes:
        """Read the beginning of a member."""
        self.seek(place)
        self._check(place + min(size, _MAX_CONTENT))
        return super().read(min(size, _MAX_CONTENT))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, by decompressing what is before it."""
        self._check(offset)
        return super().seek(offset, whence)

    @staticmethod
    def _check(place: int) -> None:
        if place > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES >> 30} GiB when it is decompressed")


_DEPTH: Final = 2
_SHOWN: Final = 80


def read_brought_sdist(path: Path, filename: str) -> bytes:
    """Return the PKG-INFO of an sdist that somebody brought, once its members were read; raise RefusedTextError.

    It must be what builds can unpack: one top folder, with one PKG-INFO, and no member outside of it.
    """
    try:
        with open_members(path, filename=filename) as members:
            return _only_metadata(members)
    except RefusedTextError:
        raise
    except UNREADABLE as error:
        raise RefusedTextError(f"it cannot be read ({error})") from error


def member_parts(name: str) -> list[str]:
    """Return the parts of a member's path; raise RefusedTextError for one that leads outside of its folder."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise RefusedTextError(f"its member {name[:_SHOWN]!r} leads outside of its folder")
    return parts


def _only_metadata(members: Iterator[Member]) -> bytes:
    folders: set[str] = set()
    found: list[bytes] = []
    for name, read in members:
        parts = member_parts(name)
        if len(parts) > 1 or read is None:
            folders.update(parts[:1])
        if len(folders) > 1:
            raise RefusedTextError("it has several top-level folders instead of one")
        if read is not None and len(parts) == _DEPTH and parts[1] == "PKG-INFO":
            found.append(read())
    if len(found) != 1:
        has = "no file" if not found else f"{len(found)} files"
        raise RefusedTextError(f"it has {has} PKG-INFO in its top folder, and needs one")
    return found[0]


def read_sdist_metadata(path: Path) -> bytes | None:
    """Return the content of the sdist's ``NAME-VERSION/PKG-INFO``; None if there is none that can be read."""
    return _read_at_top(path, "PKG-INFO")


def read_sdist_pyproject(path: Path) -> bytes | None:
    """Return the content of the sdist's ``NAME-VERSION/pyproject.toml``; None if there is none that can be read."""
    return _read_at_top(path, "pyproject.toml")


def _read_at_top(path: Path, file: str) -> bytes | None:
    try:
        with open_members(path, filename=path.name) as members:
            return next((read() for name, read in members if read is not None and _is_at_top(name, file)), None)
    except UNREADABLE:
        return None


def _is_at_top(name: str, file: str) -> bool:
    parts = name.split("/")
    return len(parts) == _DEPTH and parts[1] == file


_MAX_TEXT: Final = 1 << 20
_MAX_TEXTS: Final = 16 << 20
"""How much of all texts that describe the build is kept, in bytes."""
_MAX_CODE: Final = 256 << 10
"""How much of a source is kept, in bytes: includes are at its beginning."""
_MAX_CODES: Final = 24 << 20
_MAX_SOURCES: Final = 4000


class _Texts:
    """The texts that are kept of an sdist, within limits."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._left = _MAX_TEXTS
        self._left_of_code = _MAX_CODES
        self._sources = 0

    def add(self, path: str, read: Callable[[], bytes]) -> None:
        """Keep a file's text if it says something of the build."""
        if is_telling(path) and self._left > 0:
            self._left -= self._keep(path, read()[:_MAX_TEXT])
        elif is_code(path) and self._left_of_code > 0 and self._sources < _MAX_SOURCES:
            self._sources += 1
            self._left_of_code -= self._keep(path, read()[:_MAX_CODE])
        elif path.endswith(".py") and is_built(path) and self._left > 0:
            # A script of cffi may have any name.
            content = read()[:_MAX_CODE]
            if b"set_source(" in content:
                self._left -= self._keep(path, content)

    def _keep(self, path: str, content: bytes) -> int:
        self.texts[path] = content.decode(errors="replace")
        return len(content)


def read_sdist(archive: Path, *, filename: str) -> SdistContents:
    """Return an sdist's members, the texts that describe how it is built, and its sources; raise InvalidSdistError."""
    names: list[str] = []
    kept = _Texts()
    try:
        with open_members(archive, filename=filename) as members:
            for name, read in members:
                if read is not None:
                    path = _below_top(name)
                    names.append(path)
                    kept.add(path, read)
    except UNREADABLE as error:
        raise InvalidSdistError(file=filename, reason=f"it cannot be read ({error})") from error
    return SdistContents(names=tuple(names), texts=kept.texts)


def read_sdist_facts(archive: Path, filename: str) -> SdistFacts:
    """Return the digests of an sdist's files, as far as members are read; raise RefusedTextError."""
    files: dict[str, str] = {}
    programs: set[str] = set()
    try:
        with open_members(archive, filename=filename) as members:
            for name, read in members:
                if read is not None:
                    content = read()
                    # A member that is as long as what is read of one may be longer.
                    is_whole = len(content) < _MAX_CONTENT
                    files[_below_top(name)] = hashlib.sha256(content).hexdigest() if is_whole else ""
                    first, _, rest = content.partition(b"\n")
                    if is_whole and first.startswith(b"#!") and b"python" in first:
                        programs.add(hashlib.sha256(rest).hexdigest())
    except UNREADABLE as error:
        raise RefusedTextError(f"{filename} cannot be read ({error})") from error
    return SdistFacts(filename=filename, files=files, programs=frozenset(programs))


def read_needs(path: Path) -> tuple[Need, ...]:
    """Return what an sdist's build needs and a builder lacks; nothing if the sdist cannot be read.

    Its cost is limited but not small, so it belongs into a parser process.
    """
    try:
        return predict_needs(read_sdist(path, filename=path.name))
    except InvalidSdistError:
        return ()


def _below_top(name: str) -> str:
    """Return a member's path without the one top folder of an sdist (PEP 625)."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    return "/".join(parts[1:]) or "."
