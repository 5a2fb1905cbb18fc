"""The HTTP request behind an event: its id and its trace (https://www.w3.org/TR/trace-context/)."""

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
    """A position in a trace: the trace's id and the parent span's id."""

    trace_id: str
    span_id: str
    flags: int = _SAMPLED

    @classmethod
    def parse(cls, header: str | None) -> Self | None:
        """Parse a ``traceparent`` header; return None if it is missing or invalid."""
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
    """The HTTP request that caused something; empty if none did, or if it is too long ago."""

    request_id: str | None = None
    trace_id: str | None = None

    @property
    def log_fields(self) -> Mapping[str, str]:
        """Return its fields for log entries."""
        fields = {"request_id": self.request_id, "trace_id": self.trace_id}
        return {name: value for name, value in fields.items() if value is not None}


NO_TRACE: Final = Trace()
"""The trace of something that no HTTP request caused."""
