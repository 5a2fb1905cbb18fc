"""JSON of strangers: what containers send, pages of indexes, bodies of requests."""

import json
from typing import Any, Final

from wheelyard.domain.untrusted.refusal import RefusedTextError

MAX_BYTES: Final = 64 << 20


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


def _refuse_constant(name: str) -> None:
    raise RefusedTextError(f"it is not JSON: it has {name}")
