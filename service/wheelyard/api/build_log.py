"""The route of a build's log: plain text, or live server-sent events."""

import asyncio
import codecs
from collections.abc import AsyncGenerator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from wheelyard.api.authentication import AuthenticatedRoute, CallerKey, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, NO_SUCH_BUILD, problems
from wheelyard.api.log_events import EVENT_STREAM, EventStream, encode_events
from wheelyard.api.schemas.builds import LogQuery
from wheelyard.api.services import ApiServices, Services
from wheelyard.domain.builds.log_text import LineSplitter, gutter_text
from wheelyard.domain.builds.records import LogPart
from wheelyard.errors import InvalidRequestError
from wheelyard.interfaces import LogStore
from wheelyard.usecases.follow_log import LogPosition

_EXAMPLE: Final = """retry: 2000

event: log
data: {"text":"==> stage build\\n","origin":"service","stage":"build","at":"2026-01-31T12:00:00Z"}
id: 1:90

event: log
data: {"text":"running bdist_wheel\\n","origin":"container","stage":null,"at":null}
id: 1:110

event: status
data: {"status":"running","stage":"build","attempt":1,"waits_for":[]}
id: 1:110

: still here

event: status
data: {"status":"succeeded","stage":null,"attempt":1,"waits_for":[]}
id: 1:110

event: end
data: {"status":"succeeded"}
id: 1:110

"""
_LOG_CONTENT: Final = {
    "text/plain": {"schema": {"type": "string"}, "example": "==> stage build\n| running bdist_wheel\n"},
    EVENT_STREAM: {"schema": {"type": "string"}, "example": _EXAMPLE},
}

router: Final = APIRouter(
    prefix="/v1/builds", tags=["builds"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@router.get(
    "/{build_id}/log",
    operation_id="read_log",
    summary="Read or follow a build's log",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The log, in the format of the Accept header.", "content": _LOG_CONTENT},
        **problems(INVALID_REQUEST, NO_SUCH_BUILD),
    },
)
async def read_log(  # noqa: PLR0913, PLR0917  (FastAPI gives each part as an argument)
    build_id: str,
    wanted: Annotated[LogQuery, Query()],
    services: Services,
    caller: CallerKey,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
    last_event_id: Annotated[str | None, Header(description="Continue after the event with this id.")] = None,
) -> StreamingResponse:
    """Return the log so far; with `Accept: text/event-stream`, follow it until the build is over.

    In plain text, `==> ` begins a line of the service and `| ` a line of container output, which is untrusted. Colours
    are kept; other terminal control sequences are removed.

    Events have JSON data and, except `problem`, an id to resume from:

    * `log` {text, origin, stage, at}: new log text of one origin (`container` or `service`), of the newest attempt or
      of an earlier one that was not read to its end.
    * `status` {status, stage, attempt}: sent once after the existing log, then whenever one of these changes.
    * `end` {status}: the build is over; close the connection.
    * `problem`: a problem document; the stream ends, but the build continues. Wait, then resume.

    If a stream ends without `end`, resume it with the last id in `Last-Event-ID` or `after`; the former wins.
    """
    if _asks_for_events(accept):
        return await _followed(services, build_id, _parse_position(last_event_id or wanted.after), caller)
    first = await services.logs.read(build_id, attempt=wanted.attempt)
    return StreamingResponse(
        plain_log(services.logs, build_id, first, coloured=True),
        media_type="text/plain; charset=utf-8",
        headers={"Vary": "Accept"},
    )


async def _followed(services: ApiServices, build_id: str, start: LogPosition, caller: str) -> EventStream:
    # Raise the 404 for an unknown build before the stream begins.
    await services.builds.get(build_id)
    body = encode_events(
        services.follow_log(build_id, start=start),
        stopping=services.stopping,
        heartbeat_seconds=services.heartbeat_seconds,
    )
    return EventStream(body, limit=services.access.streams, caller=caller, headers={"Vary": "Accept"})


async def plain_log(logs: LogStore, build_id: str, part: LogPart, *, coloured: bool) -> AsyncGenerator[str, None]:
    """Yield a part of the log and everything after it, as lines with a gutter."""
    splitter, decoder = LineSplitter(), codecs.getincrementaldecoder("utf-8")("replace")
    while part.data:
        # In a thread, because a megabyte of text would block other requests.
        yield await asyncio.to_thread(gutter_text, splitter.feed(decoder.decode(part.data)), coloured=coloured)
        if part.finished:
            break
        part = await logs.read(build_id, attempt=part.attempt, offset=part.offset + len(part.data))
    yield gutter_text(splitter.end(), coloured=coloured)


def _asks_for_events(accept: str) -> bool:
    """Return whether an Accept header names events; wildcards get plain text (RFC 9110, section 12.5.1)."""
    ranges = (one.partition(";")[0].strip().lower() for one in accept.split(","))
    return EVENT_STREAM in ranges


def _parse_position(text: str | None) -> LogPosition:
    if not text:
        return LogPosition()
    try:
        return LogPosition.parse(text)
    except ValueError as error:
        raise InvalidRequestError(problems=[f"Last-Event-ID or after: {error}"]) from error
