"""Follow a build's log and stages while they are written, resumable from any position."""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Final, Self

from wheelyard.domain.builds.build import Attempt, Build, Stage, Status
from wheelyard.domain.builds.log_text import NOTE_MARK, LogNote, read_note
from wheelyard.interfaces import BuildStore, LogStore

# Bounded, so that any position that a client sends fits the stores' integers.
_LONGEST_LINE_BYTES: Final = 64 << 10
"""A longer line is sent in pieces."""
_LEAD_BYTES: Final = 3
_CONTINUES: Final = range(0x80, 0xC0)
"""Bytes that continue a character in UTF-8; at most three follow its first one."""
# One note, or text without notes.
_RUN: Final = re.compile(rb"%(mark)b[^\n]*\n?|[^%(mark)b]+" % {b"mark": NOTE_MARK.encode()})
_POSITION: Final = re.compile(r"(?P<attempt>[0-9]{1,9}):(?P<offset>[0-9]{1,15})")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPosition:
    """A position in a build's log: everything before it was read."""

    attempt: int = 0
    offset: int = 0
    """In bytes from the beginning of the attempt's log."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse what ``str`` wrote; raise ValueError for anything else."""
        match = _POSITION.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a log position")
        return cls(attempt=int(match["attempt"]), offset=int(match["offset"]))

    def __str__(self) -> str:
        return f"{self.attempt}:{self.offset}"


@dataclass(frozen=True, kw_only=True, slots=True)
class LogText:
    """Whole lines of a container, or a note of our own; ``position`` is where they end."""

    text: str
    position: LogPosition
    note: LogNote | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusChange:
    """A change of the build's status, stage or attempt."""

    status: Status
    stage: Stage | None
    attempt: int
    position: LogPosition
    waits_for: tuple[str, ...] = ()
    """Releases that must be built before this build continues."""


LogEvent = LogText | StatusChange


class FollowLog:
    """The use case behind ``GET /v1/builds/{id}/log`` with events."""

    def __init__(self, *, builds: BuildStore, logs: LogStore) -> None:
        self._builds = builds
        self._logs = logs

    async def __call__(self, build_id: str, *, start: LogPosition) -> AsyncGenerator[LogEvent, None]:
        """Yield events until the build is over; the last one is its final StatusChange. Raise NotFoundError."""
        follower = _Follower(start)
        async with self._logs.watch(build_id) as changes:
            async for _ in changes:
                build = await self._builds.get(build_id)
                async for event in self._catch_up(follower, build):
                    yield event
                if build.status.is_final:
                    return

    async def _catch_up(self, follower: "_Follower", build: Build) -> AsyncGenerator[LogEvent, None]:
        for attempt in follower.attempts_to_read(build):
            async for event in self._read_attempt(follower, build.id, attempt):
                yield event
        change = follower.change(build)
        if change is not None:
            yield change

    async def _read_attempt(
        self, follower: "_Follower", build_id: str, attempt: Attempt
    ) -> AsyncGenerator[LogEvent, None]:
        """Read the attempt that the build has now; later text, or the end of a line, causes another read."""
        is_over = attempt.finished_at is not None
        while follower.begin(attempt.number) < attempt.log_size_bytes or is_over:
            begin = follower.begin(attempt.number)
            part = await self._logs.read(build_id, attempt=attempt.number, offset=begin)
            for event in follower.advance(part.data, finished=part.finished):
                yield event
            if part.finished or not part.data:
                return


class _Follower:
    """The position and status that one reader has seen."""

    def __init__(self, start: LogPosition) -> None:
        self._position = start
        self._rest = b""
        """Text that was read and whose line is not complete."""
        self._seen: tuple[Status, Stage | None, int, tuple[str, ...]] | None = None

    def attempts_to_read(self, build: Build) -> list[Attempt]:
        return [attempt for attempt in build.attempts if attempt.number >= self._position.attempt]

    def begin(self, attempt: int) -> int:
        """Return the offset to read from; a new attempt's log starts at 0."""
        if attempt != self._position.attempt:
            self._position = LogPosition(attempt=attempt)
            self._rest = b""
        return self._position.offset + len(self._rest)

    def advance(self, data: bytes, *, finished: bool) -> list[LogText]:
        """Move to the end of the last whole line, in bytes of the log; the rest waits until its line is complete."""
        data = self._rest + data
        begin, end = self._position, len(data) if finished else _end_of_lines(data)
        events = [_read_run(run, begin) for run in _RUN.finditer(data, 0, end)]
        self._position = replace(begin, offset=begin.offset + end)
        self._rest = data[end:]
        return events

    def change(self, build: Build) -> StatusChange | None:
        """Return the build's status if it has changed since the last look."""
        newest = build.attempts[-1].number if build.attempts else 0
        waits_for = tuple(str(one.release) for one in build.waits_for)
        now = (build.status, build.stage, newest, waits_for)
        if now == self._seen:
            return None
        self._seen = now
        return StatusChange(
            status=build.status, stage=build.stage, attempt=newest, position=self._position, waits_for=waits_for
        )


def _read_run(run: re.Match[bytes], begin: LogPosition) -> LogText:
    text = run[0].decode(errors="replace")
    note = read_note(text)
    position = replace(begin, offset=begin.offset + run.end())
    return LogText(text=f"{note.line}\n" if note else text, position=position, note=note)


def _end_of_lines(data: bytes) -> int:
    """Return the end of the last whole line; a carriage return at the very end may be the first half of a line end."""
    end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
    if len(data) - end <= _LONGEST_LINE_BYTES:
        return end
    end = len(data)
    begun = next((back for back in range(1, _LEAD_BYTES + 1) if data[-back] not in _CONTINUES), 0)
    return end - begun if begun and data[-begun] >= _CONTINUES.stop else end
