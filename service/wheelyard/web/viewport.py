"""The part of a log that a page shows: numbered lines, limited by the size of their markup."""

import html
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from wheelyard.domain.builds.log_text import (
    CONTAINER_GUTTER,
    MAX_LINE_CHARACTERS,
    NOTE_GUTTER,
    NOTE_MARK,
    LineSplitter,
    plain_line,
    read_note,
)
from wheelyard.web.ansi import Pen, Piece, read_line

VIEWPORT_LINES: Final = 400
TAIL_LINES: Final = 600
"""Number of last lines in which the failing line is searched."""
_VIEWPORT_BYTES: Final = 56_000
_LINE_BYTES: Final = 85
"""Size of the markup around a line."""
_PIECE_BYTES: Final = 45
_SHOWN_CHARACTERS: Final = 1000
_ERROR: Final = re.compile(
    r"fatal error:|\berror\b ?[:\[]|^\w{0,100}(?:Error|Exception)\b|ERROR\b|undefined reference|cannot find -l"
    r"|not found$",
    re.IGNORECASE,
)
_CLUE: Final = re.compile(r"fatal error:|#error|undefined reference|cannot find -l|panicked at", re.IGNORECASE)
# Probes of configure scripts may fail, and some messages only repeat that a command failed.
_PROBE: Final = re.compile(r"conftest|_configtest|CMakeScratch|CMakeTmp|testfile\.c|checking (?:for|whether)")
_ECHO: Final = re.compile(
    r"command .{0,300} failed|build stopped|subprocess-exited|CalledProcessError|non-zero exit"
    r"|make(?:\[\d{1,9}+\])?+: \*\*\*|could not compile|returned exit code",
    re.IGNORECASE,
)
_CLUSTER_LINES: Final = 40
"""Largest distance between two lines about one failure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownLine:
    """A line as a page shows it: a container's output, or a note of the service."""

    pieces: tuple[Piece, ...]
    gutter: str
    """Text of the separate column that shows the line's origin; container output cannot write to it."""
    is_note: bool = False
    stage: str | None = None
    """The stage that begins with this note."""
    at: datetime | None = None
    """Time of a note."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """A line of a log."""

    number: int
    """Counted from 1."""
    shown: ShownLine
    is_marked: bool = False
    """True for the failing line, and for the line that the query names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogSpan:
    """Consecutive lines of a log."""

    first: int
    """Number of the first line."""
    lines: Sequence[str]
    total: int
    """Number of lines in the log."""

    @property
    def numbers(self) -> range:
        """The numbers of the lines."""
        return range(self.first, self.first + len(self.lines))

    def line(self, number: int) -> str:
        """Return a line by its number."""
        return self.lines[number - self.first]


@dataclass(frozen=True, kw_only=True, slots=True)
class StageMark:
    """The line where a stage begins."""

    name: str
    line: int
    """Number of the line."""
    at: datetime | None
    """Time when the stage began; None if unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogFold:
    """Lines of one stage, which a page folds together."""

    stage: StageMark | None
    """None before the first stage."""
    lines: tuple[LogLine, ...]
    seconds: float | None
    """Duration of the stage; None if unknown."""
    is_open: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Viewport:
    """The lines of a log that a page shows."""

    lines: tuple[LogLine, ...]
    total: int
    """Number of lines in the log."""
    marked: int | None = None
    """Number of the line to scroll to."""

    @property
    def first(self) -> int:
        """The number of its first line."""
        return self.lines[0].number if self.lines else 1

    @property
    def last(self) -> int:
        """The number of its last line."""
        return self.lines[-1].number if self.lines else 0


def stage_marks(lines: Iterable[str], *, first: int) -> list[StageMark]:
    """Return where stages begin; only notes of the service count."""
    notes = ((number, read_note(line)) for number, line in enumerate(lines, first) if line.startswith(NOTE_MARK))
    return [StageMark(name=note.stage, line=number, at=note.at) for number, note in notes if note and note.stage]


def fold_by_stage(window: Viewport, marks: Sequence[StageMark], *, keep_open: bool) -> tuple[LogFold, ...]:
    """Group lines by stage.

    Args:
        window: The lines.
        marks: Where the log's stages begin, also outside of these lines.
        keep_open: Unfold all stages, not only the last one and the one with the marked line.
    """
    places = [bisect_right(marks, line.number, key=lambda mark: mark.line) - 1 for line in window.lines]
    folds = list[LogFold]()
    for place, numbered in groupby(zip(places, window.lines, strict=True), key=lambda one: one[0]):
        lines = tuple(line for _, line in numbered)
        stage = marks[place] if place >= 0 else None
        is_open = keep_open or place == max(places) or any(line.is_marked for line in lines)
        folds.append(LogFold(stage=stage, lines=lines, seconds=_seconds(marks, place), is_open=is_open))
    return tuple(folds)


def _seconds(marks: Sequence[StageMark], place: int) -> float | None:
    """Return the time from the start of a stage to the start of the next."""
    begin, end = (marks[one].at if 0 <= one < len(marks) else None for one in (place, place + 1))
    return (end - begin).total_seconds() if begin and end else None


def split_log(data: bytes) -> list[str]:
    """Split a log into lines, as the command line does."""
    return split_text(data.decode(errors="replace"))


def split_text(text: str) -> list[str]:
    """Split log text into lines."""
    splitter = LineSplitter()
    return [*splitter.feed(text), *splitter.end()]


def viewport_from(span: LogSpan, *, marked: int | None = None) -> Viewport:
    """Return the first lines that fit."""
    return _window(span, _fitting(span.numbers, span), marked)


def viewport_to_end(span: LogSpan, *, marked: int | None = None) -> Viewport:
    """Return the last lines that fit."""
    return _window(span, _fitting(reversed(span.numbers), span), marked)


def viewport_around(span: LogSpan, number: int) -> Viewport:
    """Return a marked line and as much context as fits, nearest lines first."""
    distances = range(1, len(span.lines) + 1)
    outwards = (place for distance in distances for place in (number + distance, number - distance))
    return _window(span, _fitting((number, *(place for place in outwards if place in span.numbers)), span), number)


def _window(span: LogSpan, numbers: Iterable[int], marked: int | None) -> Viewport:
    lines = tuple(_show({number: span.line(number) for number in sorted(numbers)}, marked))
    return Viewport(lines=lines, total=span.total, marked=marked)


class Search:
    """Case-insensitive search in a log, block by block."""

    def __init__(self, text: str) -> None:
        self._wanted = text.casefold()
        self._hits: dict[int, str] = {}
        self._total = 0

    def look(self, span: LogSpan) -> None:
        """Search these lines."""
        for number, line in zip(span.numbers, span.lines, strict=True):
            note = read_note(line)
            if self._wanted in (note.text if note else plain_line(line)).casefold():
                self._total += 1
                if len(self._hits) < VIEWPORT_LINES:
                    self._hits[number] = line

    def window(self) -> Viewport:
        """Return the first matching lines that fit, and the number of matches."""
        found = LogSpan(first=1, lines=list(self._hits.values()), total=self._total)
        numbers = list(self._hits)
        shown = [numbers[place - 1] for place in _fitting(found.numbers, found)]
        return Viewport(lines=tuple(_show({one: self._hits[one] for one in shown}, None)), total=self._total)


def failing_line(tail: LogSpan) -> int | None:
    """Return the number of the line that shows why the build failed, from the log's last lines.

    Errors close together have one cause, and the last such group ended the build. Its first clear clue is returned,
    else its last error. Probes of configure scripts are ignored. A line that only repeats that a command failed is
    returned if there is no other.
    """
    plain = {
        number: plain_line(line[:_SHOWN_CHARACTERS])
        for number, line in zip(tail.numbers, tail.lines, strict=True)
        if not line.startswith(NOTE_MARK)
    }
    errors = [number for number, line in plain.items() if _CLUE.search(line) or _ERROR.search(line)]
    cluster = _last_cluster([one for one in errors if not (_ECHO.search(plain[one]) or _PROBE.search(plain[one]))])
    clue = next((number for number in cluster if _CLUE.search(plain[number])), None)
    return clue or next(iter([*cluster[-1:], *errors[-1:]]), None)


def _last_cluster(numbers: Sequence[int]) -> Sequence[int]:
    begin = len(numbers) - 1
    while begin > 0 and numbers[begin] - numbers[begin - 1] <= _CLUSTER_LINES:
        begin -= 1
    return numbers[max(begin, 0) :]


def _fitting(numbers: Iterable[int], span: LogSpan) -> list[int]:
    """Return the first numbers whose lines fit on a page."""
    taken, used = list[int](), 0
    for number in numbers:
        used += _cost(span.line(number))
        if taken and (used > _VIEWPORT_BYTES or len(taken) >= VIEWPORT_LINES):
            break
        taken.append(number)
    return taken


def _cost(line: str) -> int:
    """Return the largest size of a line's markup."""
    text = line[:_SHOWN_CHARACTERS]
    return _LINE_BYTES + len(html.escape(text).encode(errors="replace")) + _PIECE_BYTES * text.count("\x1b")


def _show(lines: Mapping[int, str], marked: int | None) -> Iterable[LogLine]:
    pen = Pen()
    for number, line in lines.items():
        yield LogLine(number=number, shown=show_line(line, pen), is_marked=number == marked)


def show_line(line: str, pen: Pen) -> ShownLine:
    """Return a stored line as a page shows it."""
    if (note := read_note(line)) is None:
        return ShownLine(pieces=read_line(shorten(line), pen), gutter=CONTAINER_GUTTER.strip())
    pieces = (Piece(text=shorten(note.text), style=""),)
    return ShownLine(pieces=pieces, gutter=NOTE_GUTTER.strip(), is_note=True, stage=note.stage, at=note.at)


def shorten(line: str) -> str:
    """Shorten a long line; the plain-text log has all of it."""
    rest = min(len(line), MAX_LINE_CHARACTERS) - _SHOWN_CHARACTERS
    return line if rest <= 0 else f"{line[:_SHOWN_CHARACTERS]}\x1b[0m … ({rest} more characters)"
