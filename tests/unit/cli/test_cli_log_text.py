"""A build's log is a stranger's text: nothing in it may act on the terminal that shows it."""

import pytest
from rich.console import Console

from wheelyard.cli.log_text import styled_line
from wheelyard.domain.builds.log_text import MAX_LINE_CHARACTERS, LineSplitter, clean_line, plain_line

COLOURED = "\x1b[1;31merror:\x1b[0m no yaml.h"


def shown(line: str) -> str:
    console = Console(force_terminal=True, color_system="truecolor", width=200, markup=True)
    with console.capture() as capture:
        console.print(styled_line(line))
    return capture.get().rstrip("\n")


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b[2J",
        "\x1b[10A",
        "\x1b[1;1H",
        "\x1b[?1049h",
        "\x1b[6n",
        "\x1b[>4;2m",
        "\x1b]0;title\x07",
        "\x1b]52;c;cm0gLXJmIC8=\x1b\\",
        "\x1b]8;;http://evil.example\x1b\\",
        "\x1bP1$r\x1b\\",
        "\x1b_private\x1b\\",
        "\x1bc",
        "\x1b(0",
        "\x9b2J",
        "\x9d0;title\x9c",
        "\x07\x08\x0b\x0c\x0e\x7f",
        "\u202e\u2066\u200f",
    ],
)
def test_control_sequence_vanishes_and_text_around_it_stays(attack: str) -> None:
    assert clean_line(f"before{attack}after") == "beforeafter"


@pytest.mark.parametrize("attack", ["\x1b]0;never ended", "\x1bP", "\x1b[", "\x1b", "\x9d open"])
def test_sequence_without_end_leaves_no_escape(attack: str) -> None:
    cleaned = clean_line(attack)
    assert not any(character in cleaned for character in "\x1b\x9b\x9d\x90")


def test_colours_stay_on_a_terminal() -> None:
    assert "\x1b[1;31merror:" in shown(COLOURED)


def test_colours_go_elsewhere() -> None:
    assert plain_line(COLOURED) == "error: no yaml.h"


def test_colour_does_not_leak_into_the_next_line() -> None:
    assert shown("\x1b[31mred").endswith("\x1b[0m")


@pytest.mark.parametrize("code", ["8", "5", "6", "31;8"])
def test_text_cannot_be_hidden_or_blink(code: str) -> None:
    assert "8" not in shown(f"\x1b[{code}mtext").replace("text", "")
    assert "\x1b[5m" not in shown(f"\x1b[{code}mtext")


def test_markup_of_rich_is_text() -> None:
    assert shown("[bold red]not markup[/] :smile:") == "[bold red]not markup[/] :smile:"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_the_same_however_the_log_is_cut(size: int) -> None:
    log = "one\ntwo\r\nthree\rfour\r\r\n\nlast"
    splitter = LineSplitter()
    lines = [line for start in range(0, len(log), size) for line in splitter.feed(log[start : start + size])]
    assert [*lines, *splitter.end()] == ["one", "two", "three", "four", "", "last"]


def test_line_without_end_does_not_grow_in_memory() -> None:
    splitter = LineSplitter()
    lines = [line for _ in range(10) for line in splitter.feed("x" * MAX_LINE_CHARACTERS)]
    assert len(lines) >= 9
    assert max(map(len, lines)) == MAX_LINE_CHARACTERS


@pytest.mark.parametrize(
    ("codes", "meant"),
    [
        ("38:2::255:1:4", "38;2;255;1;4"),
        ("38:2:255:1:4", "38;2;255;1;4"),
        ("38:2::255:1:4:0:1", "38;2;255;1;4"),
        ("1;48:5:9", "1;48;5;9"),
        ("4:3", "4"),
        ("3;4:0", "3;24"),
    ],
)
def test_colours_with_colons_are_shown_as_meant(codes: str, meant: str) -> None:
    assert clean_line(f"\x1b[{codes}mtext") == f"\x1b[{meant}mtext"
    assert shown(f"\x1b[{codes}mtext") == shown(f"\x1b[{meant}mtext")
    assert plain_line(f"\x1b[{codes}mtext") == "text"


@pytest.mark.parametrize("codes", ["58:2::1:31:4", "38:2:1", "38:9:1:1", "9:31", "4;58:5:31", ":", "38:", "1:2:3:4"])
def test_what_colons_join_and_nobody_knows_is_no_colour(codes: str) -> None:
    assert "31" not in clean_line(f"\x1b[{codes}mtext").replace("[4m", "")
    assert plain_line(f"\x1b[{codes}mtext") == "text"
