"""Turn a build's events into news (stages, log lines, the end), and show the news on a screen."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from wheelyard.cli.client import BuildEvent, Ended, LogPiece, StatusChanged
from wheelyard.cli.console import REMINDER_SECONDS, Reminder, format_seconds, is_live, messages, timestamp
from wheelyard.cli.log_text import plain_row, print_log_line, styled_line
from wheelyard.domain.builds.build import Stage, Status
from wheelyard.domain.builds.log_text import CONTAINER_GUTTER, NOTE_GUTTER, LineSplitter, plain_line


@dataclass(frozen=True, kw_only=True, slots=True)
class StageBegan:
    """A stage has begun."""

    stage: Stage
    attempt: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StageEnded:
    """A stage has ended."""

    stage: Stage
    seconds: float
    passed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """A line of the log, not yet safe to show."""

    text: str
    is_note: bool = False
    """True for a line of the service, not of a container."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildEnded:
    """The build has ended."""

    status: Status
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildWaits:
    """The build goes on once these releases have been built."""

    releases: tuple[str, ...]


News = StageBegan | StageEnded | LogLine | BuildWaits | BuildEnded


class BuildWatch:
    """Follows one build, and measures its times by the local clock."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines = LineSplitter()
        self._began = self._stage_began = clock()
        self._stage: Stage | None = None
        self._attempt = 0
        self._waits_for: tuple[str, ...] = ()

    def apply(self, event: BuildEvent) -> Iterator[News]:
        """Yield the news in an event."""
        if isinstance(event, LogPiece):
            yield from read_lines(event, self._lines)
        elif isinstance(event, StatusChanged):
            yield from self._wait(event) if event.waits_for else self._change_stage(event)
        else:
            yield from self._end(event)

    def _wait(self, event: StatusChanged) -> Iterator[News]:
        """Leave the stage, which has neither passed nor failed."""
        self._stage, self._attempt = None, event.attempt
        if event.waits_for != self._waits_for:
            self._waits_for = event.waits_for
            yield BuildWaits(releases=event.waits_for)

    def _change_stage(self, event: StatusChanged) -> Iterator[News]:
        if event.status.is_final or (event.stage, event.attempt) == (self._stage, self._attempt):
            return
        # Another attempt means that the worker of the last one was lost during the stage.
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
    """Yield the lines that a piece completes; a line of the service ends a container's unfinished line."""
    if piece.origin != "service":
        yield from map(_line, splitter.feed(piece.text))
        return
    yield from map(_line, splitter.end())
    yield LogLine(text=piece.text.rstrip("\n").removeprefix(NOTE_GUTTER), is_note=True)


def _line(text: str) -> LogLine:
    return LogLine(text=text)


_REFRESHES_PER_SECOND: Final = 8
_WAITING: Final = "waiting for a worker"


class Screen(Protocol):
    """Shows news of builds; its methods may be called from several threads."""

    def __enter__(self) -> Self:
        """Start to show news."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and leave the final lines on the screen."""
        ...

    def add(self, label: str) -> None:
        """Start to show a build."""
        ...

    def show(self, label: str, news: News) -> None:
        """Show news of a build."""
        ...


def open_screen(*, with_log: bool, tail_lines: int = 0) -> Screen:
    """Return the screen that suits standard error.

    Args:
        with_log: Print every line of the log.
        tail_lines: On a terminal, show this many of the newest lines below the spinner.
    """
    console = messages()
    if is_live(console):
        return TerminalScreen(console, with_log=with_log, tail_lines=tail_lines)
    return PlainScreen(console, with_log=with_log or tail_lines > 0)


def _waits_for(news: BuildWaits) -> str:
    return f"waiting for builds of {plain_line(', '.join(news.releases))}"


def _heading(news: StageEnded | BuildEnded) -> Text:
    took = format_seconds(news.seconds)
    if isinstance(news, StageEnded):
        mark, style = ("done", "green") if news.passed else ("failed", "red")
        return Text.assemble((f"{news.stage} ", "bold"), (mark, style), f" {took}")
    style = "bold green" if news.status is Status.SUCCEEDED else "bold red"
    return Text.assemble((str(news.status), style), f" {took}")


class PlainScreen:
    """Prints lines for files, pipes and CI logs: the time, the build, the news."""

    def __init__(self, console: Console, *, with_log: bool, reminder_seconds: float = REMINDER_SECONDS) -> None:
        self._console = console
        self._with_log = with_log
        self._doing: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._reminder = Reminder(self._remind, seconds=reminder_seconds)

    def __enter__(self) -> Self:
        self._reminder.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._reminder.__exit__()

    def add(self, label: str) -> None:
        """Print that the build waits for a worker."""
        self._begin(label, _WAITING)
        self._print(label, _WAITING)

    def show(self, label: str, news: News) -> None:
        """Print a line."""
        if isinstance(news, LogLine):
            if self._with_log:
                self._print(label, plain_row(news.text, is_note=news.is_note))
        elif isinstance(news, StageBegan):
            again = f" (attempt {news.attempt})" if news.attempt > 1 else ""
            self._begin(label, f"{news.stage}{again}")
            self._print(label, f"{news.stage}{again} ...")
        elif isinstance(news, BuildWaits):
            self._begin(label, _waits_for(news))
            self._print(label, _waits_for(news))
        else:
            if isinstance(news, BuildEnded):
                with self._lock:
                    self._doing.pop(label, None)
            self._print(label, _heading(news).plain)

    def _begin(self, label: str, doing: str) -> None:
        with self._lock:
            self._doing[label] = doing, time.monotonic()

    def _remind(self) -> None:
        with self._lock:
            doing = dict(self._doing)
        for label, (text, since) in doing.items():
            self._print(label, f"{text} for {format_seconds(time.monotonic() - since)}")

    def _print(self, label: str, text: str) -> None:
        self._console.print(f"{timestamp()} {label} {text}", soft_wrap=True)
        self._reminder.note_printed()


@dataclass(kw_only=True, slots=True)
class _Row:
    """What the terminal shows of one build."""

    spinner: Spinner
    doing: str
    since: float
    tail: deque[Text] = field(default_factory=deque)


class TerminalScreen:
    """Shows a spinner with the stage and its time for each running build; prints ended stages above."""

    def __init__(self, console: Console, *, with_log: bool, tail_lines: int) -> None:
        self._console = console
        self._with_log = with_log
        self._tail_lines = tail_lines
        self._rows: dict[str, _Row] = {}
        self._lock = threading.Lock()
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=_REFRESHES_PER_SECOND, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def add(self, label: str) -> None:
        """Add a spinner."""
        row = _Row(spinner=Spinner("dots"), doing=_WAITING, since=time.monotonic(), tail=deque(maxlen=self._tail_lines))
        with self._lock:
            self._rows[label] = row

    def show(self, label: str, news: News) -> None:
        """Update the spinner, or print above it."""
        with self._lock:
            row = self._rows[label]
            if isinstance(news, StageBegan):
                row.doing, row.since = str(news.stage), time.monotonic()
            elif isinstance(news, BuildWaits):
                row.doing, row.since = _waits_for(news), time.monotonic()
            elif isinstance(news, LogLine):
                gutter = NOTE_GUTTER if news.is_note else CONTAINER_GUTTER
                row.tail.append(Text.assemble(gutter, styled_line(news.text)))
            elif isinstance(news, BuildEnded):
                del self._rows[label]
        if isinstance(news, (StageEnded, BuildEnded)):
            self._console.print(Text.assemble((f"{label} ", "cyan"), _heading(news)))
        elif isinstance(news, LogLine) and self._with_log:
            print_log_line(self._console, news.text, is_note=news.is_note)

    def _render(self) -> RenderableType:
        with self._lock:
            return Group(*(part for label, row in self._rows.items() for part in self._render_row(label, row)))

    def _render_row(self, label: str, row: _Row) -> list[RenderableType]:
        elapsed = format_seconds(time.monotonic() - row.since)
        row.spinner.update(text=Text.assemble((f"{label} ", "cyan"), f"{row.doing} {elapsed}"))
        return [row.spinner, *(_shorten(line, self._console.width) for line in row.tail)]


def _shorten(line: Text, width: int) -> Text:
    shown = Text.assemble("  ", line, style="dim")
    shown.truncate(width, overflow="ellipsis")
    return shown
