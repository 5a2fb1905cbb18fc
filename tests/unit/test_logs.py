"""The service's own log: lines for a person at a terminal, JSON for a collector, and in nobody's way."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from wheelyard.logs import LineRenderer

SERVICE = Path(__file__).parents[2] / "service"
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from wheelyard.logs import configure_logs, get_logger
configure_logs(log_format=sys.argv[2], level="info")
for _ in range(1000):
    get_logger("here").error("something-happened", reason="x" * 100)
print("it went on")
"""


def test_log_on_a_full_disk_ends_nothing() -> None:
    for log_format in ("json", "text"):
        with Path("/dev/full").open("w") as full:  # every write to it fails like one on a full disk
            command = [sys.executable, "-c", PROGRAM, str(SERVICE), log_format]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, check=False, text=True)
        assert done.stdout == "it went on\n"


TELLING = """
import sys
sys.path.insert(0, sys.argv[1])
from wheelyard.logs import configure_logs, get_logger, log_context
configure_logs(log_format=sys.argv[2], level="info")
log = get_logger("here")
with log_context(build="1810f20c-8036-41f7-a2b1-7c1cd09c4013", attempt=1, project="six", trace_id="1" * 32):
    log.info("stage-left", stage="build", seconds=2.197)
log.info("request-answered", method="GET", path="/v1/builds", status=200, seconds=0.01)
log.warning("server-ended", server="devpi", reason="it \\x1b[2J\\nended")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("routine-failed", routine="upkeep")
"""
STAGE = "six: build done (in 2.2 s, build 1810f20c)"
ENDED = "warning: Server ended (server devpi, reason it [2J ended)"


def told(*, log_format: str = "auto", terminal: bool = False, **environment: str) -> list[str]:
    """Log a few entries in a process of its own, and return what its standard error gets."""
    command = [sys.executable, "-c", TELLING, str(SERVICE), log_format]
    env = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "TZ": "UTC", **environment}
    if not terminal:
        return subprocess.run(command, env=env, capture_output=True, check=True, text=True).stderr.splitlines()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, env=env, stderr=theirs)
    os.close(theirs)
    output = b""
    try:
        while piece := os.read(ours, 4096):
            output += piece
    except OSError:  # Linux: all ends of the other side are closed
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0
    return output.decode().splitlines()


def test_person_at_a_terminal_gets_a_line_an_event_in_plain_words() -> None:
    lines = [re.sub(r"^\x1b\[2m\d\d:\d\d:\d\d\x1b\[0m ", "", line) for line in told(terminal=True)]
    assert lines[:3] == [
        STAGE,
        f"\x1b[33m{ENDED}\x1b[0m",
        "\x1b[31merror: Routine failed (routine upkeep)\x1b[0m",
    ], "a page that was answered is no news"
    assert lines[3] == "    Traceback (most recent call last):"
    assert lines[-1] == "    ZeroDivisionError: division by zero"


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_are_left_out_where_they_are_not_wanted(variable: dict[str, str]) -> None:
    assert not any("\x1b" in line for line in told(terminal=True, **variable))


def test_text_that_is_asked_for_has_no_colours_where_there_is_no_terminal() -> None:
    first, second, *_ = told(log_format="text")
    assert re.fullmatch(r"\d\d:\d\d:\d\d " + re.escape(STAGE), first)
    assert second.endswith(f" {ENDED}")


@pytest.mark.parametrize("terminal", [True, False])
def test_collector_gets_json_where_there_is_no_terminal_or_it_is_asked_for(terminal: bool) -> None:  # noqa: FBT001
    lines = told(terminal=terminal, log_format="json" if terminal else "auto")
    entries = [json.loads(line) for line in lines]
    assert [entry["event"] for entry in entries] == [
        "stage-left",
        "request-answered",
        "server-ended",
        "routine-failed",
    ]
    assert "ZeroDivisionError" in entries[-1]["exception"]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"event": "request-answered", "method": "POST", "path": "/v1/builds", "status": 202, "seconds": 0.04},
         "POST /v1/builds answered 202 (in 0.0 s)"),
        ({"event": "build-ended", "project": "six", "status": "failed", "code": "build-failed"},
         "six: build failed (code build-failed)"),
        ({"event": "attempt-started", "project": "six", "version": "1.17.0", "target": "Python 3.13", "attempt": 2},
         "six 1.17.0: building for Python 3.13 (attempt 2)"),
        ({"event": "library", "logger": "asyncio", "message": "slow"}, "asyncio: slow"),
        ({"event": "never-heard-of", "count": 3, "nothing": None}, "Never heard of (count 3)"),
        ({"event": "stage-left"}, "Stage left"),
    ],
)  # fmt: skip
def test_event_is_a_sentence_with_what_matters(fields: dict[str, object], line: str) -> None:
    entry = {"level": "info", "timestamp": "2026-11-29T22:00:37Z", **fields}
    assert LineRenderer(colours=False)(None, "info", entry).partition(" ")[2] == line


def test_answers_are_shown_where_everything_is_wanted_and_those_that_failed_always() -> None:
    entry = {"event": "request-answered", "method": "GET", "path": "/", "timestamp": "2026-11-29T22:00:37Z"}
    assert "GET / answered 404" in LineRenderer(colours=False)(None, "info", {**entry, "status": 404})
    assert "GET / answered 200" in LineRenderer(colours=False, everything=True)(None, "info", {**entry, "status": 200})
    with pytest.raises(structlog.DropEvent):
        LineRenderer(colours=False)(None, "info", {**entry, "status": 200})
