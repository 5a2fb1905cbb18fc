"""The console blocks of README and docs: what readers type, and what they are shown.

An HTML comment before a block says why no test runs it, ``<!-- not run: REASON -->``; one with ``not run on this page``
holds for the whole page. What is in such blocks is still parsed against the command line's definition.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_BLOCK: Final = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]*?) -->\n)?^```(?:console|sh|bash|shell)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_PAGE: Final = re.compile(r"^<!-- not run on this page: (?P<reason>.*?) -->$", re.DOTALL | re.MULTILINE)
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)*")
_DIGEST: Final = re.compile(r"\b[0-9a-f]{64}\b|whsec_\S+")
_MINUTES: Final = re.compile(r"\b\d+ min ")
_COMMENT: Final = re.compile(r"(?:^|\s+)# .*$", re.MULTILINE)
_OPENERS: Final = frozenset({"do", "then", "else", "while", "if", "!", "{", "$"})
_RUNS_IN: Final = frozenset({"api", "devpi", "postgres", "worker"})
ELISION: Final = "..."


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One command as it is typed, and the output that is shown."""

    text: str
    shown: tuple[str, ...] = ()

    @property
    def fails(self) -> bool:
        """Whether the shown output says so."""
        return any(line.startswith("error[") for line in self.shown)

    def find_missing(self, output: str) -> str | None:
        """Return the first shown line that the output has not, in order; numbers and hashes may be others."""
        lines = iter(map(plain, output.splitlines()))
        for line in self.shown:
            if line != ELISION and not any(plain(line) in real for real in lines):
                return line
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One block of a page."""

    page: str
    line: int
    text: str
    reason: str | None
    """Why it is not run."""

    def commands(self) -> Iterator[Command]:
        """Yield the commands; a block without prompts is a script."""
        if not self.text.startswith("$ "):
            yield Command(text=self.text)
            return
        typed: list[str] = []
        shown: list[str] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                if typed:
                    yield Command(text="\n".join(typed), shown=tuple(shown))
                typed, shown = [line.removeprefix("$ ")], []
            elif not shown and (typed[-1].endswith("\\") or line.startswith("> ")):
                typed.append(line.removeprefix("> "))
            else:
                shown.append(line)
        yield Command(text="\n".join(typed), shown=tuple(shown))

    def program_arguments(self) -> Iterator[list[str]]:
        """Yield what is given to the program, each time that it is called."""
        for command in self.commands():
            lexer = shlex.shlex(_COMMENT.sub("", command.text), posix=True, punctuation_chars=";|&()<>\n")
            lexer.commenters = ""
            lexer.whitespace = " \t"
            lexer.whitespace_split = True
            yield from _calls(list(lexer))


def _calls(words: list[str]) -> Iterator[list[str]]:
    call: list[str] = []
    for word in [*words, "\n"]:
        if set(word) <= set(";|&()<>\n"):
            if (arguments := _arguments_of(call)) is not None:
                yield arguments
            call = []
        else:
            call.append(word)


def _arguments_of(call: list[str]) -> list[str] | None:
    start = 0
    while start < len(call) and (call[start] in _OPENERS or re.match(r"[A-Za-z_]+=", call[start])):
        start += 1
    for place, word in enumerate(call):
        is_called = place == start or call[place - 1] in _RUNS_IN
        if is_called and (word == "wheelyard" or word.endswith("/wheelyard")):
            return call[place + 1 :]
    return None


def plain(text: str) -> str:
    """Make two outputs alike that differ only in what may differ."""
    text = _NUMBER.sub("0", _MINUTES.sub("", _DIGEST.sub("H", text)))
    return " ".join(text.split())


def pages() -> list[Path]:
    """List what is looked through; README first, because the others go on from it."""
    elsewhere = [ROOT / name for name in ("README.md", "examples/README.md", "recipes/README.md", "builders/README.md")]
    return [*elsewhere, *sorted((ROOT / "docs" / "tutorial").glob("*wheel.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks() -> list[Block]:
    """Read every block of every page."""
    found: dict[tuple[str, int], Block] = {}
    for page in pages():
        text, name = page.read_text(), page.relative_to(ROOT).as_posix()
        whole = _PAGE.search(text)
        for match in _BLOCK.finditer(text):
            line = text[: match.start()].count("\n") + 1
            reason = whole["reason"] if whole else match["reason"]
            found.setdefault((name, line), Block(page=name, line=line, text=match["text"], reason=reason))
    return list(found.values())
