"""Files that builds look for, and the packages of a suite's archive that hold them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
