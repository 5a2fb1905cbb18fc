"""Untrusted TOML.

``tomllib`` stores every prefix of a dotted key and of a table's name, so ``a.a.a… = 1`` uses memory with the square of
its length. It also recurses for brackets. Both are counted in linear time before it gets the text.
https://toml.io/en/v1.0.0
"""

import re
import tomllib
from typing import Any, Final

from wheelyard.domain.untrusted.refusal import RefusedTextError

MAX_BYTES: Final = 8 << 20
MAX_KEY_PARTS: Final = 32
"""Maximum parts of one dotted key or table's name."""
MAX_DEPTH: Final = 64
"""Maximum depth of brackets."""
MAX_COST: Final = 2_000_000
"""Maximum cost of the text, in keys and values. A dotted key counts as the square of its parts, a pair of brackets
as eight. A lock file of 8 MiB has a quarter of this."""
_BRACKET_COST: Final = 8

# Strings and comments contain no keys. A multi-line string may end with its own quotation marks: up to five.
# The groups match a string without an end, so that no text is scanned twice.
_OPAQUE: Final = re.compile(
    r'''"""(?:[^"\\]|\\.|""?(?!"))*+(?:"{3,5}|(?P<open_text>))'''
    r"""|'''(?:[^']|''?(?!'))*+(?:'{3,5}|(?P<open_literal_text>))"""
    r"""|"(?:[^"\\\n]|\\[^\n])*+(?:"|(?P<open_line>))"""
    r"""|'[^'\n]*+(?:'|(?P<open_literal_line>))"""
    r"|\#[^\n]*",
    re.DOTALL,
)
_BRACKET: Final = re.compile(r"[\[\]{}]")
_PIECE: Final = re.compile(r"[^=,\[\]{}\n]+")
"""A dotted key or a value; no value has more than one dot outside of strings."""


class NotTomlError(RefusedTextError):
    """The text is not TOML; the message is that of ``tomllib``."""


def read_toml(text: str, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Parse TOML; raise NotTomlError, or another RefusedTextError if it is larger or deeper than any honest text."""
    if len(text) > max_bytes:
        raise RefusedTextError(f"it is longer than {max_bytes} characters")
    check_cost(text)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise NotTomlError("it is nested too deep") from error
    except ValueError as error:  # ValueError: numbers of thousands of digits
        raise NotTomlError(str(error)) from error


def check_cost(text: str) -> None:
    """Raise RefusedTextError if a text costs too much to parse; in linear time."""
    bare = _OPAQUE.sub(_blank, text.replace("\r\n", "\n"))
    depth = cost = 0
    for bracket in _BRACKET.finditer(bare):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MAX_DEPTH:
            raise RefusedTextError(f"its brackets are nested deeper than {MAX_DEPTH}")
        cost = _add(cost, _BRACKET_COST // 2)
    for piece in _PIECE.finditer(bare):
        parts = piece[0].count(".") + 1
        if parts > MAX_KEY_PARTS:
            raise RefusedTextError(f"a key has {parts} parts; {MAX_KEY_PARTS} are allowed")
        cost = _add(cost, parts * parts)


def _blank(match: re.Match[str]) -> str:
    """Return the replacement of a string or comment; raise NotTomlError if a string does not end."""
    if match.lastgroup is not None:
        raise NotTomlError("a string does not end")
    return "" if match[0].startswith("#") else "s"


def _add(cost: int, more: int) -> int:
    if cost + more > MAX_COST:
        raise RefusedTextError("it has more keys and brackets than any file that a tool writes")
    return cost + more
