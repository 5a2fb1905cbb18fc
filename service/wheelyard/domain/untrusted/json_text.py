"""JSON of strangers: what containers send, pages of indexes, bodies of requests."""

import json
from typing import Any, Final

from wheelyard.domain.untrusted.refusal import RefusedTextError

MAX_BYTES: Final = 64 << 20
MAX_FIELDS: Final = 100
"""Of one object of a request's body."""
MAX_VALUES: Final = 5000
"""Of a request's body, in all: each one that is not expected becomes an error of its own, which takes its time."""


def read_json(text: str | bytes, *, max_bytes: int = MAX_BYTES) -> Any:  # noqa: ANN401 - whatever it says
    """Read JSON; raises RefusedTextError.

    Not-a-number and infinity are refused, as RFC 8259 has neither. Depth is bounded by the interpreter, which says so
    in time, and numbers by its limit of 4,300 digits.
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
    """Read the body of a request; raises RefusedTextError, also if it has more fields or values than any has."""
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


def _refuse_constant(name: str) -> None:
    raise RefusedTextError(f"it is not JSON: it has {name}")
