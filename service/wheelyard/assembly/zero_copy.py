"""Send parts of files from the kernel's memory to a connection, and a small answer in one piece.

uvicorn reads whatever it sends, and sends the head of an answer alone. This adds the message of ASGI's extension for
parts of files, and puts the head of an answer of known length before its first bytes.
"""

import asyncio
from typing import Any, BinaryIO, Final

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from wheelyard.api.downloads.responses import ZERO_COPY
from wheelyard.logs import get_logger

_log: Final = get_logger(__name__)
_LENGTH: Final = b"content-length"
_PIECE_BYTES: Final = 1 << 20
"""Sent before other connections have their turn."""


class _GatheringTransport:
    """A transport that sends in one piece what is written while it is used."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._written: list[bytes] = []
        self._is_closed = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the transport has
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Hold bytes until ``send``."""
        self._written.append(data)

    def close(self) -> None:
        """Close the connection after what was written is sent."""
        self._is_closed = True

    def send(self) -> None:
        """Send what was written."""
        if self._written:
            self._transport.write(b"".join(self._written))
        if self._is_closed:
            self._transport.close()


class SentPart:
    """The part of a file that a connection sends at present, if it sends one."""

    def __init__(self) -> None:
        self.task: asyncio.Task[int] | None = None

    def stop(self) -> None:
        """Stop before the connection is closed: afterwards the loop would wait for it for ever."""
        if self.task is not None:
            self.task.cancel()


class ZeroCopySend:
    """What an application calls to send a message: as uvicorn's, and with parts of files."""

    def __init__(self, cycle: RequestResponseCycle, loop: asyncio.AbstractEventLoop, part: SentPart) -> None:
        self._cycle = cycle
        self._loop = loop
        self._send = cycle.send
        self._part = part
        self._head: Any = None
        """The message that begins the answer, until the next one comes."""

    @classmethod
    def put_into(cls, cycle: RequestResponseCycle, loop: asyncio.AbstractEventLoop, part: SentPart) -> None:
        """Let a request be answered with parts of files."""
        extensions: dict[str, Any] = cycle.scope.setdefault("extensions", {})
        extensions[ZERO_COPY] = {}
        cycle.send = cls(cycle, loop, part)  # type: ignore[method-assign]

    async def __call__(self, message: Any) -> None:  # noqa: ANN401  ASGI
        """Send a message (ASGI)."""
        if message["type"] == "http.response.start" and any(name == _LENGTH for name, _ in message.get("headers", ())):
            self._head = message
            return
        if self._head is not None:
            await self._send_head(message)
            return
        if message["type"] != ZERO_COPY:
            await self._send(message)
            return
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        count: int = message["count"]
        if not await self._send_part(message["file"], message["offset"], count):
            # The caller learns from the missing bytes that the file is not complete.
            cycle.disconnected = True
            cycle.message_event.set()
            cycle.transport.abort()
            return
        cycle.expected_content_length -= count
        if not message["more_body"]:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_head(self, message: Any) -> None:  # noqa: ANN401  ASGI
        """Send the head, together with the bytes of this message if it has any."""
        head, self._head = self._head, None
        if message["type"] == ZERO_COPY:
            await self._send(head)
            await self(message)
            return
        transport = self._cycle.transport
        gathering = _GatheringTransport(transport)
        self._cycle.transport = gathering  # type: ignore[assignment]
        try:
            await self._send(head)
            await self._send(message)
        finally:
            self._cycle.transport = transport
            gathering.send()

    async def _send_part(self, file: BinaryIO, offset: int, count: int) -> bool:
        """Return whether all bytes were sent."""
        end = offset + count
        while offset < end:
            if self._cycle.disconnected or self._cycle.transport.is_closing():
                return False
            wanted = min(_PIECE_BYTES, end - offset)
            self._part.task = self._loop.create_task(
                self._loop.sendfile(self._cycle.transport, file, offset, wanted, fallback=False)
            )
            try:
                sent = await self._part.task
            except asyncio.CancelledError:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise
                return False  # stopped
            except (OSError, RuntimeError):  # SendfileNotAvailableError is one if the first bytes find no reader
                return False
            finally:
                self._part.task = None
            if sent < wanted:
                _log.warning("file-cut", sent=offset + sent, wanted=end)
                return False
            offset += sent
        return True
