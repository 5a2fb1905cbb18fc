"""A log line as pieces of styled text (ECMA-48, SGR); templates and the script turn them into markup.

Sixteen colours are supported. Other colours are shown in the page's text colour, so that they are readable on light
and dark backgrounds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from wheelyard.domain.builds.log_text import clean_line

_COLOUR: Final = re.compile(r"\x1b\[([0-9;]*)m")
_STYLES: Final = {1: "bold", 2: "dim", 3: "italic", 4: "underline"}
_ENDED_BY: Final = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",)}
_NAMES: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_EXTENDED: Final = {38, 48}
_PALETTE: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A part of a line that has one style."""

    text: str
    style: str
    """CSS classes separated by spaces, such as ``ansi-red ansi-bold``; empty for plain text."""


@dataclass(kw_only=True, slots=True)
class Pen:
    """The style of the next character; it continues across line breaks."""

    colour: str = ""
    styles: set[str] = field(default_factory=set)

    def take(self, codes: str) -> None:
        """Apply one SGR sequence."""
        numbers = iter([int(code or 0) for code in codes[:200].split(";")] if codes else [0])
        for number in numbers:
            self._apply(number, numbers)

    def _apply(self, number: int, rest: Iterator[int]) -> None:
        if number == 0:
            self.colour = ""
            self.styles.clear()
        elif number in _STYLES:
            self.styles.add(_STYLES[number])
        elif number in _ENDED_BY:
            self.styles.difference_update(_ENDED_BY[number])
        elif number in _EXTENDED:
            self._skip_extended(rest)
        else:
            self._set_colour(number)

    def _skip_extended(self, rest: Iterator[int]) -> None:
        """Skip a palette or RGB colour, which is not shown."""
        for _ in range(1 if next(rest, 0) == _PALETTE else 3):
            next(rest, 0)

    def _set_colour(self, number: int) -> None:
        if 30 <= number <= 37 or 90 <= number <= 97:  # noqa: PLR2004  SGR's plain and bright colours
            self.colour = _NAMES[number % 10]
        elif number == 39:  # noqa: PLR2004  SGR's default colour
            self.colour = ""

    @property
    def style(self) -> str:
        """Return the CSS classes."""
        names = ([self.colour] if self.colour else []) + sorted(self.styles)
        return " ".join(f"ansi-{name}" for name in names)


def read_line(line: str, pen: Pen) -> tuple[Piece, ...]:
    """Split a line into styled pieces; remove all other terminal control sequences."""
    return tuple(_pieces(clean_line(line), pen))


def _pieces(line: str, pen: Pen) -> Iterator[Piece]:
    for place, part in enumerate(_COLOUR.split(line)):
        if place % 2:
            pen.take(part)
        elif part:
            yield Piece(text=part, style=pen.style)
