"""Releases of CPython in Debian's signed index of sources, compared with the catalogue, and written as its entries.

https://wiki.debian.org/DebianRepository/Format#A.22Sources.22_Indices
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from packaging.version import Version

from wheelyard.domain.catalogue.catalogue import Catalogue, PythonSource
from wheelyard.domain.packaging.target import python_order
from wheelyard.domain.untrusted.versions import read_version

_PACKAGE: Final = re.compile(r"^Package: python(3\.[0-9]{1,2})$", re.MULTILINE)
_FOLDER: Final = re.compile(r"^Directory: ([a-z0-9][A-Za-z0-9+./-]{0,200})$", re.MULTILINE)
_HASHES: Final = re.compile(r"^Checksums-Sha256:[ \t]*\n((?:[ \t][^\n]*\n?)*)", re.MULTILINE)
# Final releases alone. Debian marks a repacked tarball in its version ("+dfsg"), and that is not upstream's.
_TARBALL: Final = re.compile(
    r"^[ \t]+([0-9a-f]{64}) [0-9]+ (python(3\.[0-9]{1,2})_(3\.[0-9]{1,2}\.[0-9]{1,3})\.orig\.(tar\.(?:xz|gz|bz2)))$",
    re.MULTILINE,
)
_UPSTREAM: Final = "https://www.python.org/ftp/python"


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRelease:
    """A release of CPython whose hash a signed index has."""

    line: str
    """Major and minor version, such as ``3.14``."""
    version: str
    sha256: str
    path: str
    """Where it is below a mirror, such as ``pool/main/p/python3.14/python3.14_3.14.10.orig.tar.xz``."""

    @property
    def file(self) -> str:
        """Return upstream's name of the tarball."""
        ending = self.path.rpartition(".orig.")[2]
        return f"Python-{self.version}.{'tgz' if ending == 'tar.gz' else ending}"

    @property
    def entry(self) -> str:
        """Return its entry in the catalogue."""
        return write_entry(
            self.line,
            PythonSource(
                version=self.version,
                sha256=self.sha256,
                file=self.file,
                mirrors=(f"{{apt}}/{self.path}", f"{_UPSTREAM}/{self.version}/{self.file}"),
            ),
        )


def read_releases(index: str) -> Iterator[SourceRelease]:
    """Yield the releases of CPython in an index of sources, of every line, in its order."""
    for stanza in index.split("\n\n"):
        package, folder, hashes = (pattern.search(stanza) for pattern in (_PACKAGE, _FOLDER, _HASHES))
        if package is None or folder is None or hashes is None:
            continue
        for sha256, name, line, version, _ in _TARBALL.findall(hashes[1]):
            if line == package[1] and version.startswith(f"{line}."):
                yield SourceRelease(line=line, version=version, sha256=sha256, path=f"{folder[1]}/{name}")


def find_newer(catalogue: Catalogue, releases: Iterable[SourceRelease]) -> tuple[SourceRelease, ...]:
    """Return the newest release of each line that is newer than the catalogue's, or whose line it does not have.

    Lines that are older than all of the catalogue's are left out.
    """
    newest: dict[str, SourceRelease] = {}
    for one in releases:
        if one.line not in newest or read_version(one.version) > read_version(newest[one.line].version):
            newest[one.line] = one
    oldest = min((python_order(name) for name in catalogue.python), default=(3, 0, False))
    found = [one for one in newest.values() if python_order(one.line) >= oldest and _is_newer(one, catalogue)]
    return tuple(sorted(found, key=lambda one: python_order(one.line), reverse=True))


def _is_newer(release: SourceRelease, catalogue: Catalogue) -> bool:
    entry = catalogue.python.get(release.line)
    return entry is None or read_version(release.version) > newest_version(entry.source)


def newest_version(sources: Iterable[PythonSource]) -> Version:
    """Return the newest version among sources, of which there is one at least."""
    return max(read_version(one.version) for one in sources)


def write_entry(line: str, source: PythonSource) -> str:
    """Return a release as it is written in a catalogue."""
    mirrors = "".join(f'  "{mirror}",\n' for mirror in source.mirrors)
    return (
        f'[[python."{line}".source]]\nversion = "{source.version}"\nsha256 = "{source.sha256}"\n'
        f'file = "{source.file}"\nmirrors = [\n{mirrors}]\n'
    )


def add_entries(text: str, releases: Iterable[SourceRelease], known: Mapping[str, Iterable[PythonSource]]) -> str:
    """Return the text of a catalogue with releases added, each before the others of its line; all else stays.

    Args:
        text: A catalogue, or an operator's own file; empty for a new one.
        releases: The releases to add.
        known: The catalogue's releases by line. A file that has none of a line gets all of them, because its list
            replaces that of the built-in catalogue.
    """
    if not text.strip():
        text = "schema = 1\n"
    for one in releases:
        table = re.search(rf"""^\[\[python\.["']{re.escape(one.line)}["']\.source\]\]""", text, re.MULTILINE)
        if table is not None:
            text = f"{text[: table.start()]}{one.entry}\n{text[table.start() :]}"
        else:
            others = "".join(f"\n{write_entry(one.line, source)}" for source in known.get(one.line, ()))
            text = f"{text.rstrip()}\n\n{one.entry}{others}"
    return text
