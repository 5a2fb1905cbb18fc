"""Receive files: as the whole body of a request, or as a part of a form. Nothing of them is kept in memory."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from wheelyard.api.body_limit import MAX_FORM_BYTES
from wheelyard.errors import UploadInvalidError, UploadTooLargeError
from wheelyard.wheel_files.received import ReceivedFile

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_FLUSH_BYTES: Final = 1 << 20
_MOST_PARTS: Final = 20_000
"""Each requirement and classifier of a project is a part. A wheel may have 10,000 requirements."""
_MOST_FIELD_BYTES: Final = 4 << 20
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


async def receive_body(request: Request, file: ReceivedFile, *, limit_bytes: int) -> None:
    """Write the body of a request to a file.

    Raises:
        UploadInvalidError: the connection was lost before the end.
        UploadTooLargeError, DiskFullError: the file.
    """
    check_length(request, limit_bytes=limit_bytes)
    pending = bytearray()
    async for data in _stream(request):
        pending += data
        await _flush(pending, file, least=_FLUSH_BYTES)
    await _flush(pending, file)


def check_length(request: Request, *, limit_bytes: int) -> None:
    """Raise UploadTooLargeError if the announced body is too large, before any of it is read."""
    length = request.headers.get("Content-Length", "")
    if _LENGTH.fullmatch(length) and int(length) > limit_bytes:
        raise UploadTooLargeError(limit_bytes=limit_bytes)


@dataclass(kw_only=True, slots=True)
class UploadForm:
    """What a form said beside its file."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    filename: str | None = None
    """The name of the file; None if the form had none."""

    def several(self, name: str, *, most: int) -> tuple[str, ...]:
        """Return the values of a field, without empty ones; raise UploadInvalidError for too many."""
        values = tuple(filter(None, (value.strip() for value in self.fields.get(name, []))))
        if len(values) > most:
            raise UploadInvalidError(problems=[f"the form has {len(values)} fields {name}, and {most} are allowed"])
        return values

    def one(self, name: str) -> str | None:
        """Return the only value of a field, None if it is missing or empty; raise UploadInvalidError for several."""
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise UploadInvalidError(problems=[f"the form has {len(values)} fields {name}, and one is allowed"])
        return (values[0].strip() or None) if values else None


async def receive_form(request: Request, file: ReceivedFile, *, limit_bytes: int) -> UploadForm:
    """Read a multipart form, whose part ``content`` is written to a file.

    Raises:
        UploadInvalidError: it is no form, has too much in it, or its connection was lost before its end.
        UploadTooLargeError, DiskFullError: the file.
    """

    def begin(filename: str, form: UploadForm) -> ReceivedFile:
        if form.filename is not None:
            raise UploadInvalidError(problems=["its form has several files, and one is allowed"])
        form.filename = filename
        return file

    return await receive_files(request, begin, limit_bytes=limit_bytes)


BeginFile = Callable[[str, UploadForm], ReceivedFile | None]
"""Returns where a file of a form is written to, by its name and the fields before it; None has its bytes ignored."""


async def receive_files(request: Request, begin: BeginFile, *, limit_bytes: int) -> UploadForm:
    """Read a multipart form, whose parts ``content`` are written to files, one after another.

    Args:
        request: The request.
        begin: Called as a file begins, before any byte of it is written; what it raises ends the reading.
        limit_bytes: Maximum size of all files together.

    Raises:
        UploadInvalidError: it is no form, or has too much in it.
        UploadTooLargeError, DiskFullError: a file.
    """
    check_length(request, limit_bytes=limit_bytes + MAX_FORM_BYTES)
    kind, options = parse_options_header(request.headers.get("Content-Type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise UploadInvalidError(problems=["its body is no form (multipart/form-data)"])
    reader = _FormReader(begin)
    try:
        parser = MultipartParser(boundary, reader.callbacks)
        async for data in _stream(request):
            parser.write(data)
            await reader.flush(least=_FLUSH_BYTES)
        parser.finalize()
    except FormParserError as error:
        raise UploadInvalidError(problems=[f"its form cannot be read ({error})"]) from error
    if not reader.is_complete:
        raise UploadInvalidError(problems=["its form ends in the middle"])
    await reader.flush()
    return reader.form


@contextlib.asynccontextmanager
async def arriving(seconds: float) -> AsyncIterator[None]:
    """Raise UploadInvalidError if what is received in the block takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise UploadInvalidError(problems=[f"it has not arrived within {seconds:g} s"]) from error


async def _stream(request: Request) -> AsyncIterator[bytes]:
    """Yield the body of a request; raise UploadInvalidError if the connection is lost before its end."""
    try:
        async for data in request.stream():
            yield data
    except ClientDisconnect as error:
        raise UploadInvalidError(problems=["the connection was lost before its end"]) from error


async def _flush(pending: bytearray, file: ReceivedFile, *, least: int = 1) -> None:
    """Write what was received, if it is enough, off the event loop."""
    if len(pending) >= least:
        data = bytes(pending)
        pending.clear()
        await asyncio.to_thread(file.write, data)


class _FormReader:
    """Collects what the parser finds: small fields as text, the files' bytes until they are written."""

    def __init__(self, begin: BeginFile) -> None:
        self.form = UploadForm()
        self._begin_file = begin
        self._files: list[tuple[ReceivedFile, bytearray]] = []
        """Files with bytes that are not written yet; only the last one may grow."""
        self.is_complete = False
        self._parts = 0
        self._bytes = 0
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._name = ""
        self._field: bytearray | None = None
        """The value of the present field; None while the part is a file, or one that is ignored."""
        self._content: bytearray | None = None
        """What is not written yet of the present file; None while the part is no file, or one that is ignored."""
        self.callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_part_data": self._take,
            "on_part_end": self._end,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_value,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise UploadInvalidError(problems=[f"its form has more than {_MOST_PARTS} parts"])
        self._disposition = b""
        self._field, self._content = None, None

    def _end_header(self) -> None:
        if bytes(self._header).strip().lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _begin_value(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options.get(b"filename")
        if self._name == "content" and filename is not None:
            file = self._begin_file(filename.decode("utf-8", "replace"), self.form)
            if file is not None:
                self._content = bytearray()
                self._files.append((file, self._content))
        elif filename is None:
            self._field = bytearray()
        # Another file, such as a PGP signature, is ignored, as the public index ignores it.

    def _take(self, data: bytes, start: int, end: int) -> None:
        if self._content is not None:
            self._content += data[start:end]
            return
        if self._field is None and self._name == "content":
            return
        self._bytes += end - start
        if self._bytes > _MOST_FIELD_BYTES:
            raise UploadInvalidError(problems=[f"the fields of its form have more than {_MOST_FIELD_BYTES >> 20} MiB"])
        if self._field is not None:
            self._field += data[start:end]

    def _end(self) -> None:
        if self._field is not None:
            self.form.fields.setdefault(self._name, []).append(self._field.decode("utf-8", "replace"))

    def _finish(self) -> None:
        self.is_complete = True

    async def flush(self, *, least: int = 1) -> None:
        """Write the files that have ended, and the present one if there is enough of it."""
        for file, pending in self._files[:-1]:
            await _flush(pending, file)
        del self._files[:-1]
        for file, pending in self._files:
            await _flush(pending, file, least=least)
