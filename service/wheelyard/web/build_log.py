"""Pages of a build's log: a part of it, search, the whole as plain text, and live events.

The API's events need a bearer token, which pages do not have. The events here carry lines that are already split and
styled, so that the script only inserts text.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from fastapi import Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from wheelyard.api.build_log import plain_log
from wheelyard.api.log_events import EventStream, with_heartbeats
from wheelyard.api.problems import Problem
from wheelyard.domain.builds.build import Attempt, Build, Stage
from wheelyard.errors import InvalidRequestError, NotFoundError, WheelyardError
from wheelyard.usecases.follow_log import LogEvent, LogPosition, LogText, StatusChange
from wheelyard.web.ansi import Pen
from wheelyard.web.context import PageContext
from wheelyard.web.line_index import IndexedLog, LineIndex, LineIndexes
from wheelyard.web.rendering import Page
from wheelyard.web.viewport import (
    VIEWPORT_LINES,
    LogSpan,
    Search,
    StageMark,
    Viewport,
    failing_line,
    fold_by_stage,
    show_line,
    split_text,
    viewport_around,
    viewport_from,
    viewport_to_end,
)
from wheelyard.web.words import machine_time

_RECONNECT_MILLISECONDS: Final = 2000
_MAX_NUMBER: Final = 9
_FOLLOWED_LINES: Final = 500
"""Most lines of one event; more would only slow down server and browser."""


_NAMES_FOR_BROUGHT: Final = {Stage.BUILD: "check", Stage.VERIFY: "prove"}
"""Nobody builds a brought wheel here, so these stages have another name on its pages."""


def stage_names(build: Build) -> dict[str, str]:
    """Return the names of the stages on the pages of a build."""
    renamed = _NAMES_FOR_BROUGHT if build.order.is_brought else {}
    return {stage.value: renamed.get(stage, stage.value) for stage in Stage}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadLog:
    """The log of an attempt, up to its last complete line."""

    content: IndexedLog
    marked: int | None
    """The line that shows why the attempt failed."""

    @property
    def attempt(self) -> int:
        """Number of the attempt."""
        return self.content.attempt

    @property
    def stages(self) -> Sequence[StageMark]:
        """The lines where stages begin."""
        return self.content.index.stages

    @property
    def total(self) -> int:
        """Number of complete lines."""
        return self.content.index.total

    @property
    def size_bytes(self) -> int:
        """End of the last complete line, in bytes; the offset to continue from."""
        return self.content.index.size_bytes

    async def from_line(self, first: int) -> Viewport:
        """Return the lines that begin with this number."""
        return viewport_from(await self.content.read(first, VIEWPORT_LINES), marked=self.marked)

    async def around(self, number: int) -> Viewport:
        """Return a line with its context."""
        wanted = min(max(number, 1), max(self.total, 1))
        span = await self.content.read(wanted - VIEWPORT_LINES, 2 * VIEWPORT_LINES)
        return viewport_around(span, wanted) if span.lines else viewport_from(span)

    async def at_failure_or_end(self, *, count: int = VIEWPORT_LINES) -> Viewport:
        """Return the line that shows the failure with its context, else the last lines."""
        if self.marked is not None:
            return await self.around(self.marked)
        return viewport_to_end(await self.content.read(self.total - count + 1, count))

    async def search(self, text: str) -> Viewport:
        """Return the lines that contain a text."""
        search = Search(text)
        async for block in self.content.blocks():
            await asyncio.to_thread(search.look, block)
        return search.window()


async def read_log(context: PageContext, build: Build, attempt: Attempt) -> ReadLog:
    """Return an attempt's log after indexing its new lines."""
    indexes: LineIndexes = context.request.app.state.line_indexes
    known = indexes.of(build.id, attempt.number)
    content = IndexedLog(logs=context.services.logs, build_id=build.id, attempt=attempt.number, index=known)
    await content.survey()
    return ReadLog(content=content, marked=_failing_line(known) if attempt.failure else None)


def _failing_line(known: LineIndex) -> int | None:
    tail = list(known.tail)
    return failing_line(LogSpan(first=known.total - len(tail) + 1, lines=tail, total=known.total))


def chosen_attempt(context: PageContext, build: Build) -> Attempt | None:
    """Return the attempt of the query, else the newest; None if there is none. Raise NotFoundError."""
    wanted = _number(context, "attempt")
    if wanted is None:
        return build.attempts[-1] if build.attempts else None
    found = next((attempt for attempt in build.attempts if attempt.number == wanted), None)
    if found is None:
        raise NotFoundError(kind="attempt", name=f"{build.id}/{wanted}")
    return found


async def show_log(context: PageContext) -> Page:
    """Show a part of a log, or search results."""
    build = await context.services.builds.get(context.part("build_id"))
    attempt = chosen_attempt(context, build)
    log = await read_log(context, build, attempt) if attempt else None
    wanted = context.asked("find")[:200]
    window = await _window(context, log, wanted)
    title = f"Log of {build.order.project} {build.order.version}"
    folds = fold_by_stage(window, log.stages if log else (), keep_open=True)
    shown = {"window": window, "folds": folds, "wanted": wanted, "stage_names": stage_names(build)}
    return Page(template="log.html", title=title, values={"build": build, "attempt": attempt, "log": log, **shown})


async def _window(context: PageContext, log: ReadLog | None, wanted: str) -> Viewport:
    if log is None:
        return Viewport(lines=(), total=0)
    if wanted:
        return await log.search(wanted)
    if (first := _number(context, "from")) is not None:
        return await log.from_line(first)
    if (line := _number(context, "at")) is not None:
        return await log.around(line)
    return await log.at_failure_or_end()


def _number(context: PageContext, name: str) -> int | None:
    text = context.asked(name)
    if not text:
        return None
    if not text.isdecimal() or len(text) > _MAX_NUMBER:
        raise InvalidRequestError(problems=[f"{name}: must be a number"])
    return int(text)


async def download_log(context: PageContext) -> Response:
    """Send the whole log as plain text, without terminal control sequences."""
    build = await context.services.builds.get(context.part("build_id"))
    attempt = chosen_attempt(context, build)
    headers = {"Cache-Control": "private, no-cache", "Content-Security-Policy": "default-src 'none'; sandbox"}
    if attempt is None:
        return Response("", media_type="text/plain", headers=headers)
    logs = context.services.logs
    first = await logs.read(build.id, attempt=attempt.number)
    texts = plain_log(logs, build.id, first, coloured=False)
    return StreamingResponse(texts, media_type="text/plain; charset=utf-8", headers=headers)


async def follow_log(context: PageContext) -> Response:
    """Send new lines and status changes as server-sent events, from the position of the query."""
    build_id = context.part("build_id")
    await context.services.builds.get(build_id)
    start = _position(context.request.headers.get("Last-Event-ID") or context.asked("after"))
    events = with_heartbeats(
        context.services.follow_log(build_id, start=start),
        stopping=context.services.stopping,
        seconds=context.services.heartbeat_seconds,
    )
    return EventStream(_encode(events, start), limit=context.services.access.streams, caller=context.caller)


def _position(text: str) -> LogPosition:
    try:
        return LogPosition.parse(text) if text else LogPosition()
    except ValueError as error:
        raise InvalidRequestError(problems=[f"after: {error}"]) from error


async def _encode(events: AsyncGenerator[LogEvent | None, None], start: LogPosition) -> AsyncGenerator[bytes, None]:
    yield format_sse_event(retry=_RECONNECT_MILLISECONDS)
    lines = _LineEvents(start)
    try:
        async for event in events:
            match event:
                case None:
                    yield format_sse_event(comment="still here")
                case LogText():
                    yield lines.take(event)
                case StatusChange():
                    yield lines.change(event)
    except WheelyardError as error:
        yield format_sse_event(event="problem", data_str=Problem.of(error).model_dump_json())


class _LineEvents:
    """Builds events from complete lines.

    The id of an event is the offset after its last line, so that no line is sent twice after a reconnect. If there are
    too many lines for one event, the first ones are only counted.
    """

    def __init__(self, start: LogPosition) -> None:
        self._position = start
        self._pen = Pen()

    def take(self, event: LogText) -> bytes:
        self._position = event.position
        lines = [event.note.encode().decode()] if event.note else split_text(event.text)
        shown = lines[-_FOLLOWED_LINES:]
        data = {"attempt": self._position.attempt, "skipped": len(lines) - len(shown), "lines": self._show(shown)}
        return self._event("lines", data)

    def change(self, event: StatusChange) -> bytes:
        """Return the event of a status change."""
        final = event.status.is_final
        data = {"status": event.status, "stage": event.stage, "attempt": event.attempt, "final": final}
        return self._event("status", data)

    def _show(self, lines: Sequence[str]) -> list[dict[str, object]]:
        shown = (show_line(line, self._pen) for line in lines)
        return [asdict(line) for line in shown]

    def _event(self, name: str, data: object) -> bytes:
        return format_sse_event(event=name, data_str=json.dumps(data, default=machine_time), id=str(self._position))
