"""The server-sent events of a followed log. Must not know where they come from, nor HTTP's headers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from datetime import datetime
from typing import Final, Literal

from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import BaseModel
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from wheelyard.api.problems import Problem
from wheelyard.api.schemas.base import View
from wheelyard.domain.builds.build import Stage, Status
from wheelyard.errors import WheelyardError
from wheelyard.usecases.access import ParallelLimit
from wheelyard.usecases.follow_log import LogEvent, LogText, StatusChange

EVENT_STREAM: Final = "text/event-stream"
_RECONNECT_MILLISECONDS: Final = 2000
_FURTHER_LINE_ENDS: Final = "\x85\u2028\u2029"


class LogEventData(View):
    """Data of a ``log`` event."""

    text: str
    """Whole lines, or a part of one that is longer than 64 KiB."""
    origin: Literal["container", "service"] = "container"
    """Who wrote it. What containers print is a stranger's text, whatever it looks like; none can be "service"."""
    stage: str | None = None
    """The stage that a line of the service begins."""
    at: datetime | None = None
    """When the service wrote its line."""


class StatusEventData(View):
    """Data of a ``status`` event: sent at the start, and whenever one of these changes."""

    status: Status
    stage: Stage | None
    attempt: int
    """0 before the first attempt."""
    waits_for: tuple[str, ...]
    """Releases that have to be built before it goes on; it is queued while there is any."""


class EndEventData(View):
    """Data of the ``end`` event, the last one: the build is over, close the connection."""

    status: Status


class EventStream(StreamingResponse):
    """A stream of events, which counts for its reader until it ends.

    Raises TooMuchOpenError if the reader follows too many already.
    """

    def __init__(
        self,
        events: AsyncIterable[bytes],
        *,
        limit: ParallelLimit,
        caller: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        limit.check(caller)
        # Told not to be kept back or stored on the way.
        kept = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})}
        super().__init__(events, media_type=EVENT_STREAM, headers=kept)
        self._limit, self._caller = limit, caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events (ASGI)."""
        with self._limit.hold(self._caller):
            await super().__call__(scope, receive, send)


async def encode_events(
    events: AsyncGenerator[LogEvent, None], *, stopping: asyncio.Event, heartbeat_seconds: float
) -> AsyncGenerator[bytes, None]:
    """Write events in the form of a text/event-stream (WHATWG HTML, section 9.2).

    A reader that is cut off by ``stopping`` or by an error goes on elsewhere from the last id it saw; only ``end``
    means that there is nothing more to come.
    """
    yield format_sse_event(retry=_RECONNECT_MILLISECONDS)
    try:
        async for event in with_heartbeats(events, stopping=stopping, seconds=heartbeat_seconds):
            yield format_sse_event(comment="still here") if event is None else _encode(event)
            if isinstance(event, StatusChange) and event.status.is_final:
                yield _event("end", EndEventData(status=event.status), str(event.position))
    except WheelyardError as error:
        yield _event("problem", Problem.of(error), None)


async def with_heartbeats(
    events: AsyncGenerator[LogEvent, None], *, stopping: asyncio.Event, seconds: float
) -> AsyncGenerator[LogEvent | None, None]:
    """Yield the events, and None whenever there was none for so long; end early when the server stops."""
    stop = asyncio.create_task(stopping.wait())
    upcoming = asyncio.create_task(_next(events))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming, stop}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if upcoming not in done and stop in done:
                return
            if upcoming in done:
                event = upcoming.result()
                if event is None:
                    return
                upcoming = asyncio.create_task(_next(events))
                yield event
            else:
                yield None
    finally:
        stop.cancel()
        upcoming.cancel()
        await asyncio.gather(stop, upcoming, return_exceptions=True)
        await events.aclose()


async def _next(events: AsyncGenerator[LogEvent, None]) -> LogEvent | None:
    return await anext(events, None)


def _encode(event: LogEvent) -> bytes:
    if isinstance(event, LogText):
        return _event("log", _text_data(event), str(event.position))
    data = StatusEventData(status=event.status, stage=event.stage, attempt=event.attempt, waits_for=event.waits_for)
    return _event("status", data, str(event.position))


def _text_data(event: LogText) -> LogEventData:
    if event.note is None:
        return LogEventData(text=event.text)
    return LogEventData(text=event.text, origin="service", stage=event.note.stage, at=event.note.at)


def _event(name: str, data: BaseModel, event_id: str | None) -> bytes:
    """Write an event whose data is JSON, which has no line break that the standard knows.

    Many readers know more of them (Python's ``splitlines``, httpx): what follows would be a field of its own to them,
    which a container could choose. So those are escaped too.
    """
    head, body = f"event: {name}\ndata: ".encode(), to_json(data)
    for character in _FURTHER_LINE_ENDS:
        body = body.replace(character.encode(), f"\\u{ord(character):04x}".encode())
    return head + body + (f"\nid: {event_id}\n\n" if event_id else "\n\n").encode()
