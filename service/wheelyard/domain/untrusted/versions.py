"""Versions and version specifiers of strangers (PEP 440)."""

import functools
from typing import Final

from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from wheelyard.domain.untrusted.refusal import RefusedTextError

MAX_VERSION: Final = 200
"""Characters of a version. The longest that PyPI has are a local label with a commit."""
MAX_SPECIFIER: Final = 2000
"""Characters of a set of specifiers."""


def read_version(text: str) -> Version:
    """Read a version; raises RefusedTextError."""
    if len(text) > MAX_VERSION:
        raise RefusedTextError(f"a version has {len(text)} characters; {MAX_VERSION} are allowed")
    try:
        return Version(text)
    except InvalidVersion as error:
        raise RefusedTextError(f"{text!r} is not a version (PEP 440)") from error


def find_version(text: str | None) -> Version | None:
    """Read a version; None if it is none."""
    try:
        return None if text is None else read_version(text)
    except RefusedTextError:
        return None


def read_specifiers(text: str) -> SpecifierSet:
    """Read a set of version specifiers; raises RefusedTextError."""
    if len(text) > MAX_SPECIFIER:
        raise RefusedTextError(f"a version specifier has {len(text)} characters; {MAX_SPECIFIER} are allowed")
    try:
        specifiers = SpecifierSet(text)
    except ValueError as error:
        raise RefusedTextError(f"{text!r} is not a version specifier (PEP 440)") from error
    check_specifiers(specifiers)
    return specifiers


def check_specifiers(specifiers: SpecifierSet) -> None:
    """See that each clause names a version; raises RefusedTextError.

    ``===`` takes any word, with which no release can be compared, so that what follows it must be a version, too.
    """
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
    """Read a set of version specifiers, only once: pages have thousands of files and a handful of these.

    None if it is none.
    """
    try:
        return None if text is None else read_specifiers(text)
    except RefusedTextError:
        return None
