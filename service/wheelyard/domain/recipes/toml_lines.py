"""Find the line of each key in a TOML text, which the standard library's parser does not report.

``tomllib`` has already parsed the text, so only the positions are needed. The grammar is that of
https://toml.io/en/v1.0.0.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

from wheelyard.domain.untrusted.toml_text import read_toml

KeyPath = tuple[str | int, ...]
"""The names of tables and keys, and the numbers of list items from 0, as in ``("rule", 0, "apt", 2)``."""
KeyLines = Mapping[KeyPath, int]

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*'""")
_DOT: Final = re.compile(r"[ \t]*\.[ \t]*")
_STRING: Final = re.compile(
    r"""
    \"\"\"(?:\\.|[^\\])*?\"\"\"\"{0,2}      # up to two more quotes belong to the text
    | '''.*?''''{0,2}
    | "(?:\\.|[^"\\\n])*"
    | '[^'\n]*'
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN: Final = re.compile(r"[^,\]}#\n]*")


def find_lines(text: str) -> dict[KeyPath, int]:
    """Return the line of each table, key and list item, counted from 1; the text must be valid TOML."""
    return _Scanner(text).scan()


def line_of(lines: KeyLines, path: KeyPath) -> int | None:
    """Return a path's line; a path that is not written has the line of the nearest table around it."""
    around = (path[:length] for length in range(len(path), 0, -1))
    return next((lines[part] for part in around if part in lines), None)


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[KeyPath, int] = {}
        self._sizes: dict[KeyPath, int] = {}
        """Number of tables in each array of tables so far."""

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._assignment(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self) -> KeyPath:
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        self._skip(_BLANK)
        line, names = self._line(), self._names()
        self._skip(re.compile(r"[ \t]*\]{1,2}"))
        path = self._resolve(names[:-1] if is_array else names)
        if is_array:
            path = self._next_table((*path, names[-1]), line)
        self._note(path, line)
        return path

    def _next_table(self, array: KeyPath, line: int) -> KeyPath:
        self._note(array, line)
        number = self._sizes.get(array, 0)
        self._sizes[array] = number + 1
        return (*array, number)

    def _resolve(self, names: list[str]) -> KeyPath:
        """Return the table that a header names; in an array, the last one."""
        path: KeyPath = ()
        for name in names:
            path = (*path, name)
            if path in self._sizes:
                path = (*path, self._sizes[path] - 1)
        return path

    def _assignment(self, table: KeyPath) -> None:
        line = self._line()
        path = (*table, *self._names())
        self._note(path, line, below=len(table))
        self._skip(re.compile(r"[ \t]*=[ \t]*"))
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        start = self._text[self._at]
        if start == "[":
            self._list(path)
        elif start == "{":
            self._inline_table(path)
        else:
            self._skip(_STRING if start in "\"'" else _PLAIN)

    def _list(self, path: KeyPath) -> None:
        number = 0
        while self._next_part("]"):
            self._note((*path, number), self._line())
            self._value((*path, number))
            number += 1

    def _inline_table(self, path: KeyPath) -> None:
        while self._next_part("}"):
            self._assignment(path)

    def _next_part(self, end: str) -> bool:
        """Step over a bracket or comma; return whether another part follows, otherwise step over the end."""
        self._skip(_BLANK)
        if self._text[self._at] != end:
            self._at += 1
            self._skip(_BLANK)
        if self._text[self._at] != end:
            return True
        self._at += 1
        return False

    def _names(self) -> list[str]:
        names = [self._name()]
        while self._skip(_DOT):
            names.append(self._name())
        return names

    def _name(self) -> str:
        word = self._skip(_KEY)
        return str(read_toml(f"name = {word}")["name"]) if word[0] in "\"'" else word

    def _note(self, path: KeyPath, line: int, *, below: int = 0) -> None:
        for length in range(below + 1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _line(self) -> int:
        return bisect_left(self._ends, self._at) + 1
