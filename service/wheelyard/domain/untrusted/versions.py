"""Untrusted versions and version specifiers (PEP 440)."""

import functools
from typing import Final

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from wheelyard.domain.untrusted.refusal import RefusedTextError

MAX_VERSION: Final = 200
"""Maximum characters of a version. The longest ones on PyPI have a local label with a commit."""
MAX_SPECIFIER: Final = 2000
"""Maximum characters of a set of specifiers."""
MAX_CLAUSES: Final = 100
"""Maximum clauses of a set of specifiers: packaging's cost grows faster than their square."""


def read_version(text: str) -> Version:
    """Parse a version; raise RefusedTextError."""
    if len(text) > MAX_VERSION:
        raise RefusedTextError(f"a version has {len(text)} characters; {MAX_VERSION} are allowed")
    try:
        return Version(text)
    except InvalidVersion as error:
        raise RefusedTextError(f"{text!r} is not a version (PEP 440)") from error


def find_version(text: str | None) -> Version | None:
    """Parse a version; return None if it is invalid."""
    try:
        return None if text is None else read_version(text)
    except RefusedTextError:
        return None


def read_specifiers(text: str) -> SpecifierSet:
    """Parse a set of version specifiers; raise RefusedTextError."""
    if len(text) > MAX_SPECIFIER:
        raise RefusedTextError(f"a version specifier has {len(text)} characters; {MAX_SPECIFIER} are allowed")
    try:
        specifiers = SpecifierSet(text)
    except ValueError as error:
        raise RefusedTextError(f"{text!r} is not a version specifier (PEP 440)") from error
    check_specifiers(specifiers)
    return specifiers


def check_specifiers(specifiers: SpecifierSet) -> None:
    """Raise RefusedTextError if there are too many clauses, or one has no valid version.

    ``===`` accepts any word, but no release can be compared with it, so it must have a version too.
    """
    if len(specifiers) > MAX_CLAUSES:
        raise RefusedTextError(f"there are {len(specifiers)} version clauses; {MAX_CLAUSES} are allowed")
    for one in specifiers:
        _check_clause(one)


def _check_clause(clause: Specifier) -> None:
    is_prefix = clause.operator in {"==", "!="} and clause.version.endswith(".*")
    try:
        read_version(clause.version.removesuffix(".*") if is_prefix else clause.version)
    except RefusedTextError as error:
        raise RefusedTextError(f"after {clause.operator!r}: {error}") from error


@functools.lru_cache(maxsize=4096)
def find_specifiers(text: str | None) -> SpecifierSet | None:
    """Parse a set of version specifiers; return None if it is invalid.

    Cached, because a page has thousands of files with a handful of different specifiers.
    """
    try:
        return None if text is None else read_specifiers(text)
    except RefusedTextError:
        return None
