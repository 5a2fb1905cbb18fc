"""Limits of request bodies, checked while a body is received.

Starlette's ``max_body_size`` answers in plain text (Starlette 1.10, ``RequestBodyLimitResponder.send_with_limit``,
https://github.com/Kludex/starlette/pull/3431). This middleware answers with a problem document, as for other errors.
"""

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wheelyard.api.services import ApiServices

MAX_BODY_BYTES: Final = 64 << 10
MAX_FILES_BYTES: Final = 8 << 20
"""Limit for paths that accept lock files."""
_FILES_PATHS: Final = ("/v1/requests", "/requests", "/v1/campaigns", "/campaigns")
UPLOAD_PATHS: Final = ("/legacy/", "/v1/files", "/v1/builds/local", "/upload")
MAX_FORM_BYTES: Final = 8 << 20
"""Limit of what is around the file in an upload; the limit of the file itself is the operator's."""
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


class BodyLimitMiddleware:
    """Raise an HTTPException with status 413 if a route reads too large a body; it becomes RequestTooLargeError.

    FastAPI turns every other exception from reading a body into status 400
    (https://github.com/fastapi/fastapi/pull/12490).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection (ASGI)."""
        limited = (
            _limit(receive, _announced_bytes(scope), limit_bytes_of(scope)) if scope["type"] == "http" else receive
        )
        await self._app(scope, limited, send)


def _announced_bytes(scope: Scope) -> int:
    length = Headers(scope=scope).get("Content-Length", "")
    return int(length) if _LENGTH.fullmatch(length) else 0


def limit_bytes_of(scope: Scope) -> int:
    """Return the largest body that a path accepts."""
    if scope["path"] in UPLOAD_PATHS:
        services: ApiServices = scope["app"].state.services
        return services.uploads.limit_bytes + MAX_FORM_BYTES
    return MAX_FILES_BYTES if scope["path"].startswith(_FILES_PATHS) else MAX_BODY_BYTES


def _limit(receive: Receive, announced_bytes: int, limit_bytes: int) -> Receive:
    received_bytes = 0

    async def receive_limited() -> Message:
        nonlocal received_bytes
        _check(announced_bytes, limit_bytes)
        message = await receive()
        received_bytes += len(message.get("body", b""))
        _check(received_bytes, limit_bytes)
        return message

    return receive_limited


def _check(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise HTTPException(413)
