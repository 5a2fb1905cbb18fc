"""Something outside of the sdist that its build needs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile

MOST_NEEDS: Final = 60
"""What one sdist may need at most."""
_LONGEST: Final = 100
_LONGEST_PLACE: Final = 200
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """One library, program or toolchain that the build needs. Its texts are untrusted, printable and short."""

    name: str
    """As the project names it: ``libxml-2.0``, ``fftw3.h``, ``PROJ``."""
    wanted: tuple[WantedFile, ...] = ()
    """Files of which each one alone shows that the need is met, the most exact one first."""
    toolchain: str = ""
    """The toolchain, with its floor if there is one, such as ``rust>=1.74``; then nothing is ``wanted``."""
    is_required: bool
    """False if the build may do without it, or if that is not certain."""
    place: str
    """The file and line that shows it, such as ``meson.build:41``."""
    bound: str = ""
    """The version that is wanted, such as ``>=9.4``."""


def header(name: str) -> WantedFile:
    """Return a header as a wanted file."""
    return WantedFile(kind=FileKind.HEADER, name=name)


def library(name: str) -> WantedFile:
    """Return a library as a wanted file."""
    return WantedFile(kind=FileKind.LIBRARY, name=name)


def pkg_config(name: str) -> WantedFile:
    """Return a module of pkg-config as a wanted file."""
    return WantedFile(kind=FileKind.PKG_CONFIG, name=name)


def program(name: str) -> WantedFile:
    """Return a program as a wanted file."""
    return WantedFile(kind=FileKind.PROGRAM, name=name)


def merge_needs(needs: Iterable[Need]) -> tuple[Need, ...]:
    """Return each need once, required ones first, at most MOST_NEEDS; one that is required anywhere is required."""
    merged: dict[object, Need] = {}
    for one in needs:
        if not _is_plain(one):
            continue
        one = replace(one, place=_UNPRINTABLE.sub("?", one.place)[-_LONGEST_PLACE:])  # noqa: PLW2901  the same need
        key = one.wanted[:1] or one.toolchain.partition(">")[0]
        known = merged.get(key)
        if known is None or (one.is_required and not known.is_required):
            merged[key] = replace(one, bound=one.bound or known.bound) if known else one
        elif one.bound and not known.bound:
            merged[key] = replace(known, bound=one.bound)
    return tuple(sorted(merged.values(), key=lambda one: not one.is_required))[:MOST_NEEDS]


def _is_plain(need: Need) -> bool:
    """Return whether its names are short and printable: they reach pages, logs and look-ups."""
    texts = (need.name, need.toolchain, need.bound, *(one.name for one in need.wanted))
    return bool(need.name) and all(len(text) <= _LONGEST and text.isascii() and text.isprintable() for text in texts)
