"""The server-sent events of a followed log."""

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
    """Complete lines, or a part of a line that is longer than 64 KiB."""
    origin: Literal["container", "service"] = "container"
    """Who wrote it. Container output is untrusted, and never has the origin "service"."""
    stage: str | None = None
    """The stage that begins with this line of the service."""
    at: datetime | None = None
    """Time of the service's line."""


class StatusEventData(View):
    """Data of a ``status`` event: sent at the start, and whenever one of these changes."""

    status: Status
    stage: Stage | None
    attempt: int
    """0 before the first attempt."""
    waits_for: tuple[str, ...]
    """Releases that must be built first; the build is queued until then."""


class EndEventData(View):
    """Data of the ``end`` event, the last one: the build is over, close the connection."""

    status: Status


class EventStream(StreamingResponse):
    """A stream of events that counts against the caller's limit until it ends.

    Raise TooMuchOpenError if the caller has too many open streams.
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
        # Proxies must not cache or buffer the stream; X-Accel-Buffering is for nginx
        # (http://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffers).
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
    """Yield events as text/event-stream (WHATWG HTML, section 9.2).

    A stream that ``stopping`` or an error ends early can be resumed from its last id, also at another process. Only
    the ``end`` event means that the log is complete.
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
    """Yield the events, and None after each interval without one; end early when the server stops."""
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
    """Return an event with JSON data.

    Many clients split lines at more characters than the standard (Python's ``splitlines``, httpx). A container could
    print such a character and inject fields into the stream, so these characters are escaped as well
    (https://github.com/florimondmanca/httpx-sse/issues/34).
    """
    head, body = f"event: {name}\ndata: ".encode(), to_json(data)
    for character in _FURTHER_LINE_ENDS:
        body = body.replace(character.encode(), f"\\u{ord(character):04x}".encode())
    return head + body + (f"\nid: {event_id}\n\n" if event_id else "\n\n").encode()
