"""Where something that happens was asked for: the request's id and its trace (W3C Trace Context). Must not log."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_VERSION: Final = "00"
_FORBIDDEN_VERSION: Final = "ff"
_SAMPLED: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceParent:
    """A place in a trace: which one, and the span whose part this is."""

    trace_id: str
    span_id: str
    flags: int = _SAMPLED

    @classmethod
    def parse(cls, header: str | None) -> Self | None:
        """Read a ``traceparent`` header; None if there is none, or none that may be used."""
        found = _FORM.fullmatch(header.strip()) if header is not None else None
        if found is None:
            return None
        version, trace_id, span_id, flags, more = found.groups()
        unusable = version == _FORBIDDEN_VERSION or (version == _VERSION and more) or not int(trace_id, 16)
        if unusable or not int(span_id, 16):
            return None
        return cls(trace_id=trace_id, span_id=span_id, flags=int(flags, 16) & _SAMPLED)

    def __str__(self) -> str:
        return f"{_VERSION}-{self.trace_id}-{self.span_id}-{self.flags:02x}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """The HTTP request that something came from; nothing is known of what came from elsewhere, or long ago."""

    request_id: str | None = None
    trace_id: str | None = None

    @property
    def log_fields(self) -> Mapping[str, str]:
        """Give what entries of the log say of it."""
        fields = {"request_id": self.request_id, "trace_id": self.trace_id}
        return {name: value for name, value in fields.items() if value is not None}


NO_TRACE: Final = Trace()
"""The trace of what came from no HTTP request."""
