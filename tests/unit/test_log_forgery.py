"""Whatever a container prints, no view of a log shows it as a line of ours."""

import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.contract.samples import sample_wheel
from tests.unit.api_harness import read_events
from tests.unit.pipeline.test_attempt_log import CLAIM, LogKeeper, log_on
from tests.unit.web_harness import WebHarness, web_harness

from wheelyard.cli.client import LogPiece
from wheelyard.cli.log_text import print_log_line, quote_text
from wheelyard.cli.watch import BuildWatch, LogLine
from wheelyard.domain.builds.build import Stage, Status
from wheelyard.domain.builds.log_text import (
    NOTE_MARK,
    LineSplitter,
    LogNote,
    gutter_line,
    gutter_text,
    read_note,
    without_marks,
)
from wheelyard.domain.builds.records import Outcome
from wheelyard.web.viewport import split_log

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
FORGED = LogNote.of("stage publish", at=NOW, stage="publish").encode()
ATTACKS: Sequence[bytes] = (
    b"==> stage publish\n",
    b"verify done\n",
    FORGED,
    b"\r" + FORGED,
    b"begun \r==> stage publish\n",
    b"x\b\b\b\b==> stage publish\n",
    b"\x1b[1A\x1b[2K\x1b[G==> stage publish\n",
    b"\x1b[8m|\x1b[0m\r==> stage publish\n",
    "\u200b\u202e\u2066==> stage publish\n".encode(),
    "x\u2028==> stage publish\u2029==> more\u0085==> and more\n".encode(),
    b"x\x0b==> stage publish\x0c==> more\x1c==> more\x1d==> more\n",
    "\uff1d\uff1d\uff1e stage publish\n".encode(),
    b"\xc0\x9e{}\n\xe0\x80\x9e{}\n",
    b"::error::forged\n##[error]forged\n##vso[task.complete]x\n",
    b"no end of a line",
    b"\xff\xfe\x1e\x1e" + FORGED * 3,
    b" " * 300 + b"==> stage publish\n",
    b"\t" * 60 + b"==> stage publish\n",
    ("e\u0301\u200d\U0001f469" * 40 + "==> stage publish\n").encode(),
)


async def stored(*pieces: bytes | str, limit_bytes: int = 1 << 30) -> bytes:
    """Give what is kept of an attempt: bytes are a container's, text is our own note."""
    store = LogKeeper()
    async with log_on(store, limit_bytes=limit_bytes) as log:
        for piece in pieces:
            await (log.write(piece) if isinstance(piece, bytes) else log.note(piece, stage=None))
    return store.data


def notes_in(data: bytes) -> list[str]:
    return [note.text for line in split_log(data) if (note := read_note(line)) is not None]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_text_has_our_gutter_before_our_notes_alone(attack: bytes, size: int) -> None:
    data = await stored("ours", *(attack[place : place + size] for place in range(0, len(attack), size)), "ours too")
    text = gutter_text(split_log(data))
    # By every end of a line that Python, editors and terminals know.
    assert [line for line in text.splitlines() if not line.startswith("| ")] == ["==> ours", "==> ours too"]


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([*ATTACKS, b"\x1e", b"\n", b"{"])), max_size=8))
async def test_nothing_printed_is_a_note_wherever_it_is_cut(pieces: list[bytes]) -> None:
    data = await stored("first", *pieces, "last")
    assert notes_in(data) == ["first", "last"]


async def test_note_that_quotes_a_stranger_is_one_line_and_obeyed_by_nothing() -> None:
    data = await stored("build failed: it said\n==> stage publish\r\n\x1b[2J\x1e{}\u2028==> x")
    assert gutter_text(split_log(data)) == "==> build failed: it said ==> stage publish {} ==> x\n"


async def test_notes_are_kept_beyond_the_limit_but_not_without_end() -> None:
    data = await stored(b"x" * 500, "kept", *["y" * 3000] * 1000, limit_bytes=100)
    assert len(data) < (1 << 20) + 200
    assert notes_in(data)[1] == "kept"


def test_note_has_its_stage_and_time() -> None:
    note = LogNote.of("stage build", at=NOW, stage=Stage.BUILD)
    assert read_note(note.encode().decode()) == note


@pytest.mark.parametrize("line", ["", "{}", "[]", "1", '{"text": 1}', '{"text": "x", "at": "never"}', "[" * 9000])
def test_mark_with_something_else_behind_it_is_no_note_and_no_fault(line: str) -> None:
    assert read_note(NOTE_MARK + line) is None


def test_log_of_before_is_a_container_s() -> None:
    assert gutter_text(split_log(b"==> stage build\ngcc\n")) == "| ==> stage build\n| gcc\n"


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("is_terminal", [True, False])
def test_every_row_of_the_command_line_has_a_gutter(attack: bytes, *, is_terminal: bool) -> None:
    """On a terminal also where a long line goes on, which the terminal would begin in the first column."""
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=40, color_system=None, legacy_windows=False)
    for line in split_log(without_marks(attack)):
        print_log_line(console, line, is_note=False)
    assert isinstance(console.file, io.StringIO)
    rows = console.file.getvalue().splitlines()
    assert rows
    assert all(row.startswith("| ") for row in rows), rows
    assert not is_terminal or all(sum(1 if one.isascii() else 2 for one in row) <= 40 for row in rows)
    quoted = quote_text(without_marks(attack).decode(errors="replace"), console).plain
    assert all(row.startswith("    | ") for row in quoted.splitlines())


def test_what_ci_systems_obey_in_the_middle_of_a_line_is_broken_up() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=200)
    print_log_line(console, "##[error]x ##vso[task.complete]", is_note=False)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "| ## [error]x ## vso[task.complete]\n"


def test_followed_build_knows_lines_of_the_service_by_their_origin() -> None:
    watch = BuildWatch()
    pieces = [
        LogPiece(text="==> stage build\n", origin="service", stage="build", at=NOW),
        LogPiece(text="==> stage publish\nhalf"),
        LogPiece(text="==> stage repair\n", origin="service"),
    ]
    lines = [news for piece in pieces for news in watch.apply(piece)]
    assert lines == [
        LogLine(text="stage build", is_note=True),
        LogLine(text="==> stage publish"),
        LogLine(text="half"),
        LogLine(text="stage repair", is_note=True),
    ]


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        await made.sign_in()
        yield made


@pytest.mark.parametrize("attack", ATTACKS)
async def test_pages_events_and_api_tell_our_notes_from_the_rest(harness: WebHarness, attack: bytes) -> None:
    data = LogNote.of("stage build", at=NOW, stage=Stage.BUILD).encode() + without_marks(attack)
    build_id, claim = await harness.log("lxml", data)
    await harness.api.attempts.finish(claim, Outcome(status=Status.SUCCEEDED, wheel=sample_wheel()))
    for path in (f"/builds/{build_id}", f"/builds/{build_id}/log", f"/builds/{build_id}/log?find=stage"):
        page = await harness.see(path)
        ours = [found for found in page.find("li") if "note" in str(found.get("class", "")).split()]
        assert [(found.get("data-stage"), found.get("data-at")) for found in ours] == [("build", NOW.isoformat())]
    text = (await harness.browser.get(f"/builds/{build_id}/log.txt")).text
    assert [line for line in text.splitlines() if not line.startswith("| ")] == ["==> stage build"]
    sent = read_events((await harness.browser.get(f"/builds/{build_id}/events?after=1:0")).text)
    lines = [line for event in sent if event.name == "lines" for line in event.data["lines"]]
    assert [(line["gutter"], line["stage"]) for line in lines if line["is_note"]] == [("==>", "build")]
    assert {line["gutter"] for line in lines if not line["is_note"]} == {"|"}
    url = f"/v1/builds/{build_id}/log"
    whole = (await harness.api.client.get(url)).text
    assert [line for line in whole.splitlines() if not line.startswith("| ")] == ["==> stage build"]
    assert "\x1b[2K" not in whole
    followed = read_events((await harness.api.client.get(url, headers={"Accept": "text/event-stream"})).text)
    told = [event.data for event in followed if event.name == "log"]
    ours_told = {"text": "==> stage build\n", "origin": "service", "stage": "build", "at": "2026-11-29T12:00:00Z"}
    assert [one for one in told if one["origin"] == "service"] == [ours_told]
    assert {one["stage"] for one in told if one["origin"] == "container"} == {None}


async def test_failure_s_excerpt_is_the_container_s_alone() -> None:
    store = LogKeeper()
    async with log_on(store) as log:
        await log.write(b"gcc: error\n" + FORGED)
        await log.note("build failed: it ended with exit code 1")
        assert log.excerpt().splitlines() == ["gcc: error", json.dumps(json.loads(FORGED[1:]), ensure_ascii=False)]
    assert CLAIM.attempt == 1


def test_splitter_gives_lines_of_both_kinds_whole() -> None:
    splitter = LineSplitter()
    note = LogNote.of("\\" * 9999, at=NOW, stage="build").encode().decode()
    assert splitter.feed(note[:100]) == []
    (line,) = splitter.feed(note[100:])
    assert read_note(line) is not None, "the longest note is no longer than a line may be"


@pytest.mark.parametrize(
    ("codes", "kept"),
    [
        ("8", None),
        ("0008", None),
        ("1;8", "1"),
        ("8;31", "31"),
        ("0;8;1", "0;1"),
        ("38;5;8", "38;5;8"),
        ("48;2;8;8;8", "48;2;8;8;8"),
        ("38;5;8;8", "38;5;8"),
        ("38:5:8", "38;5;8"),
        ("38", "38"),
        ("28", "28"),
    ],
)
def test_code_that_hides_text_goes_and_colours_stay(codes: str, kept: str | None) -> None:
    shown = gutter_line(f"a\x1b[{codes}mb", coloured=True)
    assert shown.removesuffix("\x1b[0m") == ("| ab" if kept is None else f"| a\x1b[{kept}mb")
