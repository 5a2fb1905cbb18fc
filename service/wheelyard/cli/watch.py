"""What one build's events mean to somebody who watches: stages that begin and pass, log lines, the end.

Must not print.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wheelyard.cli.build_events import BuildEvent, Ended, LogPiece, StatusChanged
from wheelyard.cli.log_text import NOTE_GUTTER, LineSplitter
from wheelyard.domain.builds.build import Stage, Status


@dataclass(frozen=True, kw_only=True, slots=True)
class StageBegan:
    """A stage begins."""

    stage: Stage
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StageEnded:
    """A stage is over."""

    stage: Stage
    seconds: float
    passed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """A line of the log as it came: not yet safe to show."""

    text: str
    is_note: bool = False
    """True for a line of the service, not of a container."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildEnded:
    """The build is over."""

    status: Status
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildWaits:
    """The build goes on once these releases have been built."""

    releases: tuple[str, ...]


News = StageBegan | StageEnded | LogLine | BuildWaits | BuildEnded


class BuildWatch:
    """Follows one build, by the clock of who watches."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines = LineSplitter()
        self._began = self._stage_began = clock()
        self._stage: Stage | None = None
        self._attempt = 0
        self._waits_for: tuple[str, ...] = ()

    def apply(self, event: BuildEvent) -> Iterator[News]:
        """Yield what an event says that is new."""
        if isinstance(event, LogPiece):
            yield from read_lines(event, self._lines)
        elif isinstance(event, StatusChanged):
            yield from self._wait(event) if event.waits_for else self._change_stage(event)
        else:
            yield from self._end(event)

    def _wait(self, event: StatusChanged) -> Iterator[News]:
        """Leave the stage, which neither passed nor failed."""
        self._stage, self._attempt = None, event.attempt
        if event.waits_for != self._waits_for:
            self._waits_for = event.waits_for
            yield BuildWaits(releases=event.waits_for)

    def _change_stage(self, event: StatusChanged) -> Iterator[News]:
        if event.status.is_final or (event.stage, event.attempt) == (self._stage, self._attempt):
            return
        # Another attempt means that the worker of the last one was lost in the middle of its stage.
        yield from self._leave_stage(passed=event.attempt == self._attempt)
        self._stage, self._attempt, self._stage_began = event.stage, event.attempt, self._clock()
        if event.stage is not None:
            yield StageBegan(stage=event.stage, attempt=event.attempt)

    def _end(self, event: Ended) -> Iterator[News]:
        yield from map(_line, self._lines.end())
        yield from self._leave_stage(passed=event.status is Status.SUCCEEDED)
        self._stage = None
        yield BuildEnded(status=event.status, seconds=self._clock() - self._began)

    def _leave_stage(self, *, passed: bool) -> Iterator[News]:
        if self._stage is not None:
            yield StageEnded(stage=self._stage, seconds=self._clock() - self._stage_began, passed=passed)


def read_lines(piece: LogPiece, splitter: LineSplitter) -> Iterator[LogLine]:
    """Yield the lines that a piece completes; a line of the service begins at no container's line."""
    if piece.origin != "service":
        yield from map(_line, splitter.feed(piece.text))
        return
    yield from map(_line, splitter.end())
    yield LogLine(text=piece.text.rstrip("\n").removeprefix(NOTE_GUTTER), is_note=True)


def _line(text: str) -> LogLine:
    return LogLine(text=text)
