"""The index of a suite's archive: its packages and the files that builds look for, sorted so that a look-up bisects.

An index is text, so that a process maps it into memory and reads a few of its lines. It has a line for itself, then a
line for each package, sorted by name, then a line for each source package in each version, sorted by name, then a line
for each file, sorted by its reversed path: ``fftw3.h/include/usr``.
So everything that ends in ``openssl/ssl.h`` stands together. Files are sorted without regard to case, because CMake's
names are looked up so.
"""

import mmap
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from wheelyard.domain.builds.components import PackageSourceFile, SourcePackage

FORMAT: Final = 2
"""Number of this format; an index of another one is read anew."""
_HEAD: Final = f"wheelyard-archive {FORMAT} ".encode()
MOST_BYTES: Final = 1 << 28
"""Size of an index, or of what a package manager prints, in bytes; Debian's are 40 MiB."""
_BREAK: Final = b"\n--\n"
_TOP: Final = (b"bin/", b"lib/", b"lib32/", b"lib64/", b"sbin/")
"""Folders that are links into usr in every suite with a merged usr: https://wiki.debian.org/UsrMerge."""
_DEPENDENCY: Final = re.compile(rb"(?:^|[,|])\s*([^\s,|(:<>=~]+)")
_VERSION: Final = re.compile(rb"-?\d+(?:\.\d+)*")

_TABS: Final = 4
"""Tabs in a line about a package that a package manager prints."""

_SOURCE_TABS: Final = 3
"""Tabs in a line about a source package."""
_SOURCE_FILE: Final = re.compile(r"([0-9a-f]{64}):([0-9]{1,15}):([A-Za-z0-9][A-Za-z0-9+.~_-]{0,250})")
_FOLDER: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/[A-Za-z0-9+.~_/%-]*")

Buffer = bytes | mmap.mmap


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivePackage:
    """A package of an archive."""

    name: str
    version: str
    installed_bytes: int = 0
    """Its size without its dependencies; 0 if the archive does not say."""
    section: str = ""
    """``libdevel``, ``oldlibs`` and so on; empty if the archive has no sections."""
    dependents: int = 0
    """How many packages of the archive depend on it: a measure of how much it is used."""
    default_of: str = ""
    """The package that installs it as the default of its versions, as libdb-dev installs libdb5.3-dev."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveFile:
    """A file of an archive."""

    path: str
    """Its path from the root, without the leading slash."""
    packages: tuple[str, ...]


class ArchiveEmptyError(ValueError):
    """What a package manager printed has no packages or no files."""


def write_index(output: bytes) -> bytes:
    """Return the index of what ``PackageManager.read_archive`` printed: packages, files, source packages.

    Raises:
        ArchiveEmptyError: It has no packages or no files.
    """
    listed, _, rest = output.partition(_BREAK)
    files, _, sources = rest.partition(_BREAK)
    packages, lines = _package_lines(listed), _file_lines(files)
    if not packages or not lines:
        raise ArchiveEmptyError("no packages" if not packages else "no files")
    first = b"\n".join(packages) + b"\n"
    second = b"".join(line + b"\n" for line in _source_lines(sources))
    return b"%s%d %d\n%s%s%s\n" % (_HEAD, len(first), len(second), first, second, b"\n".join(lines))


def pack_archive(compressed: bytes) -> bytes:
    """Return the compressed index of what a package manager printed, which is compressed by gzip.

    Raises:
        ArchiveEmptyError: It has no packages or no files.
        ValueError: It is too long, or damaged.
    """
    return zlib.compress(write_index(_decompress(compressed, zlib.MAX_WBITS | 16)), 6)


def unpack_index(packed: bytes) -> bytes:
    """Return an index that ``pack_archive`` compressed; raise ValueError if it is damaged, or of another format."""
    index = _decompress(packed, zlib.MAX_WBITS)
    if not index.startswith(_HEAD):
        raise ValueError("the index has another format")
    return index


def _decompress(data: bytes, bits: int) -> bytes:
    machine = zlib.decompressobj(bits)
    try:
        text = machine.decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"it is damaged: {error}") from error
    if not machine.eof:
        raise ValueError(f"it is cut off, or longer than {MOST_BYTES >> 20} MiB")
    return text


def _package_lines(listed: bytes) -> list[bytes]:
    """Return a line for each package: name, version, bytes, section, dependents and default, separated by tabs."""
    rows = [line.split(b"\t") for line in listed.split(b"\n") if line.count(b"\t") == _TABS]
    needs = {row[0]: set(_DEPENDENCY.findall(row[4])) for row in rows}
    dependents = Counter(name for names in needs.values() for name in names)
    lines = {row[0]: b"\t".join([*row[:4], b"%d" % dependents[row[0]], _default(row[0], needs)]) for row in rows}
    return [lines[name] for name in sorted(lines)]


def _default(name: bytes, needs: dict[bytes, set[bytes]]) -> bytes:
    """Return the package without a version in its name that depends on one with it."""
    plain = _VERSION.sub(b"", name)
    return plain if plain != name and name in needs.get(plain, ()) else b""


def _source_lines(sources: bytes) -> list[bytes]:
    """Return a line for each source package: name, version, address of its folder, and files, separated by tabs."""
    rows = (line.split(b"\t") for line in sources.split(b"\n") if line.count(b"\t") == _SOURCE_TABS)
    lines: dict[tuple[bytes, bytes], bytes] = {}
    for row in rows:
        lines.setdefault((row[0], row[1]), b"\t".join(row))
    return [lines[key] for key in sorted(lines)]


def _file_lines(files: bytes) -> list[bytes]:
    """Return a line for each file: its reversed path and its packages, separated by a tab."""
    found: dict[bytes, bytes] = {}
    for line in files.split(b"\n"):
        path, _, holders = line.strip().rpartition(b" ")
        path = path.rstrip().lstrip(b"./")
        if not path or b"\t" in path:
            continue
        if path.startswith(_TOP):
            path = b"usr/" + path
        key = b"/".join(reversed(path.split(b"/")))
        names = [holder.rpartition(b"/")[2] for holder in holders.split(b",")]
        if key in found:
            names = list(dict.fromkeys([*found[key].split(b","), *names]))
        found[key] = b",".join(names)
    return [b"%s\t%s" % (key, found[key]) for key in sorted(found, key=bytes.lower)]


def _files_of(folder: str, listed: str) -> tuple[PackageSourceFile, ...]:
    """Return the files of a source package; none if a part of the line is not what an archive lists."""
    matches = [_SOURCE_FILE.fullmatch(one) for one in listed.split(",")]
    if not _FOLDER.fullmatch(folder) or not all(matches):
        return ()
    return tuple(
        PackageSourceFile(name=one[3], url=f"{folder}/{one[3]}", sha256=one[1], size_bytes=int(one[2]))
        for one in matches
        if one
    )


class ArchiveIndex:
    """An index in memory, or mapped into it."""

    def __init__(self, buffer: Buffer) -> None:
        head = buffer[: buffer.find(b"\n") + 1]
        if not head.startswith(_HEAD):
            raise ValueError("the index has another format")
        self._buffer = buffer
        packages, sources = map(int, head[len(_HEAD) :].split())
        self._packages = len(head)
        self._sources = len(head) + packages
        self._files = self._sources + sources

    def find_package(self, name: str) -> ArchivePackage | None:
        """Return a package by its name; None if the archive has none."""
        key = name.encode(errors="replace")
        at = self._bisect(key, self._packages, self._sources, fold=False)
        fields = self._line(at).decode(errors="replace").split("\t") if at < self._sources else []
        if fields[:1] != [name]:
            return None
        return ArchivePackage(
            name=name,
            version=fields[1],
            installed_bytes=int(fields[2]) if fields[2].isdecimal() else 0,
            section=fields[3],
            dependents=int(fields[4]),
            default_of=fields[5],
        )

    def find_source(self, name: str, version: str) -> SourcePackage | None:
        """Return a source package in one version, with its files; None if the archive does not have it."""
        key = name.encode(errors="replace")
        at = self._bisect(key, self._sources, self._files, fold=False)
        while at < self._files:
            line = self._line(at)
            fields = line.decode(errors="replace").split("\t")
            if fields[0] != name:
                return None
            if fields[1] == version:
                files = _files_of(fields[2], fields[3])
                return SourcePackage(name=name, version=version, files=files) if files else None
            at += len(line) + 1
        return None

    def find_files(self, tail: str, *, most: int) -> Iterator[ArchiveFile]:
        """Yield the files whose path ends in some of its parts, such as ``openssl/ssl.h``, whatever their case.

        Args:
            tail: The last parts of the path.
            most: How many files to yield at most.
        """
        key = "/".join(reversed(tail.split("/"))).lower().encode(errors="replace") + b"/"
        at, end = self._bisect(key, self._files, len(self._buffer), fold=True), len(self._buffer)
        for _ in range(most):
            line = self._line(at) if at < end else b""
            if not line.lower().startswith(key):
                return
            reverse, _, names = line.decode(errors="replace").partition("\t")
            yield ArchiveFile(path="/".join(reversed(reverse.split("/"))), packages=tuple(names.split(",")))
            at += len(line) + 1

    def _bisect(self, key: bytes, low: int, high: int, *, fold: bool) -> int:
        """Return the offset of the first line between two offsets whose first field is not less than a key."""
        while low < high:
            middle = (low + high) // 2
            start = max(low, self._buffer.rfind(b"\n", low, middle) + 1)
            line = self._line(start)
            field = line.partition(b"\t")[0]
            if (field.lower() if fold else field) < key:
                low = start + len(line) + 1
            else:
                high = start
        return low

    def _line(self, start: int) -> bytes:
        return self._buffer[start : self._buffer.find(b"\n", start)]
