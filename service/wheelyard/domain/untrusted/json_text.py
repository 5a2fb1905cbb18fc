"""Untrusted JSON: messages of containers, pages of indexes, bodies of requests."""

import json
import math
import re
from typing import Any, Final

from wheelyard.domain.untrusted.refusal import RefusedTextError

MAX_BYTES: Final = 64 << 20
MAX_FIELDS: Final = 100
"""Maximum fields of one object in a request body."""
MAX_VALUES: Final = 5000
"""Maximum values in a request body: each unexpected one becomes an error of its own, which takes time."""

MAX_DEPTH: Final = 64
"""Maximum depth of JSON that is stored as it was sent."""
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def read_json(text: str | bytes, *, max_bytes: int = MAX_BYTES) -> Any:  # noqa: ANN401 - whatever it says
    """Parse JSON; raise RefusedTextError.

    NaN and infinity are refused, because RFC 8259 has neither. The interpreter limits the depth with an exception, and
    numbers to 4,300 digits.
    """
    if len(text) > max_bytes:
        raise RefusedTextError(f"it is longer than {max_bytes} bytes")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise RefusedTextError("it is nested too deep") from error
    except RefusedTextError:
        raise
    except ValueError as error:
        raise RefusedTextError(f"it is not JSON: {error}") from error


def read_body(text: str | bytes) -> Any:  # noqa: ANN401 - whatever it says
    """Parse a request body; raise RefusedTextError, also for too many fields or values."""
    body = read_json(text)
    waiting, count = [body], 0
    while waiting:
        value = waiting.pop()
        if not isinstance(value, list | dict):
            continue
        count += len(value)
        if count > MAX_VALUES:
            raise RefusedTextError(f"it has more than {MAX_VALUES} values")
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            raise RefusedTextError(f"an object in it has {len(value)} fields; {MAX_FIELDS} are allowed")
        waiting += value.values() if isinstance(value, dict) else value
    return body


def check_storable(value: object) -> None:
    """Raise RefusedTextError for what Python reads as JSON and a database does not store.

    These are the character NUL, halves of characters, numbers beyond those of a float, and deep nesting.
    """
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise RefusedTextError(f"it is nested deeper than {MAX_DEPTH} levels")
        if isinstance(one, dict):
            waiting += [(part, depth + 1) for pair in one.items() for part in pair]
        elif isinstance(one, list):
            waiting += [(part, depth + 1) for part in one]
        elif isinstance(one, str) and ("\0" in one or _SURROGATE.search(one)):
            raise RefusedTextError("a text in it has the character NUL, or half of a character")
        elif isinstance(one, float) and not math.isfinite(one):
            raise RefusedTextError("a number in it is too large")


def _refuse_constant(name: str) -> None:
    raise RefusedTextError(f"it is not JSON: it has {name}")
