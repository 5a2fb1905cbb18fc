"""The middleware that gives every request an id and a trace, and logs each response.

The id and the trace are in the response, in problem documents, in the service's log, and stored with the builds and
requests that the request starts.
"""

import re
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wheelyard.domain.addresses import caller_of_address
from wheelyard.domain.trace import Trace, TraceParent
from wheelyard.logs import get_logger, log_context
from wheelyard.metrics import HttpMetrics

QUIET_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that monitoring requests all the time: their responses are logged at debug level."""
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_log: Final = get_logger(__name__)


def random_request_id() -> str:
    """Return a new unique id."""
    return uuid.uuid4().hex


def random_trace_parent() -> TraceParent:
    """Return a new unique trace parent."""
    return TraceParent(trace_id=secrets.token_hex(16), span_id=secrets.token_hex(8))


def request_id_of(scope: Scope) -> str:
    """Return the id that the middleware gave the request."""
    return str(scope["state"]["request_id"])


def trace_of(scope: Scope) -> Trace:
    """Return the trace that is stored with every build or request that this request starts."""
    parent: TraceParent = scope["state"]["trace_parent"]
    return Trace(request_id=request_id_of(scope), trace_id=parent.trace_id)


def address_of(request: Request) -> str:
    """Return the client's address, as rate limits count it."""
    return caller_of_address(request.client.host) if request.client else ""


async def _provide_trace(request: Request) -> Trace:
    # Asynchronous, because FastAPI runs other dependencies in threads (https://github.com/fastapi/fastapi/issues/1306).
    return trace_of(request.scope)


RequestTrace = Annotated[Trace, Depends(_provide_trace)]


@dataclass(kw_only=True, slots=True)
class _Answer:
    """Progress of a response."""

    begun: float = field(default_factory=time.monotonic)
    status: int | None = None
    """None before the response begins; it stays None if the client disconnects first."""
    waited: float | None = None
    """Seconds until the response began."""

    def begin(self, status: int) -> None:
        """Record that the response begins now."""
        self.status, self.waited = status, self.seconds

    @property
    def seconds(self) -> float:
        """Seconds since the request arrived."""
        return time.monotonic() - self.begun


class RequestContextMiddleware:
    """Binds the request's id and trace to the log context; a well-formed id or trace of the caller is used."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: HttpMetrics,
        new_request_id: Callable[[], str],
        new_trace_parent: Callable[[], TraceParent] = random_trace_parent,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._new_request_id = new_request_id
        self._new_trace_parent = new_trace_parent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, answer = Headers(scope=scope), _Answer()
        state = scope.setdefault("state", {})
        state["request_id"] = self._choose_id(headers.get("X-Request-ID"))
        state["trace_parent"] = self._continue_trace(headers.get("traceparent"))
        with log_context(**trace_of(scope).log_fields):
            try:
                await self._app(scope, receive, _with_headers(send, scope, answer))
            finally:
                self._record(scope, answer)

    def _choose_id(self, proposed: str | None) -> str:
        well_formed = proposed is not None and _WELL_FORMED.fullmatch(proposed)
        return proposed if proposed is not None and well_formed else self._new_request_id()

    def _continue_trace(self, header: str | None) -> TraceParent:
        """Continue the caller's trace in a new span, or begin a new trace."""
        own, former = self._new_trace_parent(), TraceParent.parse(header)
        return own if former is None else replace(own, trace_id=former.trace_id, flags=former.flags)

    def _record(self, scope: Scope, answer: _Answer) -> None:
        method, path = scope["method"], scope["path"]
        note = _log.debug if path in QUIET_PATHS else _log.info
        note("request-answered", method=method, path=path, status=answer.status, seconds=round(answer.seconds, 4))
        if answer.status is not None and answer.waited is not None:
            route = getattr(scope.get("route"), "path", None)
            self._metrics.observe(method=method, route=route, status=answer.status, seconds=answer.waited)


def _with_headers(send: Send, scope: Scope, answer: _Answer) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = request_id_of(scope)
            headers["traceparent"] = str(scope["state"]["trace_parent"])
            headers["X-Content-Type-Options"] = "nosniff"
            answer.begin(message["status"])
        await send(message)

    return send_with_headers
