"""The route of a build's log: as plain text, or followed live as server-sent events."""

from collections.abc import AsyncGenerator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse

from wheelyard.api.authentication import AuthenticatedRoute, CallerKey, bearer_scheme
from wheelyard.api.log_events import EVENT_STREAM, EventStream, encode_events
from wheelyard.api.problem_docs import INVALID_REQUEST, NO_SUCH_BUILD, problems
from wheelyard.api.schemas.builds import LogQuery
from wheelyard.api.services import ApiServices, Services
from wheelyard.domain.ledger import LogPart
from wheelyard.errors import InvalidRequestError
from wheelyard.interfaces import LogStore
from wheelyard.usecases.follow_log import LogPosition

_EXAMPLE: Final = """retry: 2000

event: log
data: {"text":"running bdist_wheel\\n"}
id: 1:20

event: status
data: {"status":"running","stage":"build","attempt":1,"waits_for":[]}
id: 1:20

: still here

event: status
data: {"status":"succeeded","stage":null,"attempt":1,"waits_for":[]}
id: 1:20

event: end
data: {"status":"succeeded"}
id: 1:20

"""
_LOG_CONTENT: Final = {
    "text/plain": {"schema": {"type": "string"}, "example": "running bdist_wheel\n"},
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
        200: {"description": "The log, in the form that the Accept header asks for.", "content": _LOG_CONTENT},
        **problems(INVALID_REQUEST, NO_SUCH_BUILD),
    },
)
async def read_log(  # noqa: PLR0913, PLR0917  (FastAPI gives each part as an argument)
    build_id: str,
    wanted: Annotated[LogQuery, Query()],
    services: Services,
    caller: CallerKey,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
    last_event_id: Annotated[str | None, Header(description="Go on after the event with this id.")] = None,
) -> StreamingResponse:
    """Read what there is of the log, as text; or with `Accept: text/event-stream` follow it until the build is over.

    Events, each with JSON data and, except `problem`, with an id to resume from:

    * `log` {text}: more of the log, of the newest attempt or of an earlier one that was not read to its end.
    * `status` {status, stage, attempt}: once after what was there already, then whenever one of these changes.
    * `end` {status}: the build is over, nothing more will come; close the connection.
    * `problem`: a problem document; the stream ends, but the build goes on. Wait, then resume.

    A stream that ends without `end` is to be resumed with the last id, in `Last-Event-ID` or `after`; the former wins.
    """
    if _asks_for_events(accept):
        return await _followed(services, build_id, _parse_position(last_event_id or wanted.after), caller)
    first = await services.logs.read(build_id, attempt=wanted.attempt)
    return StreamingResponse(
        _read_on(services.logs, build_id, first), media_type="text/plain; charset=utf-8", headers={"Vary": "Accept"}
    )


async def _followed(services: ApiServices, build_id: str, start: LogPosition, caller: str) -> EventStream:
    # A build that does not exist must be a 404, not a stream that breaks.
    await services.builds.get(build_id)
    body = encode_events(
        services.follow_log(build_id, start=start),
        stopping=services.stopping,
        heartbeat_seconds=services.heartbeat_seconds,
    )
    return EventStream(body, limit=services.access.streams, caller=caller, headers={"Vary": "Accept"})


async def _read_on(logs: LogStore, build_id: str, part: LogPart) -> AsyncGenerator[bytes, None]:
    """Yield a part and what follows it, up to the end that the log has when it gets there."""
    while part.data:
        yield part.data
        if part.finished:
            return
        part = await logs.read(build_id, attempt=part.attempt, offset=part.offset + len(part.data))


def _asks_for_events(accept: str) -> bool:
    """Tell whether events are named in an Accept header; wildcards get text (RFC 9110, section 12.5.1)."""
    ranges = (one.partition(";")[0].strip().lower() for one in accept.split(","))
    return EVENT_STREAM in ranges


def _parse_position(text: str | None) -> LogPosition:
    if not text:
        return LogPosition()
    try:
        return LogPosition.parse(text)
    except ValueError as error:
        raise InvalidRequestError(problems=[f"Last-Event-ID or after: {error}"]) from error
