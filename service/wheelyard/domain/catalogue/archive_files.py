"""Files that builds look for, and the packages of a suite's archive that hold them."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class FileKind(StrEnum):
    """How a build looks for a file."""

    HEADER = "header"
    """By ``#include``, such as ``fftw3.h`` or ``openssl/ssl.h``."""
    LIBRARY = "library"
    """By the linker's ``-l``, such as ``mecab`` for ``libmecab.so``."""
    SONAME = "soname"
    """By the dynamic linker, such as ``libexpat.so.1``."""
    PKG_CONFIG = "pkg-config"
    """By pkg-config, such as ``smbclient`` for ``smbclient.pc``."""
    PROGRAM = "program"
    """On PATH, such as ``mecab-config``."""
    CMAKE = "cmake"
    """By ``find_package``: ``FindOsmium.cmake``, ``OsmiumConfig.cmake`` or ``osmium-config.cmake``."""
    ANY = "any"
    """By the end of its path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedFile:
    """A file that something looks for."""

    kind: FileKind
    name: str


_FORMS: Final = (
    (re.compile(r"(.+)\.pc"), FileKind.PKG_CONFIG),
    (re.compile(r"lib(.+)\.so|-l(.+)"), FileKind.LIBRARY),
    (re.compile(r"(lib.+\.so\.[0-9.]+)"), FileKind.SONAME),
    (re.compile(r"Find(.+)\.cmake|(.+?)(?:Config|-config)\.cmake"), FileKind.CMAKE),
    (re.compile(r"(.+\.(?:h|hh|hpp|hxx|inl|ipp|tpp))", re.IGNORECASE), FileKind.HEADER),
)
"""The forms of names that say what they are."""


def infer_wanted(text: str) -> tuple[WantedFile, ...]:
    """Return the files that a person may mean by a name, the most likely first.

    A bare word may be a program, a module of pkg-config, a library or a package of CMake.
    """
    name = text.strip().strip("/")
    return tuple(WantedFile(kind=kind, name=one) for kind, one in _kinds_of(name)) if name else ()


def _kinds_of(name: str) -> tuple[tuple[FileKind, str], ...]:
    for pattern, kind in _FORMS:
        if match := pattern.fullmatch(name):
            return ((kind, next(filter(None, match.groups()))),)
    if "/" in name:
        return ((FileKind.HEADER, name), (FileKind.ANY, name))
    return (
        (FileKind.PROGRAM, name),
        (FileKind.PKG_CONFIG, name),
        (FileKind.LIBRARY, name.removeprefix("lib")),
        (FileKind.CMAKE, name),
        (FileKind.PKG_CONFIG, f"lib{name}"),
        (FileKind.HEADER, name),
        (FileKind.HEADER, f"{name}.h"),
        (FileKind.ANY, name),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFile:
    """A package that holds a wanted file."""

    package: str
    version: str
    path: str
    """The file's path from the root, without the leading slash: ``usr/include/fftw3.h``."""
    installed_bytes: int
    """The size of the installed package without its dependencies; 0 if the archive does not say."""
    reason: str = ""
    """Why it stands where it does among several, for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredArchive:
    """What is known of an archive's index without reading it."""

    digest: str
    """Identifies its content: a sha256 in hexadecimal."""
    read_at: datetime
    """When the archive was read."""
