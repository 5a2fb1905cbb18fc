"""Gives every request an id that its answer, its problems and the service's log share. Must not decide anything."""

import re
import uuid
from collections.abc import Callable
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wheelyard.logs import get_logger

_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_log: Final = get_logger(__name__)


def random_request_id() -> str:
    """Make an id that nobody else has."""
    return uuid.uuid4().hex


def request_id_of(scope: Scope) -> str:
    """Return the id that the middleware gave the request."""
    return str(scope["state"]["request_id"])


class RequestContextMiddleware:
    """Binds the request's id, a caller's own one if it is well-formed, and records each answer."""

    def __init__(self, app: ASGIApp, *, new_request_id: Callable[[], str]) -> None:
        self._app = app
        self._new_request_id = new_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._choose_id(Headers(scope=scope).get("X-Request-ID"))
        scope.setdefault("state", {})["request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, _with_headers(send, scope, request_id))

    def _choose_id(self, proposed: str | None) -> str:
        well_formed = proposed is not None and _WELL_FORMED.fullmatch(proposed)
        return proposed if proposed is not None and well_formed else self._new_request_id()


def _with_headers(send: Send, scope: Scope, request_id: str) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = request_id
            headers["X-Content-Type-Options"] = "nosniff"
            _log.debug("request-answered", method=scope["method"], path=scope["path"], status=message["status"])
        await send(message)

    return send_with_headers
