"""Print a build's log on a terminal, cleaned by ``domain/builds/log_text.py`` and with its colours.

Every row begins with a gutter that tells the lines of the service and of a container apart. Wide lines are wrapped here
and not by the terminal, so that text of a container never starts in the first column, where our own lines start.
"""

import codecs
import re
from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.style import Style
from rich.text import Span, Text

from wheelyard.domain.builds.log_text import (
    CONTAINER_GUTTER,
    NOTE_GUTTER,
    LineSplitter,
    clean_line,
    plain_line,
    read_note,
)

_WIDEST: Final = 2
_CI_COMMAND: Final = re.compile(r"##(?=\[|[a-z]+\[)", re.IGNORECASE)


class LogScreen:
    """Prints the whole lines of a log that comes in pieces."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._splitter = LineSplitter()

    def show(self, data: bytes) -> None:
        """Print the lines that are complete."""
        self._print(self._splitter.feed(self._decoder.decode(data)))

    def end(self) -> None:
        """Print a last line without a line end."""
        self._print([*self._splitter.feed(self._decoder.decode(b"", final=True)), *self._splitter.end()])

    def _print(self, lines: Iterable[str]) -> None:
        for line in lines:
            note = read_note(line)
            print_log_line(self._console, note.text if note else line, is_note=note is not None)


def print_log_line(console: Console, line: str, *, is_note: bool) -> None:
    """Print a line of a log with its gutter, wrapped into rows on a terminal."""
    gutter = NOTE_GUTTER if is_note else CONTAINER_GUTTER
    if not console.is_terminal:
        console.print(plain_row(line, is_note=is_note), soft_wrap=True, markup=False, highlight=False)
        return
    style = "bold" if is_note else "dim"
    console.print(_with_gutter(styled_line(line), gutter, style=style, console=console), soft_wrap=True)


def plain_row(line: str, *, is_note: bool) -> str:
    """Return a line of a log for files, pipes and CI systems.

    The runners of GitHub and Azure obey ``##[error]`` and ``##vso[…]`` anywhere in a line, so a container's ``##`` gets
    a space after it. They obey ``::error::`` only at the beginning of a line, where the gutter is.
    https://github.com/actions/runner/issues/4692, https://github.com/MicrosoftDocs/azure-devops-docs/issues/4480
    """
    if is_note:
        return NOTE_GUTTER + plain_line(line)
    return CONTAINER_GUTTER + _CI_COMMAND.sub("## ", plain_line(line))


def quote_text(text: str, console: Console) -> Text:
    """Return untrusted text of several lines, indented and with a container's gutter."""
    gutter = f"    {CONTAINER_GUTTER}"
    lines = [_with_gutter(styled_line(line), gutter, style="dim", console=console) for line in text.splitlines()]
    return Text("\n").join(lines)


def _with_gutter(line: Text, gutter: str, *, style: str, console: Console) -> Text:
    rows = _rows(line, console.width - len(gutter)) if console.is_terminal else [line]
    return Text("\n").join(Text.assemble((gutter, style), row) for row in rows)


def _rows(line: Text, room: int) -> list[Text]:
    """Return a line as rows that no terminal wraps again; characters outside of ASCII count as wide."""
    line.expand_tabs(8)
    cuts, used = list[int](), 0
    for place, character in enumerate(line.plain):
        cost = 1 if character.isascii() else _WIDEST
        if used and used + cost > room:
            cuts.append(place)
            used = 0
        used += cost
    return list(line.divide(cuts))


def styled_line(line: str) -> Text:
    """Return a line as text for rich, without rich's markup; its colours end with the line."""
    text = Text.from_ansi(clean_line(line), no_wrap=False)
    text.spans = [Span(span.start, span.end, _visible(span.style)) for span in text.spans]
    return text


def _visible(style: str | Style) -> Style:
    """Return a style without the attributes that hide text or make it blink."""
    given = Style.parse(style) if isinstance(style, str) else style
    return Style(
        color=given.color, bgcolor=given.bgcolor, bold=given.bold, italic=given.italic, underline=given.underline
    )
