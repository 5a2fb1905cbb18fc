r"""Make a build's log safe to show: it is a stranger's text, and whatever shows it may obey what it is sent.

Colours stay. Everything else that a terminal acts on goes: cursor movement, erasing, titles, links and clipboards
(OSC), device strings, concealed text, single control characters, and the marks that reverse the direction of writing.
Must not know what shows it: a terminal, a page or a file.
"""

import re
from typing import Final

MAX_LINE_CHARACTERS: Final = 16_384
_COLOUR: Final = r"\x1b\[[0-9;:]*m"
# ECMA-48: strings (OSC, DCS, SOS, PM, APC) up to their terminator, CSI sequences, two-character escapes; then
# whatever else is left of C0 and C1, and Unicode's bidirectional controls.
_STRINGS: Final = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
_SEQUENCES: Final = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
_ESCAPES: Final = r"\x1b[ -/]*[0-Z\\^-~]"
_CONTROLS: Final = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_UNSAFE: Final = re.compile(f"(?P<colour>{_COLOUR})|{_STRINGS}|{_SEQUENCES}|{_ESCAPES}|{_CONTROLS}")
_ANY_COLOUR: Final = re.compile(_COLOUR)
_LINE_END: Final = re.compile(r"\r+\n?|\n")


def clean_line(line: str) -> str:
    """Remove everything that a terminal acts on, but for colours."""
    return _UNSAFE.sub(lambda match: match["colour"] or "", line)


def plain_line(line: str) -> str:
    """Remove colours too: for files, pipes and CI logs."""
    return _ANY_COLOUR.sub("", clean_line(line))


def plain_text(text: str) -> str:
    """Clean a text of several lines for showing as plain text."""
    return "\n".join(plain_line(line) for line in text.splitlines())


class LineSplitter:
    """Cuts a log that comes in pieces into whole lines; a carriage return ends a line, for progress bars."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """Take a piece and give the lines that it completes; a line without end is cut."""
        known = self._rest + text
        # A final carriage return may be the first half of a line end.
        whole = known.rstrip("\r")
        *lines, rest = _LINE_END.split(whole)
        *cut, rest = _cut(rest)
        lines += cut
        self._rest = rest if whole == known else f"{rest}\r"
        return lines

    def end(self) -> list[str]:
        """Give what is left."""
        rest, self._rest = self._rest.rstrip("\r"), ""
        return [rest] if rest else []


def _cut(line: str) -> list[str]:
    """Cut a line into pieces that are short enough."""
    places = range(0, max(len(line), 1), MAX_LINE_CHARACTERS)
    return [line[place : place + MAX_LINE_CHARACTERS] for place in places]
