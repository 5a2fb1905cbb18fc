"""A build's log on a page: its colours, its lines and their numbers, and the part that is shown."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.builds import MemoryLogs
from tests.unit.api_harness import Event, read_events
from tests.unit.web_harness import FAILING_LOG, WebHarness, stage_note, web_harness

from wheelyard.domain.builds.build import Stage
from wheelyard.domain.builds.records import LogPart
from wheelyard.web.ansi import Pen, Piece, read_line
from wheelyard.web.line_index import IndexedLog, LineIndex, LineIndexes
from wheelyard.web.viewport import (
    LogSpan,
    Search,
    failing_line,
    split_log,
    viewport_around,
    viewport_from,
    viewport_to_end,
)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        await made.sign_in()
        yield made


def pieces(line: str) -> list[tuple[str, str]]:
    return [(piece.text, piece.style) for piece in read_line(line, Pen())]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("plain", [("plain", "")]),
        ("\x1b[1;31merror\x1b[0m: x", [("error", "ansi-red ansi-bold"), (": x", "")]),
        ("\x1b[91mbright\x1b[39m not", [("bright", "ansi-red"), (" not", "")]),
        ("\x1b[38;5;196mpalette \x1b[4mline", [("palette ", ""), ("line", "ansi-underline")]),
        ("\x1b[38;2;1;2;31mrgb", [("rgb", "")]),
        ("\x1b[mreset", [("reset", "")]),
        ("\x1b[1m\x1b[22mends", [("ends", "")]),
        ("\x1b[38mtorn", [("torn", "")]),
        ("\x1b[38:2::31:1:4mrgb\x1b[31mred", [("rgb", ""), ("red", "ansi-red")]),
        ("\x1b[38:2:31:1:4mrgb", [("rgb", "")]),
        ("\x1b[1;38:5:31;4mpalette", [("palette", "ansi-bold ansi-underline")]),
        ("\x1b[4:3mcurly\x1b[4:0mnone", [("curly", "ansi-underline"), ("none", "")]),
        ("\x1b[48:5:1;32mbehind", [("behind", "ansi-green")]),
        ("\x1b[58:2::1:31:4mcolour of underline", [("colour of underline", "")]),
        ("\x1b[:mnothing\x1b[9:31:1mnothing", [("nothingnothing", "")]),
        ("\x1b[2Jerased\x1b]8;;http://evil.example\x07link", [("erasedlink", "")]),
        ("<b>&amp;", [("<b>&amp;", "")]),
    ],
)
def test_colours_become_names_of_classes_and_all_else_goes(line: str, expected: list[tuple[str, str]]) -> None:
    assert pieces(line) == expected


def test_colour_goes_on_over_the_end_of_a_line() -> None:
    pen = Pen()
    read_line("\x1b[32mone", pen)
    assert read_line("two", pen) == (Piece(text="two", style="ansi-green"),)


def span(lines: Sequence[str], first: int = 1) -> LogSpan:
    return LogSpan(first=first, lines=lines, total=first - 1 + len(lines))


def test_window_has_numbers_and_says_what_is_beyond() -> None:
    lines = [f"line {number}" for number in range(1, 1001)]
    begin, end = viewport_from(span(lines[400:], first=401)), viewport_to_end(span(lines))
    assert (begin.first, begin.last, begin.total) == (401, 800, 1000)
    assert (end.first, end.last) == (601, 1000)
    assert viewport_from(span([])).lines == ()


def test_window_holds_at_least_one_line_and_cuts_what_no_page_can_show() -> None:
    (line,) = viewport_to_end(span(["x" * 100_000])).lines
    assert line.shown.pieces[-1].text.endswith("more characters)")
    assert sum(len(piece.text) for piece in line.shown.pieces) < 1100


def test_window_around_a_line_has_it_whatever_else_fits() -> None:
    lines = ["<" * 900] * 400
    window = viewport_around(span(lines, first=1000), 1300)
    assert [line.number for line in window.lines if line.is_marked] == [1300]
    numbers = [line.number for line in window.lines]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert len(numbers) > 5


def test_search_finds_text_below_colours_in_any_case() -> None:
    search = Search("ERROR")
    search.look(span(["nothing", "an \x1b[31mErr\x1b[0mor here", "error"]))
    search.look(span(["no", "an Error"], first=4))
    found = search.window()
    assert ([line.number for line in found.lines], found.total) == ([2, 3, 5], 3)


_COMPILED = ["gcc -c a.c", *["a.c: note"] * 100]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["ok", "a.c:1: fatal error: x.h: No such file", "error: command failed"], 2),
        (["error: first", "more", "error: last", "done"], 3),
        (["Traceback (most recent call last):", "ValueError: no"], 2),
        (["x.c:1: fatal error: a.h", *_COMPILED, "y.c:9: fatal error: b.h", "y.c:9: more", "error: stopped"], 103),
        (["conftest.c:1: fatal error: a.h", "RuntimeError: libx is needed"], 2),
        (["a.c:1: fatal error: x.h", *_COMPILED, "make[1]: *** [all] Error 2", "error: command 'make' failed"], 1),
        (["error: command 'make' failed"], 1),
        (["all", "is well"], None),
        ([], None),
    ],
)
def test_failing_line_is_the_first_clue_of_what_failed_last(lines: list[str], expected: int | None) -> None:
    assert failing_line(span(lines)) == expected
    assert failing_line(span(lines, first=501)) == (expected and expected + 500)


async def test_only_what_is_new_and_what_is_shown_is_read_of_a_log(harness: WebHarness) -> None:
    build_id, claim = await harness.log("lxml", b"".join(b"line %d\n" % number for number in range(1, 2001)) + b"half")
    logs = CountingLogs(MemoryLogs(harness.api.state, part_bytes=1000))
    content = IndexedLog(logs=logs, build_id=build_id, attempt=1, index=LineIndex())
    await content.survey()
    assert (content.index.total, content.index.size_bytes) == (2000, 18893)
    whole = logs.bytes_read
    assert [(await content.read(1500, 3)).line(number) for number in (1500, 1502)] == ["line 1500", "line 1502"]
    assert (await content.read(1999, 50)).lines == ["line 1999", "line 2000"]
    assert logs.bytes_read - whole < 5000
    await harness.api.attempts.append_log(claim, b" a line\nlast")
    before = logs.bytes_read
    await content.survey()
    assert (content.index.total, logs.bytes_read - before < 100) == (2001, True)
    await harness.publish(claim)
    await content.survey()
    assert (await content.read(2000, 9)).lines == ["line 2000", "half a line", "last"]


class CountingLogs(MemoryLogs):
    """Counts what is read."""

    def __init__(self, logs: MemoryLogs) -> None:
        self._logs = logs
        self.bytes_read = 0

    async def read(self, build_id: str, *, attempt: int | None = None, offset: int = 0) -> LogPart:
        part = await self._logs.read(build_id, attempt=attempt, offset=offset)
        self.bytes_read += len(part.data)
        return part


async def test_log_without_ends_of_lines_is_cut(harness: WebHarness) -> None:
    build_id, _ = await harness.log("lxml", b"x" * (5 << 20))
    content = IndexedLog(logs=harness.api.logs, build_id=build_id, attempt=1, index=LineIndex())
    await content.survey()
    assert content.index.total > 200
    assert (await content.read(content.index.total, 1)).lines[0].startswith("x")


def test_maps_of_logs_are_few() -> None:
    maps = LineIndexes()
    first = maps.of("a", 1)
    assert maps.of("a", 1) is first
    for number in range(100):
        maps.of("b", number)
    assert maps.of("a", 1) is not first


async def test_failing_line_is_on_both_pages_however_long_those_before_it_are(harness: WebHarness) -> None:
    log = b"".join(b"%d " % number + b"<" * 600 + b"\n" for number in range(300)) + b"a.c:1: fatal error: x.h\nend\n"
    build_id = await harness.failed(log=log)
    for path in (f"/builds/{build_id}", f"/builds/{build_id}/log", f"/builds/{build_id}/log?at=301"):
        page = await harness.see(path)
        assert [found["id"] for found in page.find("li") if "data-marked" in found] == ["L301"], path
        assert "fatal error: x.h" in page.text


def test_progress_bars_are_lines() -> None:
    assert split_log(b"10%\r20%\r\nend") == ["10%", "20%", "end"]


async def test_log_can_be_read_from_any_line_and_searched(harness: WebHarness) -> None:
    log = b"".join(b"line %d\n" % number for number in range(1, 1201))
    build_id = await harness.failed(log=log)
    part = await harness.see(f"/builds/{build_id}/log?from=500")
    assert part.find("li", id="L500")
    assert "?attempt=1&from=900" in part.links
    found = await harness.see(f"/builds/{build_id}/log?find=LINE+77")
    assert any(link.endswith("#L77") for link in found.links)
    text = await harness.browser.get(f"/builds/{build_id}/log.txt")
    assert text.content == b"".join(b"| line %d\n" % number for number in range(1, 1201))
    assert text.headers["Content-Type"].startswith("text/plain")
    assert "sandbox" in text.headers["Content-Security-Policy"]
    await harness.see(f"/builds/{build_id}/log?from=x", 422)


def lines_of(events: Sequence[Event]) -> list[dict[str, Any]]:
    return [line for event in events if event.name == "lines" for line in event.data["lines"]]


async def test_followed_log_has_whole_lines_once_and_ends_with_the_build(harness: WebHarness) -> None:
    build_id, claim = await harness.log("lxml", b"one\n\x1b[31mtw")

    async def work() -> None:
        await asyncio.sleep(0.05)
        await harness.api.attempts.append_log(claim, b"o\nthree <b>\nlast without end")
        await asyncio.sleep(0.05)
        await harness.publish(claim)

    working = asyncio.create_task(work())
    response = await harness.browser.get(f"/builds/{build_id}/events?after=1:0")
    await working
    events = read_events(response.text)
    lines = ["".join(piece["text"] for piece in line["pieces"]) for line in lines_of(events)]
    assert lines == ["one", "two", "three <b>", "last without end"]
    assert (events[-1].data["final"], events[-1].data["status"]) == (True, "succeeded")
    assert events[-1].id is not None
    resumed = read_events((await harness.browser.get(f"/builds/{build_id}/events?after={events[0].id}")).text)
    again = ["".join(piece["text"] for piece in line["pieces"]) for line in lines_of(resumed)]
    assert again == ["two", "three <b>", "last without end"]


async def test_follower_of_a_flood_gets_its_end_and_the_number_of_lines_before(harness: WebHarness) -> None:
    build_id, claim = await harness.log("lxml", b"".join(b"line %d\n" % number for number in range(1, 20_001)))
    await harness.publish(claim)
    response = await harness.browser.get(f"/builds/{build_id}/events?after=1:0")
    events = [event for event in read_events(response.text) if event.name == "lines"]
    next_number = 1
    for event in events:
        next_number += event.data["skipped"]
        assert len(event.data["lines"]) <= 500
        for line in event.data["lines"]:
            assert "".join(piece["text"] for piece in line["pieces"]) == f"line {next_number}"
            next_number += 1
    assert next_number == 20_001
    assert sum(event.data["skipped"] for event in events) > 10_000


async def test_events_are_refused_to_strangers_and_from_nowhere(harness: WebHarness) -> None:
    build_id = await harness.api.submit("lxml")
    assert (await harness.browser.get(f"/builds/{build_id}/events?after=x")).status_code == 422
    harness.browser.cookies.clear()
    assert (await harness.browser.get(f"/builds/{build_id}/events")).status_code == 303


async def test_log_folds_by_stage_and_shows_when_each_began_and_how_long_it_took(harness: WebHarness) -> None:
    build_id = await harness.failed("lxml", FAILING_LOG)
    page = await harness.see(f"/builds/{build_id}")
    folds = page.find("details", class_="fold")
    assert [(fold["data-stage"], "open" in fold) for fold in folds] == [("resolve", False), ("build", True)]
    text = " ".join(page.text.split())
    assert "resolve 09:00:00 1 min 15 s 2 lines" in text
    assert "build 09:01:15" in text
    whole = await harness.see(f"/builds/{build_id}/log?from=1")
    assert ["open" in fold for fold in whole.find("details", class_="fold")] == [True, True]
    later = await harness.see(f"/builds/{build_id}/log?from=20")
    assert [fold["data-stage"] for fold in later.find("details", class_="fold")] == ["build"]
    assert "from line 20" in later.text, "the fold began before"


async def test_log_of_former_times_and_what_a_container_prints_fold_nothing(harness: WebHarness) -> None:
    former = await harness.failed("lxml", b"== build\nstage build\n==> stage build\nerror: no\n")
    page = await harness.see(f"/builds/{former}")
    assert page.find("details", class_="fold") == []
    assert "error: no" in page.text


async def test_stages_of_a_log_are_known_wherever_its_blocks_end(harness: WebHarness) -> None:
    notes = [stage_note(stage, number) for number, stage in enumerate(Stage)]
    build_id, claim = await harness.log("lxml", notes[0] + b"one\ntwo\n")
    await harness.see(f"/builds/{build_id}")
    await harness.api.attempts.append_log(claim, b"three\n" + notes[1][:9])
    await harness.see(f"/builds/{build_id}")
    await harness.api.attempts.append_log(claim, notes[1][9:] + b"four\n" + b"".join(notes[2:]))
    page = await harness.see(f"/builds/{build_id}")
    assert [fold["data-stage"] for fold in page.find("details", class_="fold")] == [stage.value for stage in Stage]
    assert all("open" in fold for fold in page.find("details", class_="fold")), "while it runs"
