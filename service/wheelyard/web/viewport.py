"""The part of a log that a page shows: whole lines with their numbers, bounded by what they take as markup.

Must not read logs.
"""

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
"""How far from the end the line is looked for that a failure is about."""
_VIEWPORT_BYTES: Final = 56_000
_LINE_BYTES: Final = 85
"""What the markup around a line takes."""
_PIECE_BYTES: Final = 45
_SHOWN_CHARACTERS: Final = 1000
_ERROR: Final = re.compile(
    r"fatal error:|\berror\b ?[:\[]|^\w{0,100}(?:Error|Exception)\b|ERROR\b|undefined reference|cannot find -l"
    r"|not found$",
    re.IGNORECASE,
)
_CLUE: Final = re.compile(r"fatal error:|#error|undefined reference|cannot find -l|panicked at", re.IGNORECASE)
# What configure scripts try is meant to fail at times, and what stops at another's error only repeats it.
_PROBE: Final = re.compile(r"conftest|_configtest|CMakeScratch|CMakeTmp|testfile\.c|checking (?:for|whether)")
_ECHO: Final = re.compile(
    r"command .{0,300} failed|build stopped|subprocess-exited|CalledProcessError|non-zero exit"
    r"|make(?:\[\d{1,9}+\])?+: \*\*\*|could not compile|returned exit code",
    re.IGNORECASE,
)
_CLUSTER_LINES: Final = 40
"""Lines about one failure are no further apart than this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownLine:
    """What a page shows of a line, and whose it is: a container's, unless it is a note of our own."""

    pieces: tuple[Piece, ...]
    gutter: str
    """Stands in a column of its own, which nothing of the line reaches."""
    is_note: bool = False
    stage: str | None = None
    """The stage that a note begins."""
    at: datetime | None = None
    """When a note was written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """A line of a log."""

    number: int
    """Counted from 1."""
    shown: ShownLine
    is_marked: bool = False
    """True for the line that a failure is about, and for one that somebody looked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogSpan:
    """Lines that were read, one after the other."""

    first: int
    """The number of the first of them."""
    lines: Sequence[str]
    total: int
    """How many lines the log has."""

    @property
    def numbers(self) -> range:
        """The numbers of the lines."""
        return range(self.first, self.first + len(self.lines))

    def line(self, number: int) -> str:
        """Give a line by its number."""
        return self.lines[number - self.first]


@dataclass(frozen=True, kw_only=True, slots=True)
class StageMark:
    """Where a stage begins in a log."""

    name: str
    line: int
    """The number of the note that says so."""
    at: datetime | None
    """When that was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogFold:
    """Lines of one stage, which a page folds and unfolds together."""

    stage: StageMark | None
    """None before the first stage."""
    lines: tuple[LogLine, ...]
    seconds: float | None
    """How long the stage took; None if that is not known."""
    is_open: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Viewport:
    """Some lines of a log, one after the other."""

    lines: tuple[LogLine, ...]
    total: int
    """How many lines the log has."""
    marked: int | None = None
    """The number of the line that is to be brought into view."""

    @property
    def first(self) -> int:
        """The number of its first line."""
        return self.lines[0].number if self.lines else 1

    @property
    def last(self) -> int:
        """The number of its last line."""
        return self.lines[-1].number if self.lines else 0


def stage_marks(lines: Iterable[str], *, first: int) -> list[StageMark]:
    """Find where stages begin; of lines without a note's mark nothing is read."""
    notes = ((number, read_note(line)) for number, line in enumerate(lines, first) if line.startswith(NOTE_MARK))
    return [StageMark(name=note.stage, line=number, at=note.at) for number, note in notes if note and note.stage]


def fold_by_stage(window: Viewport, marks: Sequence[StageMark], *, keep_open: bool) -> tuple[LogFold, ...]:
    """Sort a window's lines by stage.

    Args:
        window: The lines.
        marks: Where the log's stages begin, those outside of the window too.
        keep_open: Unfold all; else only the last stage, and the one with the line that is to be in view.
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
    """Say how long it was from a stage's beginning to that of the next one."""
    begin, end = (marks[one].at if 0 <= one < len(marks) else None for one in (place, place + 1))
    return (end - begin).total_seconds() if begin and end else None


def split_log(data: bytes) -> list[str]:
    """Cut a log into lines, as the command line does."""
    return split_text(data.decode(errors="replace"))


def split_text(text: str) -> list[str]:
    """Cut text of a log into lines."""
    splitter = LineSplitter()
    return [*splitter.feed(text), *splitter.end()]


def viewport_from(span: LogSpan, *, marked: int | None = None) -> Viewport:
    """Show what was read from its first line on, as much as fits."""
    return _window(span, _fitting(span.numbers, span), marked)


def viewport_to_end(span: LogSpan, *, marked: int | None = None) -> Viewport:
    """Show what was read up to its last line, as much as fits."""
    return _window(span, _fitting(reversed(span.numbers), span), marked)


def viewport_around(span: LogSpan, number: int) -> Viewport:
    """Show a line, marked, and what is around it: outwards from it, so that it is there whatever else fits."""
    distances = range(1, len(span.lines) + 1)
    outwards = (place for distance in distances for place in (number + distance, number - distance))
    return _window(span, _fitting((number, *(place for place in outwards if place in span.numbers)), span), number)


def _window(span: LogSpan, numbers: Iterable[int], marked: int | None) -> Viewport:
    lines = tuple(_show({number: span.line(number) for number in sorted(numbers)}, marked))
    return Viewport(lines=lines, total=span.total, marked=marked)


class Search:
    """Looks for a text in a log that comes block by block, in any case of its letters."""

    def __init__(self, text: str) -> None:
        self._wanted = text.casefold()
        self._hits: dict[int, str] = {}
        self._total = 0

    def look(self, span: LogSpan) -> None:
        """Look through some lines."""
        for number, line in zip(span.numbers, span.lines, strict=True):
            note = read_note(line)
            if self._wanted in (note.text if note else plain_line(line)).casefold():
                self._total += 1
                if len(self._hits) < VIEWPORT_LINES:
                    self._hits[number] = line

    def window(self) -> Viewport:
        """Show the first lines that hold the text, as many as fit, and say how many do."""
        found = LogSpan(first=1, lines=list(self._hits.values()), total=self._total)
        numbers = list(self._hits)
        shown = [numbers[place - 1] for place in _fitting(found.numbers, found)]
        return Viewport(lines=tuple(_show({one: self._hits[one] for one in shown}, None)), total=self._total)


def failing_line(tail: LogSpan) -> int | None:
    """Find the line that a failure is about in a log's last lines.

    Errors that are close together are about one thing, and the last such thing ended the build: of its lines the first
    clear clue says most, else the last error. What a configure script tried is no clue, and what only repeats that
    something failed counts if there is nothing else.
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
    """Take numbers as long as their lines fit into a page."""
    taken, used = list[int](), 0
    for number in numbers:
        used += _cost(span.line(number))
        if taken and (used > _VIEWPORT_BYTES or len(taken) >= VIEWPORT_LINES):
            break
        taken.append(number)
    return taken


def _cost(line: str) -> int:
    """Say what a line takes as markup, at most."""
    text = line[:_SHOWN_CHARACTERS]
    return _LINE_BYTES + len(html.escape(text).encode(errors="replace")) + _PIECE_BYTES * text.count("\x1b")


def _show(lines: Mapping[int, str], marked: int | None) -> Iterable[LogLine]:
    pen = Pen()
    for number, line in lines.items():
        yield LogLine(number=number, shown=show_line(line, pen), is_marked=number == marked)


def show_line(line: str, pen: Pen) -> ShownLine:
    """Show a stored line."""
    if (note := read_note(line)) is None:
        return ShownLine(pieces=read_line(shorten(line), pen), gutter=CONTAINER_GUTTER.strip())
    pieces = (Piece(text=shorten(note.text), style=""),)
    return ShownLine(pieces=pieces, gutter=NOTE_GUTTER.strip(), is_note=True, stage=note.stage, at=note.at)


def shorten(line: str) -> str:
    """Cut a line that no page can show; the whole of it is in the log as text."""
    rest = min(len(line), MAX_LINE_CHARACTERS) - _SHOWN_CHARACTERS
    return line if rest <= 0 else f"{line[:_SHOWN_CHARACTERS]}\x1b[0m … ({rest} more characters)"
