"""Server-sent events, as the HTML standard defines their text. Must not know what the events mean.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerEvent:
    """One event of a stream."""

    name: str
    data: str
    last_id: str
    """The newest id that the stream has given, to go on from there."""


def parse_events(lines: Iterable[str], *, last_id: str = "") -> Iterator[ServerEvent]:
    """Read events from a stream's lines; an event that the stream's end cuts off is dropped."""
    name, data = "message", list[str]()
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield ServerEvent(name=name, data="\n".join(data), last_id=last_id)
            name, data = "message", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last_id = value
