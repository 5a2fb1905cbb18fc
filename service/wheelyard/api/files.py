"""Routes of wheel files and their METADATA (PEP 658), streamed from devpi and cacheable forever."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from wheelyard.adapters.host.shared_work import FairSlots, SlotsBusyError
from wheelyard.api.docs import problems
from wheelyard.api.index_access import IndexRoute
from wheelyard.api.services import ApiServices, Services
from wheelyard.domain.index.byte_range import ByteRange, parse_range
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.errors import IndexUnavailableError, NotFoundError


def is_known(request: Request, etag: str) -> bool:
    """Return whether If-None-Match has this ETag or ``*``, so that the client's copy is current."""
    given = [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]
    return "*" in given or etag.removeprefix("W/") in (one.removeprefix("W/") for one in given)


def takes_gzip(request: Request) -> bool:
    """Return whether the client accepts gzip."""
    accepted = request.headers.get("Accept-Encoding", "")
    codings = (item.replace(" ", "").lower().split(";") for item in accepted.split(","))
    return any(name == "gzip" and "q=0" not in parameters for name, *parameters in codings)


_METADATA: Final = ".metadata"
_OK, _PART, _NOT_MODIFIED, _NO_SUCH_PART = 200, 206, 304, 416
# A file name always has the same content.
_FOREVER: Final = "private, max-age=31536000, immutable"
DOWNLOADS_AT_ONCE: Final = 96
"""Less than the number of connections to devpi."""
_WAIT_SECONDS: Final = 60.0
_WHEEL_TYPE: Final = "application/octet-stream"

router: Final = APIRouter(tags=["index"], route_class=IndexRoute)


@router.get(
    "/files/{filename}",
    operation_id="get_file",
    summary="Download a wheel or its METADATA",
    responses=problems(
        NotFoundError(kind="wheel", name="pyyaml-6.0.3-py3-none-any.whl"),
        IndexUnavailableError(index="our own", reason="connection refused"),
    ),
)
async def get_file(filename: str, request: Request, services: Services) -> Response:
    """Return a wheel, whole or in part (Range). With `.metadata` added to its name, return its METADATA."""
    return await _file(filename, request, services)


@router.get("/staging/files/{filename}", include_in_schema=False)
@router.head("/staging/files/{filename}", include_in_schema=False)
@router.head("/files/{filename}", include_in_schema=False)
async def get_same_file(filename: str, request: Request, services: Services) -> Response:
    """Return the same file for links of staging pages; return only headers for HEAD."""
    return await _file(filename, request, services)


async def _file(filename: str, request: Request, services: ApiServices) -> Response:
    if not filename.isprintable():
        # The path is not validated, and the database cannot store every character.
        raise NotFoundError(kind="wheel", name=filename)
    if filename.endswith(_METADATA):
        return await _metadata(filename.removesuffix(_METADATA), request, services)
    wheel = await services.index.files.find(filename)
    headers = {"ETag": f'"{wheel.sha256}"', "Cache-Control": _FOREVER, "Accept-Ranges": "bytes"}
    if is_known(request, headers["ETag"]):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    if request.method == "HEAD":
        headers |= {"Content-Length": str(wheel.size_bytes), "Content-Type": _WHEEL_TYPE}
        return Response(headers=headers)
    try:
        part = _range_of(request, wheel)
    except ValueError:
        headers["Content-Range"] = f"bytes */{wheel.size_bytes}"
        return Response(status_code=_NO_SUCH_PART, headers=headers)
    opened = in_turn(request, services.index.files.open(wheel), caller=request.state.caller)
    return _WheelResponse(opened, wheel, part, headers)


@contextlib.asynccontextmanager
async def in_turn(
    request: Request, file: AbstractAsyncContextManager[AsyncIterator[bytes]], *, caller: str
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Open a file when it is the caller's turn, so that slow readers do not use all connections to devpi."""
    downloads: FairSlots = request.app.state.downloads
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(downloads.slot(caller, wait_seconds=_WAIT_SECONDS))
        except SlotsBusyError as error:
            raise IndexUnavailableError(index="our own", reason="too many files are being sent") from error
        yield await stack.enter_async_context(file)


async def _metadata(filename: str, request: Request, services: ApiServices) -> Response:
    wheel = await services.index.files.find(filename)
    content = await services.index.files.metadata_of(filename)
    headers = {"ETag": f'"{wheel.metadata_sha256}"', "Cache-Control": _FOREVER}
    if is_known(request, headers["ETag"]):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    return Response(content, media_type="text/plain", headers=headers)


def _range_of(request: Request, wheel: IndexedWheel) -> ByteRange | None:
    """Return the requested range; None if If-Range names other content (RFC 9110, section 13.1.5)."""
    if request.headers.get("If-Range", f'"{wheel.sha256}"') != f'"{wheel.sha256}"':
        return None
    return parse_range(request.headers.get("Range"), size_bytes=wheel.size_bytes)


class _WheelResponse(StreamingResponse):
    """A response that opens the file when it is sent, and closes it even if the client disconnects."""

    def __init__(
        self,
        opened: AbstractAsyncContextManager[AsyncIterator[bytes]],
        wheel: IndexedWheel,
        part: ByteRange | None,
        headers: dict[str, str],
    ) -> None:
        size = wheel.size_bytes if part is None else part.size_bytes
        span = {} if part is None else {"Content-Range": f"bytes {part.first}-{part.last}/{wheel.size_bytes}"}
        all_headers = {**headers, **span, "Content-Length": str(size)}
        super().__init__(_nothing(), _OK if part is None else _PART, headers=all_headers, media_type=_WHEEL_TYPE)
        self._opened, self._part = opened, part

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file (ASGI)."""
        async with self._opened as chunks:
            self.body_iterator = chunks if self._part is None else self._part.cut(chunks)
            await super().__call__(scope, receive, send)


async def _nothing() -> AsyncIterator[bytes]:
    """Return an empty body until the file is open."""
    yield b""
