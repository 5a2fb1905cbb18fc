"""Responses that send a file or parts of it (RFC 9110, section 14), if possible without reading it into memory."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import BinaryIO, Final

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from wheelyard.api.services import IndexServices
from wheelyard.domain.index.byte_range import ByteRange, parse_ranges
from wheelyard.domain.index.index import FileSender
from wheelyard.domain.index.wheels import IndexedWheel

FILE_TYPE: Final = "application/octet-stream"
ZERO_COPY: Final = "http.response.zerocopysend"
"""The message of ASGI that has the server send a part of a file
(https://asgi.readthedocs.io/en/latest/extensions.html#zero-copy-send)."""
PAST_PROXY: Final = "X-Wheelyard-Send"
"""The header with which the proxy asks for bytes, because it did not find the copy that it was told to send."""
_SMALL_BYTES: Final = 64 << 10
"""Files up to this size are read at once: handing them over takes longer than copying them."""
_CHUNK_BYTES: Final = 256 << 10
_OK, _PART, _NO_SUCH_PART = 200, 206, 416


async def send_file(
    request: Request, index: IndexServices, wheel: IndexedWheel, headers: Mapping[str, str]
) -> Response:
    """Return the response to a GET request for a file that may be downloaded, whole or in part.

    Raise NotFoundError, IndexUnavailableError or HashMismatchError.
    """
    ranged = _range_of(request, wheel)
    caller = str(request.state.caller)
    copy = index.copies.find(wheel)
    if copy is None and ranged is not None:
        copy = await index.copies.fetch(wheel, caller=caller)
    if copy is None:
        # Without a copy a range is ignored, as RFC 9110 allows: the hash of a part cannot be checked.
        return await StreamedFile.begin(index.copies.stream(wheel, caller=caller), wheel, headers)
    if index.sender is not FileSender.API and PAST_PROXY not in request.headers:
        copy.close()
        return Response(headers={**headers, **_told(index, wheel)}, media_type=FILE_TYPE)
    try:
        parts = parse_ranges(ranged, size_bytes=wheel.size_bytes)
    except ValueError:
        copy.close()
        return Response(status_code=_NO_SUCH_PART, headers={**headers, "Content-Range": f"bytes */{wheel.size_bytes}"})
    return FileParts(copy, parts, size_bytes=wheel.size_bytes, headers=headers)


def _range_of(request: Request, wheel: IndexedWheel) -> str | None:
    """Return the Range header; None if If-Range names other content (RFC 9110, section 13.1.5)."""
    etag = f'"{wheel.sha256}"'
    return request.headers.get("Range") if request.headers.get("If-Range", etag) == etag else None


def _told(index: IndexServices, wheel: IndexedWheel) -> dict[str, str]:
    """Return the header that tells the proxy which file to send; paths have no character that must be quoted."""
    place = index.copies.place_of(wheel)
    if index.sender is FileSender.NGINX:
        return {"X-Accel-Redirect": f"/wheelyard-copies/{place}"}
    return {"X-Sendfile": place}


class FileParts(Response):
    """The response with the whole of a file, one part, or several ones; it closes the file."""

    def __init__(
        self, file: BinaryIO, parts: Sequence[ByteRange], *, size_bytes: int, headers: Mapping[str, str]
    ) -> None:
        """Set the file and its parts; none are the whole."""
        self._file = file
        self._pieces: list[bytes | ByteRange] = [*(parts or _whole(size_bytes))]
        media_type, added = FILE_TYPE, {}
        if len(parts) == 1:
            added["Content-Range"] = parts[0].of(size_bytes)
        elif parts:
            boundary = secrets.token_hex(16)
            self._pieces = [*_multipart(parts, boundary, size_bytes)]
            media_type = f"multipart/byteranges; boundary={boundary}"
        length = sum(piece.size_bytes if isinstance(piece, ByteRange) else len(piece) for piece in self._pieces)
        added["Content-Length"] = str(length)
        super().__init__(status_code=_PART if parts else _OK, headers={**headers, **added}, media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file (ASGI)."""
        del receive
        zero_copy = ZERO_COPY in scope.get("extensions", {})
        with self._file as file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for number, piece in enumerate(self._pieces, 1):
                more = number < len(self._pieces)
                if isinstance(piece, bytes):
                    await send({"type": "http.response.body", "body": piece, "more_body": more})
                elif piece.size_bytes <= _SMALL_BYTES:
                    body = await _read(file, piece.first, piece.size_bytes)
                    await send({"type": "http.response.body", "body": body, "more_body": more})
                elif zero_copy:
                    part = {"file": file, "offset": piece.first, "count": piece.size_bytes}
                    await send({"type": ZERO_COPY, **part, "more_body": more})
                else:
                    await _send_chunks(file, piece, send, more=more)


def _whole(size_bytes: int) -> Iterator[bytes | ByteRange]:
    yield ByteRange(first=0, last=size_bytes - 1) if size_bytes else b""


def _multipart(parts: Sequence[ByteRange], boundary: str, size_bytes: int) -> Iterator[bytes | ByteRange]:
    """Yield the pieces of a body of the type multipart/byteranges (RFC 9110, section 14.6)."""
    for part in parts:
        head = f"\r\n--{boundary}\r\nContent-Type: {FILE_TYPE}\r\nContent-Range: {part.of(size_bytes)}\r\n\r\n"
        yield head.encode()
        yield part
    yield f"\r\n--{boundary}--\r\n".encode()


async def _send_chunks(file: BinaryIO, part: ByteRange, send: Send, *, more: bool) -> None:
    position = part.first
    while position <= part.last:
        body = await _read(file, position, min(_CHUNK_BYTES, part.last + 1 - position))
        position += len(body)
        await send({"type": "http.response.body", "body": body, "more_body": more or position <= part.last})


async def _read(file: BinaryIO, position: int, size_bytes: int) -> bytes:
    """Read bytes, without another thread if the kernel has them in memory; raise EOFError if the file was cut."""
    buffer = bytearray(size_bytes)
    read = 0
    with contextlib.suppress(OSError):  # it has not, or its file system cannot tell
        read = os.preadv(file.fileno(), [buffer], position, os.RWF_NOWAIT)
    while read < size_bytes:
        # A read may be shorter than wanted.
        more = await asyncio.to_thread(os.preadv, file.fileno(), [memoryview(buffer)[read:]], position + read)
        if not more:
            raise EOFError("the file was cut while it was sent")
        read += more
    return bytes(buffer)


class StreamedFile(Response):
    """The response with a whole file that is read while it is sent."""

    @classmethod
    async def begin(
        cls, chunks: AsyncGenerator[bytes, None], wheel: IndexedWheel, headers: Mapping[str, str]
    ) -> "StreamedFile":
        """Wait for the first bytes, so that what prevents them is answered as a problem."""
        return cls(chunks, await anext(chunks, b""), wheel, headers)

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], first: bytes, wheel: IndexedWheel, headers: Mapping[str, str]
    ) -> None:
        super().__init__(headers={**headers, "Content-Length": str(wheel.size_bytes)}, media_type=FILE_TYPE)
        self._chunks, self._first = chunks, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file (ASGI)."""
        del scope, receive
        async with contextlib.aclosing(self._chunks) as chunks:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
