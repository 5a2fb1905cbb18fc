r"""A build's log: who wrote each line, and how lines are made safe to show.

Most of a log is untrusted text of containers. Wheelyard's own notes are between it. A note is one line of JSON behind
NOTE_MARK. That byte is removed from everything that a container prints, so nothing inside can write a note
(docs/decisions/0032). As text, each line has a gutter: ``==>`` before a note, ``|`` before a container's line.

Colours stay. Everything else that a terminal acts on is removed: cursor movement, erasing, titles, links and clipboards
(OSC), device strings, concealed text, single control characters, Unicode's ends of lines, and bidirectional marks.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

NOTE_MARK: Final = "\x1e"
"""ASCII's record separator, as in RFC 7464; in UTF-8 it is this byte and never a part of another character."""
NOTE_GUTTER: Final = "==> "
CONTAINER_GUTTER: Final = "| "
_NOTE_CHARACTERS: Final = 4000
_RGB_PARTS: Final = 3
_CONCEAL: Final = "8"
MAX_LINE_CHARACTERS: Final = 16_384
_COLOUR: Final = r"\x1b\[[0-9;:]*m"
# ECMA-48: strings (OSC, DCS, SOS, PM, APC) up to their terminator, CSI sequences, two-character escapes; then
# whatever else is left of C0 and C1, and Unicode's ends of lines and bidirectional controls.
_STRINGS: Final = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
_SEQUENCES: Final = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
_ESCAPES: Final = r"\x1b[ -/]*[0-Z\\^-~]"
_CONTROLS: Final = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
_UNSAFE: Final = re.compile(f"(?P<colour>{_COLOUR})|{_STRINGS}|{_SEQUENCES}|{_ESCAPES}|{_CONTROLS}")
_ANY_COLOUR: Final = re.compile(_COLOUR)
_LINE_END: Final = re.compile(r"\r+\n?|\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogNote:
    """A line of Wheelyard's own in a log."""

    text: str
    at: datetime | None = None
    """When it was written; None if it is not known."""
    stage: str | None = None
    """The name of the stage that begins here."""

    @classmethod
    def of(cls, text: str, *, at: datetime | None = None, stage: str | None = None) -> Self:
        """Return a note with a text made safe: one line, without control characters."""
        one_line = " ".join(filter(None, (plain_line(line).strip() for line in text.splitlines())))
        return cls(text=one_line.encode(errors="replace").decode()[:_NOTE_CHARACTERS], at=at, stage=stage)

    def encode(self) -> bytes:
        """Return it as logs store it."""
        fields = {"text": self.text, "at": self.at and self.at.isoformat(timespec="seconds"), "stage": self.stage}
        known = {name: value for name, value in fields.items() if value is not None}
        return f"{NOTE_MARK}{json.dumps(known, ensure_ascii=False)}\n".encode()

    @property
    def line(self) -> str:
        """Return it as text."""
        return NOTE_GUTTER + self.text


def read_note(line: str) -> LogNote | None:
    """Return the note in a stored line; None if a container wrote the line."""
    if not line.startswith(NOTE_MARK):
        return None
    try:
        fields = json.loads(line.removeprefix(NOTE_MARK))
        at = fields.get("at")
        return LogNote.of(fields["text"], at=at and datetime.fromisoformat(at), stage=fields.get("stage"))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None


def without_marks(data: bytes) -> bytes:
    """Return a container's output without note marks; works on pieces cut anywhere."""
    return data.translate(None, NOTE_MARK.encode())


def gutter_line(line: str, *, coloured: bool = False) -> str:
    """Return a stored line as text with a prefix for its author; colours end with the line."""
    if (note := read_note(line)) is not None:
        return note.line
    if coloured and "\x1b" in (shown := clean_line(line)):
        return f"{CONTAINER_GUTTER}{shown}\x1b[0m"
    return CONTAINER_GUTTER + plain_line(line)


def gutter_text(lines: Iterable[str], *, coloured: bool = False) -> str:
    """Return stored lines as text."""
    return "".join(f"{gutter_line(line, coloured=coloured)}\n" for line in lines)


def plain_colours(codes: str) -> str:
    """Return the codes of an SGR sequence without colons, which all terminals understand (ITU-T T.416, section 13.1.8).

    ``38:2::255:0:0`` and ``38:2:255:0:0`` become ``38;2;255;0;0``, ``38:5:9`` becomes ``38;5;9``; of ``4:3`` the kind
    of underline is lost, ``4:0`` is none. Unknown codes with colons are left out, not split into single codes.
    """
    plain = ";".join(filter(None, map(_plain_code, codes.split(";")))) if ":" in codes else codes
    return _without_concealing(plain) if "8" in plain else plain


def _without_concealing(codes: str) -> str:
    """Return the codes without the one that hides text (8); the 8 of a colour (``38;5;8``) stays."""
    left = codes.split(";")
    kept: list[str] = []
    while left:
        # A colour is 38 or 48 with 5 and a number, or with 2 and three of them.
        length = {"5": 3, "2": 5}.get(left[1], 1) if left[0].lstrip("0") in {"38", "48"} and len(left) > 1 else 1
        one, left = left[:length], left[length:]
        if one[0].lstrip("0") != _CONCEAL:
            kept += one
    return ";".join(kept)


def _plain_code(code: str) -> str:
    """Return one parameter's plain form; empty if there is none."""
    first, *rest = code.split(":")
    if not rest:
        return code or "0"
    if first == "4":
        return "24" if rest[0] == "0" else "4"
    numbers = [part or "0" for part in rest]
    if first in {"38", "48"} and numbers[0] == "5" and len(numbers) > 1:
        return ";".join((first, "5", numbers[1]))
    if first in {"38", "48"} and numbers[0] == "2" and len(numbers) > _RGB_PARTS:
        # With five or more, a colour space stands before the parts, and tolerances may stand behind them.
        parts = numbers[2:5] if len(numbers) > _RGB_PARTS + 1 else numbers[1:4]
        return ";".join((first, "2", *parts))
    return ""


def clean_line(line: str) -> str:
    """Return a line without control sequences, except colours in their plain form."""
    return _UNSAFE.sub(_keep_colour, line)


def _keep_colour(match: re.Match[str]) -> str:
    if not match["colour"]:
        return ""
    codes = match["colour"][2:-1]
    plain = plain_colours(codes)
    return f"\x1b[{plain}m" if plain or not codes else ""


def plain_line(line: str) -> str:
    """Return a line without control sequences or colours, for files, pipes and CI logs."""
    return _ANY_COLOUR.sub("", clean_line(line))


def plain_text(text: str) -> str:
    """Return a text of several lines without control sequences or colours."""
    return "\n".join(plain_line(line) for line in text.splitlines())


class LineSplitter:
    """Splits a streamed log into lines; a carriage return ends a line too, for progress bars."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """Return the lines that a piece completes; a line that gets too long is cut."""
        known = self._rest + text
        # A final carriage return may be the first half of a line end.
        whole = known.rstrip("\r")
        *lines, rest = _LINE_END.split(whole)
        *cut, rest = _cut(rest)
        lines += cut
        self._rest = rest if whole == known else f"{rest}\r"
        return lines

    def end(self) -> list[str]:
        """Return the remaining lines."""
        rest, self._rest = self._rest.rstrip("\r"), ""
        return [rest] if rest else []


def _cut(line: str) -> list[str]:
    """Return a line cut into pieces that are short enough."""
    places = range(0, max(len(line), 1), MAX_LINE_CHARACTERS)
    return [line[place : place + MAX_LINE_CHARACTERS] for place in places]
