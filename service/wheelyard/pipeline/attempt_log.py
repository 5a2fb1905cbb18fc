"""An attempt's log on its way to the store: batched, throttled, cut at its limit; its end is kept for the failure.

The content is not interpreted, except for the byte that marks our own notes: it is removed from all other text. Lines
that look like an error are kept too, because the first error of a long parallel build can be far above the end.
"""

import asyncio
import contextlib
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Self

from wheelyard.domain.builds.build import MAX_LOG_EXCERPT_LINES, storable
from wheelyard.domain.builds.log_text import LogNote, without_marks
from wheelyard.domain.builds.records import Claim
from wheelyard.errors import DatabaseUnavailableError


class Throttle:
    """Returns how long a writer must wait to stay within a rate (a leaky bucket that holds one second).

    It calculates with time alone, so nothing has to be refilled while nothing is written.
    """

    def __init__(self, bytes_per_second: int, *, elapsed: Callable[[], float] = time.monotonic) -> None:
        """Set the rate; what one second of it allows may also come at once."""
        self._bytes_per_second = bytes_per_second
        self._elapsed = elapsed
        self._paid_until = elapsed() - 1.0

    def spend(self, count: int) -> float:
        """Return the seconds to wait before more is written; 0 within the rate."""
        now = self._elapsed()
        self._paid_until = max(self._paid_until, now - 1.0) + count / self._bytes_per_second
        return max(self._paid_until - now, 0.0)


_FLUSH_SECONDS: Final = 0.1
_CHUNK_BYTES: Final = 512 << 10
_WAITING_BYTES: Final = 1 << 20
_TAIL_BYTES: Final = 64 << 10
_TELLING_BYTES: Final = 128 << 10
"""Space for lines above the tail that look like an error; the first ones are kept."""
_LONGEST_TELLING: Final = 2000
_LINES_AFTER: Final = 3
"""Lines that are kept after one that looks like an error: CMake and Cargo say there what it was."""
_LOOKS_LIKE_ERROR: Final = re.compile(
    rb"error[:\[ ]|Error[: ]|ERROR|not found|cannot find|No such file|No module named|No package|undefined reference"
)
_NOTES_BYTES: Final = 1 << 20
"""Space for our own notes, to which the log's limit does not apply. A project can cause notes, so they have a limit."""
_RAISE: Final = "(WHEELYARD_LIMIT_LOG_BYTES, limits.log)"


class AttemptLog:
    """The LogSink of one attempt; an asynchronous context manager that flushes at its end."""

    def __init__(  # noqa: PLR0913  the last two have defaults
        self,
        append: Callable[[Claim, bytes], Awaitable[bool]],
        claim: Claim,
        *,
        limit_bytes: int,
        throttle: Throttle,
        patience_seconds: float = 10.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep the function that appends to the stored log, the log's limit, and a throttle that lets readers keep up.

        The patience is how long the end waits for an unavailable database before the rest is dropped.
        """
        self._append = append
        self._claim = claim
        self._throttle = throttle
        self._room = limit_bytes
        self._limit_bytes = limit_bytes
        self._room_for_notes = _NOTES_BYTES
        self._now = now
        self._is_line_begun = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._patience_seconds = patience_seconds
        self._tail = bytearray()
        self._telling = bytearray()
        self._drained = asyncio.Event()
        self._closing = asyncio.Event()
        self._flusher: asyncio.Task[None] | None = None
        self.truncated = False

    async def __aenter__(self) -> Self:
        self._flusher = asyncio.create_task(self._flush_often(), name="log-flusher")
        return self

    async def __aexit__(self, *_exc: object) -> None:
        # The flusher is not cancelled: what it is sending would be lost.
        self._closing.set()
        if self._flusher is not None:
            await self._flusher
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_seconds):
                await self._flush_the_rest()

    def end_soon(self) -> None:
        """Do not wait at the end: the process that ends this attempt is about to end itself."""
        self._patience_seconds = _FLUSH_SECONDS

    async def write(self, data: bytes) -> None:
        """Write a container's output; what is beyond the limit is dropped, and a writer that is too fast waits.

        While it waits, the pipe that it reads fills up, so that the build waits too.
        """
        data = without_marks(data)
        self._tail += data
        if len(self._tail) > 2 * _TAIL_BYTES:  # seldom, because programs often write a few bytes at a time
            self._keep_telling(bytes(self._tail[:-_TAIL_BYTES]))
            del self._tail[:-_TAIL_BYTES]
        kept = data[: self._room]
        self._room -= len(kept)
        self._put(kept)
        if len(kept) < len(data) and not self.truncated:
            self.truncated = True
            await self.note(f"the log was cut here, at its limit of {self._limit_bytes} bytes {_RAISE}")
        if (pause := self._throttle.spend(len(kept))) and not self._is_unattended():
            await asyncio.sleep(pause)
        while self._waiting_bytes > _WAITING_BYTES and not self._is_unattended():
            self._drained.clear()
            await self._drained.wait()

    async def note(self, text: str, *, stage: str | None = None) -> None:
        """Write a note of our own; it begins a new line, whatever was printed before it."""
        data = LogNote.of(text, at=self._now(), stage=stage).encode()
        if len(data) > self._room_for_notes:
            return
        self._room_for_notes -= len(data)
        self._put(b"\n" + data if self._is_line_begun else data)

    def tail(self) -> str:
        """Return the end of the containers' output, within the limit or not, as text that every store can hold."""
        return storable(self._tail[-_TAIL_BYTES:].decode(errors="replace"))

    def begin_anew(self) -> None:
        """Forget the tail, because what is tried again is explained by its own output."""
        self._tail.clear()
        self._telling.clear()

    def telling(self) -> str:
        """Return the tail, with lines before it that look like an error."""
        return storable(self._telling.decode(errors="replace")) + self.tail()

    def _keep_telling(self, data: bytes) -> None:
        """Keep the lines that look like an error, with a few that follow, of output that leaves the tail."""
        kept_until = 0
        for match in _LOOKS_LIKE_ERROR.finditer(data):
            if len(self._telling) >= _TELLING_BYTES:
                return
            if match.start() < kept_until:
                continue
            begin = max(data.rfind(b"\n", 0, match.start()) + 1, match.start() - _LONGEST_TELLING, kept_until)
            kept_until = match.end()
            for _ in range(1 + _LINES_AFTER):
                end = data.find(b"\n", kept_until, begin + 2 * _LONGEST_TELLING)
                if end < 0:
                    break
                kept_until = end + 1
            self._telling += data[begin:kept_until].rstrip(b"\n") + b"\n"

    def excerpt(self) -> str:
        """Return the last lines of the tail."""
        return "\n".join(self.tail().splitlines()[-MAX_LOG_EXCERPT_LINES:])

    def _is_unattended(self) -> bool:
        """Return whether the flusher is gone: no writer may wait for it then."""
        return self._flusher is None or self._flusher.done()

    def _put(self, data: bytes) -> None:
        if data:
            self._is_line_begun = not data.endswith(b"\n")
            self._waiting.append(data)
            self._waiting_bytes += len(data)

    async def _flush_often(self) -> None:
        try:
            while not self._closing.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), _FLUSH_SECONDS)
                await self._flush()
        finally:
            self._drained.set()

    async def _flush_the_rest(self) -> None:
        await self._flush()
        while self._waiting:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        """Send what waits; while the database is unavailable it is kept, and the writer waits."""
        while self._waiting:
            chunk = self._take_chunk()
            try:
                await self._append(self._claim, chunk)
            except DatabaseUnavailableError:
                self._waiting.appendleft(chunk)
                return
            self._waiting_bytes -= len(chunk)
            self._drained.set()

    def _take_chunk(self) -> bytes:
        parts, size = [], 0
        while self._waiting and size < _CHUNK_BYTES:
            parts.append(self._waiting.popleft())
            size += len(parts[-1])
        return b"".join(parts)
