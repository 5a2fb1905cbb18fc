"""Which of an archive's packages a build means by a file: the ranking that docs/archives.md describes.

A name such as ``sql.h`` is in six packages of Debian. The ranking asks, in this order: does a person's word say it
(``package_overrides``), is the package one for builds on this machine at all, is the file where compilers and
pkg-config look by themselves, is it a package for developers, is it the default of several versions, how many packages
depend on it, which name is shorter. What the builder has already, such as the C library, is not missing: then no
package is the answer.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from wheelyard.domain.catalogue.archive_files import FileKind, PackageFile, WantedFile
from wheelyard.domain.catalogue.archive_index import ArchiveFile, ArchiveIndex, ArchivePackage
from wheelyard.domain.catalogue.package_overrides import find_override

_MOST_FILES: Final = 2000
"""Files of one name that are looked at; Debian has 1200 of config.h."""
_MOST_PACKAGES: Final = 20
_MOST_STRANGERS: Final = 2
"""Packages that may keep a file in a folder, if neither the file nor a folder's name says that it is the one."""
_MOST_NAMESAKES: Final = 12
"""Packages that may keep a header of one name in their folders; more of them mean that every project has one."""
_LONGEST_NAME: Final = 200

_UNFIT_NAMES: Final = re.compile(
    r"-cross$|-cross-|(^|-)(lib)?(mingw|musl|dietlibc|klibc|newlib|picolibc|wine|avr|lsb|uclibc|emscripten|hurd|android)"
    r"|-(dbg|dbgsym|debuginfo|debugsource|doc|docs|examples|tests?)$"
    r"|^lib(x32|32|64|n32)[a-z+]+\d*-|^linux-headers|^linux-source|^kernel-(headers|devel)|^pypy"
)
"""Packages for other machines, systems or C libraries, and packages without code."""
_OWN_NAMES: Final = re.compile(
    r"^(gcc|g\+\+|cpp|binutils)(-\d+)?$|^(gcc|binutils|glibc)-(c\+\+|devel|headers)$|^lib(gcc|stdc\+\+)-\d+-dev$"
    r"|^(libc6-dev|linux-libc-dev|kernel-headers|libc6|libc-dev-bin|musl-dev|linux-headers|libgomp1)$"
    r"|^(lib)?python3([\d.]*)(-minimal|-devel)?(-dev)?$"
)
"""Compilers, the C library and Pythons. A builder has its own of them, so what they hold is not missing."""
_UNFIT_SECTIONS: Final = frozenset({"debug", "doc", "debian-installer"})
_OLD_SECTIONS: Final = frozenset({"oldlibs"})
_DEVELOPER_SECTIONS: Final = frozenset({"libdevel", "devel"})
_CMAKE_OWN: Final = re.compile(r"^(extra-)?cmake(-data|-modules|-filesystem)?$")
"""Packages with modules of CMake that find the libraries of others."""

_TRIPLET: Final = r"(?:[a-z0-9_]+-linux-gnu[a-z0-9]*/)?"
_INCLUDE: Final = re.compile(rf"usr/include/{_TRIPLET}|usr/lib(?:64)?/(?:[^/]+/)+?include/")
_LIBRARIES: Final = re.compile(rf"usr/lib(?:64)?/{_TRIPLET}")
_PKG_CONFIG: Final = re.compile(rf"usr/(?:lib(?:64)?/{_TRIPLET}|share/)pkgconfig/[^/]+")
_PROGRAM_FOLDERS: Final = ("usr/bin/", "usr/sbin/")
_CMAKE_FOLDERS: Final = ("usr/lib/", "usr/lib64/", "usr/share/")

_AT_ONCE, _NAMED, _OWN_FOLDER, _STRANGE = range(4)
"""Where a file is: where tools look by themselves, in a folder that is named after its package, as the file itself is
or not, or in a folder of another name."""
_PLACES: Final = {
    _AT_ONCE: "where tools look by themselves",
    _NAMED: "in the package's own folder",
    _OWN_FOLDER: "in the package's own folder",
    _STRANGE: "in a folder of another name",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    package: ArchivePackage
    path: str
    place: int
    fit: int
    """0 if the package is of the kind that holds such a file for builds."""

    @property
    def order(self) -> tuple[int, int, int, int, int, int, str]:
        """What decides, in this order; the smaller is better."""
        package = self.package
        is_old = int(package.section in _OLD_SECTIONS)
        is_other_version = int(not package.default_of)
        return (is_old, self.place, self.fit, is_other_version, -package.dependents, len(package.name), package.name)


def rank_packages(index: ArchiveIndex, wanted: WantedFile) -> tuple[PackageFile, ...]:
    """Return the packages that hold a file, best first; empty if none does that a build can mean, or if all do."""
    if not 0 < len(wanted.name) <= _LONGEST_NAME:
        return ()
    found: dict[str, _Candidate] = {}
    for path, package in _holders(index, wanted):
        candidate = _judge(wanted, path, package)
        if candidate is None:
            continue
        if _OWN_NAMES.search(package.name):
            if candidate.place == _AT_ONCE:
                return ()
            continue
        known = found.get(package.name)
        if known is None or (candidate.place, len(path)) < (known.place, len(known.path)):
            found[package.name] = candidate
    ranked = sorted(_without_strangers(wanted, found.values()), key=lambda one: one.order)[:_MOST_PACKAGES]
    described = [_describe(index, one, len(ranked)) for one in ranked]
    preferred = tuple(_preferred(index, wanted, described))
    names = {one.package for one in preferred}
    return (*preferred, *(one for one in described if one.package not in names))


def _files(index: ArchiveIndex, wanted: WantedFile) -> Iterator[ArchiveFile]:
    """Yield the archive's files that a wanted one may be."""
    for tail in _tails(wanted):
        exact = wanted.kind is not FileKind.CMAKE
        for file in index.find_files(tail, most=_MOST_FILES):
            if not exact or file.path.endswith(f"/{tail}"):
                yield file


def _tails(wanted: WantedFile) -> tuple[str, ...]:
    """Return the ends of paths that a wanted file may have."""
    name = wanted.name.strip("/")
    match wanted.kind:
        case FileKind.PKG_CONFIG:
            return (f"{name.removesuffix('.pc')}.pc",)
        case FileKind.LIBRARY:
            return (f"lib{name}.so",)
        case FileKind.PROGRAM:
            return (f"bin/{name}", f"sbin/{name}")
        case FileKind.CMAKE:
            return (f"{name}Config.cmake", f"{name}-config.cmake", f"Find{name}.cmake")
        case _:
            return (name,)


def _holders(index: ArchiveIndex, wanted: WantedFile) -> Iterator[tuple[str, ArchivePackage]]:
    """Yield the paths that a wanted file may have, each with a package that holds it."""
    fit: dict[str, ArchivePackage | None] = {}
    for file in _files(index, wanted):
        for name in file.packages:
            if name not in fit:
                fit[name] = _find_fit(index, name)
            package = fit[name]
            if package is not None:
                yield file.path, package


def _find_fit(index: ArchiveIndex, name: str) -> ArchivePackage | None:
    """Return a package if builds on this machine can use it."""
    package = index.find_package(name)
    if package is None or package.section in _UNFIT_SECTIONS or _UNFIT_NAMES.search(name):
        return None
    return package


def _judge(wanted: WantedFile, path: str, package: ArchivePackage) -> _Candidate | None:
    """Return how well a package's file is what is wanted; None if it is not."""
    place = _place(wanted, path, package)
    if place is None:
        return None
    return _Candidate(package=package, path=path, place=place, fit=_fit(wanted, package))


def _place(wanted: WantedFile, path: str, package: ArchivePackage) -> int | None:
    match wanted.kind:
        case FileKind.HEADER:
            return _header_place(wanted.name.strip("/"), path, package)
        case FileKind.LIBRARY | FileKind.SONAME:
            # Java loads what is in a folder jni, and no linker looks there.
            match = None if "/jni/" in path else _LIBRARIES.match(path)
            return None if match is None else _folder_place(path[match.end() :].rpartition("/")[0], package)
        case FileKind.PKG_CONFIG:
            return _AT_ONCE if _PKG_CONFIG.fullmatch(path) else _STRANGE
        case FileKind.PROGRAM:
            return _AT_ONCE if path.rpartition("/")[0] + "/" in _PROGRAM_FOLDERS else None
        case FileKind.CMAKE:
            return _cmake_place(wanted.name, path, package)
        case FileKind.ANY:
            return _AT_ONCE


def _header_place(name: str, path: str, package: ArchivePackage) -> int | None:
    """Return where a header is. One that is deep in the folders of another subject is a copy or a namesake."""
    match = _INCLUDE.match(path)
    if match is None:
        return None
    folder = path[match.end() : -len(name)].strip("/")
    place = _folder_place(folder, package)
    if place == _STRANGE and "/" in name and _stem(name.partition("/")[0]) == _stem(package.name):
        place = _NAMED  # libpq/libpq-fs.h of libpq-dev, which is in a folder postgresql
    if not path.startswith("usr/include/"):
        return max(place, _NAMED) if _resembles(path[len("usr/lib/") :], package.name) else _STRANGE
    is_main = "/" in name or _resembles(name.partition(".")[0], package.name)
    if "/" in folder and (place == _STRANGE or not is_main):
        return None
    return _OWN_FOLDER if place == _NAMED and not is_main else place


def _folder_place(folder: str, package: ArchivePackage) -> int:
    if not folder:
        return _AT_ONCE
    return _NAMED if any(_resembles(part, package.name) for part in folder.split("/")) else _STRANGE


def _cmake_place(name: str, path: str, package: ArchivePackage) -> int | None:
    """Return where a file of CMake is; a module that finds another project's library does not have the library."""
    if _CMAKE_OWN.match(package.name) or not path.startswith(_CMAKE_FOLDERS):
        return None
    if _resembles(name, package.name):
        return _AT_ONCE
    is_module = path.rpartition("/")[2].lower().startswith("find")
    return None if is_module else _STRANGE


def _resembles(folder: str, package: str) -> bool:
    """Return whether a folder or a library and a package have a common name: libxml2 and libxml2-dev."""
    one, other = _stem(folder), _stem(package)
    return len(one) > 1 and len(other) > 1 and (one in other or other in one)


def _stem(name: str) -> str:
    """Return what is left of a name without ``lib``, ``-dev``, versions and punctuation."""
    plain = re.sub(r"-(?:dev|devel)$", "", name.lower()).removeprefix("lib")
    return re.sub(r"[^a-z]", "", plain)


def _fit(wanted: WantedFile, package: ArchivePackage) -> int:
    is_developers = package.name.endswith(("-dev", "-devel")) or package.section in _DEVELOPER_SECTIONS
    match wanted.kind:
        case FileKind.PROGRAM if not wanted.name.endswith(("config", "Config")):
            return int(package.name != wanted.name)
        case FileKind.SONAME:
            return int(is_developers)
        case FileKind.ANY:
            return 0
        case _:
            return int(not is_developers)


def _without_strangers(wanted: WantedFile, found: Iterable[_Candidate]) -> list[_Candidate]:
    """Return candidates without those that only have a file of the same name."""
    candidates = list(found)
    best = min((one.place for one in candidates), default=_STRANGE)
    if best in {_OWN_FOLDER, _STRANGE}:
        alike = [one for one in candidates if one.place == best]
        return alike if len(alike) <= _MOST_STRANGERS else []
    known = [one for one in candidates if one.place != _STRANGE]
    is_everyones = wanted.kind is FileKind.HEADER and "/" not in wanted.name and len(candidates) > _MOST_NAMESAKES
    return [] if is_everyones else known


def _describe(index: ArchiveIndex, one: _Candidate, count: int) -> PackageFile:
    package, size = one.package, one.package.installed_bytes
    reasons = [_PLACES[one.place]]
    if count > 1 and package.dependents > 1:
        reasons.append(f"{package.dependents} packages depend on it")
    default = index.find_package(package.default_of) if package.default_of else None
    if default is not None:
        reasons.append(f"{default.name} installs {package.name}")
        package, size = default, size + default.installed_bytes
    return PackageFile(
        package=package.name, version=package.version, path=one.path, installed_bytes=size, reason="; ".join(reasons)
    )


def _preferred(index: ArchiveIndex, wanted: WantedFile, ranked: Sequence[PackageFile]) -> Iterator[PackageFile]:
    """Yield the packages that a person's word prefers, as far as the archive has them."""
    names, why = find_override(wanted)
    for name in names:
        package = index.find_package(name)
        if package is not None:
            there = next((one for one in ranked if one.package == name), None)
            path = there.path if there else ranked[0].path if ranked else ""
            size = there.installed_bytes if there else package.installed_bytes
            yield PackageFile(package=name, version=package.version, path=path, installed_bytes=size, reason=why)
