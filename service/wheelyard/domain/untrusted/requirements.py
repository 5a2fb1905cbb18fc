"""Untrusted requirements and environment markers (PEP 508)."""

import re
from typing import Final

from packaging.markers import Marker
from packaging.requirements import Requirement

from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import MAX_VERSION, check_specifiers

MAX_REQUIREMENT: Final = 8000
"""Maximum characters of a requirement. The longest ones in lock files are joined markers."""
MAX_DEPTH: Final = 32
"""Maximum depth of a marker's parentheses, for which packaging recurses."""
_SHOWN: Final = 200
_NUMBER: Final = re.compile(rf"\d{{{MAX_VERSION + 1}}}")
_PARENTHESIS: Final = re.compile(r"[()]")


def read_requirement(text: str) -> Requirement:
    """Parse a requirement; raise RefusedTextError with the reason."""
    _check(text)
    try:
        requirement = Requirement(text)
    except (ValueError, RecursionError) as error:
        raise RefusedTextError(f"it is not a PEP 508 requirement ({_first_line(error)})") from error
    check_specifiers(requirement.specifier)
    return requirement


def find_requirement(text: str) -> Requirement | None:
    """Parse a requirement; return None if it is invalid."""
    try:
        return read_requirement(text)
    except RefusedTextError:
        return None


def read_marker(text: str) -> Marker:
    """Parse an environment marker; raise RefusedTextError with the reason."""
    _check(text)
    try:
        return Marker(text)
    except (ValueError, RecursionError) as error:
        raise RefusedTextError(f"it is no marker (PEP 508: {_first_line(error)})") from error


def _check(text: str) -> None:
    if len(text) > MAX_REQUIREMENT:
        raise RefusedTextError(f"it has {len(text)} characters; {MAX_REQUIREMENT} are allowed")
    check_line(text)


def check_line(text: str) -> None:
    """Raise RefusedTextError if a line, of any length, has numbers or depth that a parser cannot handle."""
    if _NUMBER.search(text):
        raise RefusedTextError(f"it has a number of more than {MAX_VERSION} digits")
    depth = 0
    for parenthesis in _PARENTHESIS.finditer(text):
        depth += 1 if parenthesis[0] == "(" else -1
        if depth > MAX_DEPTH:
            raise RefusedTextError(f"its parentheses are nested deeper than {MAX_DEPTH}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:_SHOWN]
