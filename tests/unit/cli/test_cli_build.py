"""Asking for a wheel: stages as they pass, then the wheel or the failure, and an exit code that a script can use."""

import io
import json
import threading
from collections.abc import Callable
from typing import cast

import httpx
import pytest
from rich.console import Console
from tests.unit.cli_harness import BUILD_ID, build_document, client_of, event_answer

from wheelyard.cli.builds import WantedWheel, build, logs
from wheelyard.cli.client import Ended, LogPiece, StatusChanged
from wheelyard.cli.problem import ExitCode
from wheelyard.cli.watch import BuildEnded, BuildWaits, BuildWatch, PlainScreen, StageBegan, StageEnded
from wheelyard.domain.builds.build import Stage, Status

WANTED = WantedWheel(requirement="pyyaml", python=None, platform=None)


def service(final: Status) -> Callable[[httpx.Request], httpx.Response]:
    """Answer for one build that runs at first and then ends."""
    events: list[tuple[str, str, dict[str, object]]] = [
        ("1:0", "status", {"status": "running", "stage": "fetch", "attempt": 1}),
        ("1:0", "status", {"status": "running", "stage": "build", "attempt": 1}),
        ("1:9", "log", {"text": "gcc \x1b[31m-c\x1b[0m \x1b]0;evil\x07[bold]x[/bold]\n"}),
        ("1:9", "status", {"status": str(final), "stage": None, "attempt": 1}),
        ("1:9", "end", {"status": str(final)}),
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, json=build_document(Status.RUNNING, joined=True))
        if request.url.path.endswith("/log"):
            return event_answer(events)
        return httpx.Response(200, json=build_document(final))

    return answer


def test_waiting_shows_stages_then_the_wheel(capsys: pytest.CaptureFixture[str]) -> None:
    with client_of(service(Status.SUCCEEDED)) as client:
        code = build(client, WANTED, wait=True, follow=False, as_json=False)
    shown = capsys.readouterr()
    assert code is ExitCode.OK
    assert "joined" in shown.err
    assert "fetch done" in shown.err
    assert "build done" in shown.err
    assert "gcc" not in shown.err
    assert "cp313-cp313-linux_x86_64 \u2192 cp313-cp313-manylinux_2_17_x86_64" in shown.out
    assert "libyaml-0.so.2 from libyaml-0-2 0.2.5-1, for yaml/_yaml.abi3.so\n" in shown.out
    assert "libexpat.so.1 from libexpat1 2.5.0-1, for yaml/_yaml.abi3.so (beyond the policy)" in shown.out
    assert "its host must have libglib-2.0.so.0 (libglib2.0-0): it has one main loop" in shown.out
    assert "manylinux_2_17_x86_64 because yaml/_yaml.abi3.so needs memcpy@GLIBC_2.14 of libc.so.6" in shown.out
    assert "warning  It has no yaml._other." in shown.out
    assert "pip install --only-binary :all:" in shown.out


def test_source_in_git_is_sent_as_one_and_its_commit_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    sent: list[dict[str, object]] = []
    source = {
        "git": "https://git.example/demo",
        "ref": "v1",
        "commit": "ab" * 20,
        "subdirectory": "",
        "tag": "v1",
        "version": None,
        "warnings": ["The tag v1 was moved."],
    }

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        document = build_document(Status.FAILED, joined=True)
        return httpx.Response(202, json={**document, "sdist": None, "source": source})

    wanted = WantedWheel(requirement="Demo @ git+https://git.example/demo@v1", python=None, platform=None)
    with client_of(answer) as client:
        build(client, wanted, wait=False, follow=False, as_json=False)
    assert sent[0]["source"] == {"git": "https://git.example/demo", "ref": "v1", "project": "demo"}
    assert "requirement" not in sent[0]
    shown = capsys.readouterr().out
    assert f"commit {'ab' * 20} (v1) of https://git.example/demo\n" in shown
    assert "warning: The tag v1 was moved." in shown


def test_following_shows_the_log_without_what_acts_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with client_of(service(Status.SUCCEEDED)) as client:
        build(client, WANTED, wait=False, follow=True, as_json=False)
    assert "gcc -c [bold]x[/bold]" in capsys.readouterr().err


def test_failure_shows_code_excerpt_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    with client_of(service(Status.FAILED)) as client:
        code = build(client, WANTED, wait=True, follow=False, as_json=False)
    shown = capsys.readouterr()
    assert code is ExitCode.BUILD_FAILED
    assert "build failed" in shown.err
    assert "error[build-failed] in the build stage: pyyaml 6.0.3 did not build" in shown.out
    assert "fatal error: yaml.h" in shown.out
    assert "hint: Add libyaml-dev" in shown.out


def test_json_is_all_that_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with client_of(service(Status.SUCCEEDED)) as client:
        build(client, WANTED, wait=True, follow=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["wheel"]["policy"] == "manylinux_2_17_x86_64"


def test_without_waiting_it_says_how_to_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    with client_of(service(Status.SUCCEEDED)) as client:
        code = build(client, WANTED, wait=False, follow=False, as_json=False)
    assert code is ExitCode.OK
    assert f"wheelyard logs {BUILD_ID} --follow" in capsys.readouterr().err


def test_interrupted_wait_leaves_the_build_running(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(202, json=build_document(Status.RUNNING, joined=False))
        raise KeyboardInterrupt

    with client_of(answer) as client:
        code = build(client, WANTED, wait=True, follow=False, as_json=False)
    assert code is ExitCode.INTERRUPTED
    assert "the build goes on" in capsys.readouterr().err


def test_followed_log_goes_to_standard_output_and_its_exit_code_is_the_build_s(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with client_of(service(Status.FAILED)) as client:
        code = logs(client, BUILD_ID, follow=True, as_json=False)
    assert code is ExitCode.BUILD_FAILED
    assert capsys.readouterr().out == "| gcc -c [bold]x[/bold]\n"


def test_whole_log_as_json_keeps_every_byte(capsys: pytest.CaptureFixture[str]) -> None:
    with client_of(lambda _: httpx.Response(200, text="a\x1b[2Jb\n")) as client:
        logs(client, BUILD_ID, follow=False, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"log": "a\x1b[2Jb\n"}


def test_build_that_waits_leaves_its_stage_without_having_passed_or_failed_it() -> None:
    watch = BuildWatch()
    list(watch.apply(StatusChanged(status=Status.RUNNING, stage=Stage.BUILD, attempt=1)))
    waits = StatusChanged(status=Status.QUEUED, stage=None, attempt=1, waits_for=("needed 2.0", "also 1.0"))
    assert list(watch.apply(waits)) == [BuildWaits(releases=("needed 2.0", "also 1.0"))]
    assert list(watch.apply(waits)) == []
    again = StatusChanged(status=Status.RUNNING, stage=Stage.RESOLVE, attempt=2)
    assert list(watch.apply(again)) == [StageBegan(stage=Stage.RESOLVE, attempt=2)]


def test_wait_is_shown_as_a_line_of_its_own() -> None:
    console = Console(file=io.StringIO(), width=200)
    with PlainScreen(console, with_log=False) as screen:
        screen.show("demo 1.0", BuildWaits(releases=("needed 2.0", "also 1.0")))
    assert "demo 1.0 waiting for builds of needed 2.0, also 1.0" in cast("io.StringIO", console.file).getvalue()


def test_long_stage_is_told_again_while_nothing_else_is() -> None:
    told = threading.Event()

    class Output(io.StringIO):
        def write(self, text: str) -> int:
            if "build for 0." in text:
                told.set()
            return super().write(text)

    with PlainScreen(Console(file=Output(), width=200), with_log=False, reminder_seconds=0.01) as screen:
        screen.add("demo 1.0")
        screen.show("demo 1.0", StageBegan(stage=Stage.BUILD, attempt=1))
        assert told.wait(10)


def test_build_that_is_over_is_not_told_again() -> None:
    console = Console(file=io.StringIO(), width=200)
    with PlainScreen(console, with_log=False) as screen:
        screen.add("demo 1.0")
        screen.show("demo 1.0", BuildEnded(status=Status.SUCCEEDED, seconds=1.0))
        before = cast("io.StringIO", console.file).getvalue()
        screen._remind()
    assert cast("io.StringIO", console.file).getvalue() == before


def test_stage_lasts_until_the_next_one_begins() -> None:
    times = iter([0.0, 1.0, 3.5, 3.5, 10.0, 10.0])
    watch = BuildWatch(clock=lambda: next(times))
    began = list(watch.apply(StatusChanged(status=Status.RUNNING, stage=Stage.FETCH, attempt=1)))
    changed = list(watch.apply(StatusChanged(status=Status.RUNNING, stage=Stage.BUILD, attempt=1)))
    repeated = list(watch.apply(StatusChanged(status=Status.RUNNING, stage=Stage.BUILD, attempt=1)))
    ended = list(watch.apply(Ended(status=Status.FAILED)))
    assert began == [StageBegan(stage=Stage.FETCH, attempt=1)]
    assert changed == [
        StageEnded(stage=Stage.FETCH, seconds=2.5, passed=True),
        StageBegan(stage=Stage.BUILD, attempt=1),
    ]
    assert repeated == []
    assert ended == [
        StageEnded(stage=Stage.BUILD, seconds=6.5, passed=False),
        BuildEnded(status=Status.FAILED, seconds=10.0),
    ]


def test_stage_of_a_lost_worker_did_not_pass() -> None:
    watch = BuildWatch()
    list(watch.apply(StatusChanged(status=Status.RUNNING, stage=Stage.BUILD, attempt=1)))
    news = list(watch.apply(StatusChanged(status=Status.QUEUED, stage=None, attempt=2)))
    assert [item.passed for item in news if isinstance(item, StageEnded)] == [False]


def test_last_line_without_end_is_shown() -> None:
    watch = BuildWatch()
    assert list(watch.apply(LogPiece(text="half"))) == []
    assert "half" in repr(list(watch.apply(Ended(status=Status.FAILED))))
