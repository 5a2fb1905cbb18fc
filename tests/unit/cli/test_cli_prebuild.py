"""Prebuilds on the command line: what is shown, what is written for CI systems, and which exit code ends it."""

import contextlib
import functools
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
import yaml
from rich.console import Console
from tests.contract.samples import BEGINNING
from tests.unit.cli_harness import URL, client_of, event_answer
from typer.testing import CliRunner

from wheelyard.adapters.resolver.requirements import parse_requirements
from wheelyard.api.schemas.requests import NewRequest, RequestView
from wheelyard.cli import prebuild as module
from wheelyard.cli.app import app
from wheelyard.cli.console import Reminder
from wheelyard.cli.dependency_files import COMMAND_LINE, gather_files
from wheelyard.cli.prebuild import Reports, plan, prebuild, watch
from wheelyard.cli.prebuild_reports import annotate, job_summary, junit_xml
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.dependencies.requirements_file import read_requirements
from wheelyard.errors import DependencyFileInvalidError, DependencyFileMissingError

BUILD_ID = "0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11"
REQUEST_ID = "7f8ec1a6-2f9e-4c4e-8f0a-3d54a4d7a001"
REQUIREMENTS = "-e .\nlxml==6.0.2\npyyaml==6.0.3\n"
WANTED = NewRequest(file="requirements.txt", files={"requirements.txt": REQUIREMENTS})
WHEEL = "lxml-6.0.2-1.bookworm-cp313-cp313-manylinux_2_28_x86_64.whl"
HOSTILE = "`rm` <b>|\x1b[31m::error::no"


def item(project: str, version: str, line: int, **facts: object) -> dict[str, Any]:
    empty = {"status": "waiting", "reason": "", "hint": "", "filename": None, "source": None, "sha256": None}
    place = {"python": "3.13", "platform": "manylinux_2_36_x86_64"}
    origin = {"file": "requirements.txt", "line": line}
    empty |= {"build_id": None, "log_url": None}
    return {"project": project, "version": version, **place, **empty, "origin": origin, **facts}


PRESENT = item("lxml", "6.0.2", 2, status="present", filename=WHEEL, source="own", sha256="a" * 64)
BUILDING = item("pyyaml", "6.0.3", 3, status="build", reason="no wheel fits")
FAILED = item("pyyaml", "6.0.3", 3, status="failed", reason=f"yaml.h is missing {HOSTILE}")
FAILED |= {"hint": 'Put apt = ["libyaml-dev"] into the recipe.', "build_id": BUILD_ID}
SERVED = item("pyyaml", "6.0.3", 3, status="present", filename="pyyaml-6.0.3-py3-none-any.whl", source="upstream")


LINE_1 = {"file": "requirements.txt", "line": 1}
REPOSITORY = {"text": "git+https://x", "reason": "it comes from a repository", "is_wanted": True, **LINE_1}


def document(*items: dict[str, Any], over: bool = False, seconds_left: float | None = None) -> dict[str, Any]:
    done = over and all(one["status"] == "present" for one in items)
    counts: dict[str, int] = {}
    for one in items:
        counts[one["status"]] = counts.get(one["status"], 0) + 1
    build = {"build_id": "b1", "project": "pyyaml", "version": "6.0.3", "python": "3.13", "joined": True}
    return {
        "prefer": "upstream",
        "counts": counts,
        "builds": [{**build, "platform": "manylinux_2_36_x86_64"}],
        "items": list(items),
        "allow_skipped": False,
        "skipped": [{"text": "-e .", "reason": "it is editable", "is_wanted": False, **LINE_1}],
        "id": REQUEST_ID,
        "url": f"/v1/requests/{REQUEST_ID}",
        "requested_by": "ci",
        "created_at": BEGINNING.isoformat(),
        "finished_at": BEGINNING.isoformat() if over else None,
        "cancelled": False,
        "is_installable": done,
        "needs_lock": False,
        "install": f"pip install --only-binary :all: --index-url {URL}/simple/ lxml==6.0.2" if done else None,
        "seconds_left": seconds_left,
        "webhook": None,
    }


def service(*last: dict[str, Any]) -> Callable[[httpx.Request], httpx.Response]:
    """Answer for a request that is under way at first and over then."""
    views = [document(PRESENT, BUILDING, seconds_left=42.0), document(*last, over=True)]
    events = [(str(number), "update", view) for number, view in enumerate(views)]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return event_answer(events)
        if request.url.path.endswith("/plan"):
            return httpx.Response(200, json={key: views[0][key] for key in PLAN_KEYS} | {"items": list(last)})
        if request.url.path.endswith("/lock"):
            given = json.loads(request.content)
            texts = {name: f"{text}# with hashes\n" for name, text in given["files"].items()}
            return httpx.Response(200, json={"text": texts[given["file"]], "files": texts})
        return httpx.Response(202 if request.method == "POST" else 200, json=views[0])

    return answer


PLAN_KEYS = ("prefer", "allow_skipped", "counts", "builds", "items", "skipped")


def run(*last: dict[str, Any], reports: Reports | None = None, wait: bool = True) -> ExitCode:
    with client_of(service(*last)) as client:
        return prebuild(client, WANTED, reports or Reports(), wait=wait)


def test_waiting_ends_with_the_table_and_the_line_that_installs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PRESENT, SERVED) is ExitCode.OK
    shown = capsys.readouterr()
    assert f"lxml     6.0.2    3.13    manylinux_2_36_x86_64  present  {WHEEL}" in shown.out
    assert "pyyaml 6.0.3 for Python 3.13 on manylinux_2_36_x86_64 present" in shown.err
    assert "requirements.txt:1: left out '-e .': it is editable" in shown.err
    assert "2 present; 1 build, 1 of them already exist" in shown.err
    assert f"install with: pip install --only-binary :all: --index-url {URL}/simple/ lxml==6.0.2" in shown.err


def test_item_of_a_repository_is_shown_with_its_commit_and_a_moved_tag(capsys: pytest.CaptureFixture[str]) -> None:
    commit: dict[str, object] = {
        "git": "https://git.example/acme/lxml",
        "ref": "v6",
        "commit": "0123456789" * 4,
        "subdirectory": "",
    }
    commit |= {"tag": "v6", "version": None, "warnings": [f"The tag v6 was moved. {HOSTILE}"]}
    wheel = "lxml-6.0.dev0+g0123456-1.bookworm-py3-none-any.whl"
    built = {**PRESENT, "filename": wheel, "commit": commit}
    assert run(built, SERVED) is ExitCode.OK
    shown = capsys.readouterr()
    words = " ".join(shown.out.split())
    assert f"{wheel} (commit 012345678901, v6 of https://git.example/acme/lxml)" in words
    assert shown.err.count("warning: The tag v6 was moved.") == 1
    assert "\x1b[31m::error" not in shown.err


def test_failure_is_shown_without_what_acts_on_a_terminal_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PRESENT, FAILED) is ExitCode.BUILD_FAILED
    shown = capsys.readouterr()
    assert "yaml.h is missing" in shown.out
    assert 'hint: Put apt = ["libyaml-dev"] into the recipe.\n' in shown.out
    assert f"log: {URL}/builds/{BUILD_ID} (wheelyard logs {BUILD_ID})\n" in shown.out, "whole, to be copied"
    assert "\x1b" not in shown.out + shown.err
    assert "install with" not in shown.err


def test_each_end_that_was_waited_for_is_told_once_where_lines_are_not_redrawn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(PRESENT, SERVED)
    lines = capsys.readouterr().err.splitlines()
    told = [line.partition(" ")[2] for line in lines if line.endswith("36_x86_64 present")]
    assert told == ["pyyaml 6.0.3 for Python 3.13 on manylinux_2_36_x86_64 present"]


def test_terminal_gets_a_live_table_with_a_bar_and_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(force_terminal=True, width=200, record=True)
    monkeypatch.setattr(module, "messages", lambda: console)
    monkeypatch.setattr(module, "is_live", lambda _: True)
    assert run(PRESENT, SERVED) is ExitCode.OK
    moments = iter([100.0, 112.0])
    monkeypatch.setattr("wheelyard.cli.prebuild.time.monotonic", lambda: next(moments))
    view = RequestView.model_validate(document(PRESENT, BUILDING, seconds_left=42.0))
    console.print(module._Progress(view))
    shown = console.export_text()
    assert "1 of 2, about 30 s left" in shown, "the estimate of 12 seconds ago"
    assert "no wheel fits" in shown
    assert WHEEL not in shown, "what is done makes room for what is not"


def test_json_is_all_that_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    run(PRESENT, SERVED, reports=Reports(as_json=True))
    shown = capsys.readouterr()
    assert json.loads(shown.out)["is_installable"]
    assert "requirements.txt:1: left out '-e .': it is editable" in shown.err, "why it may end with 1"


def test_without_waiting_it_says_how_to_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PRESENT, FAILED, wait=False) is ExitCode.OK
    assert f"wheelyard request {REQUEST_ID} --wait" in capsys.readouterr().err


def test_interrupted_wait_leaves_the_builds_running_and_says_how_to_come_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        if request.url.path.endswith("/events"):
            raise KeyboardInterrupt
        return httpx.Response(202, json=document(BUILDING))

    with client_of(answer) as client:
        assert prebuild(client, WANTED, Reports(), wait=True) is ExitCode.INTERRUPTED
    shown = capsys.readouterr().err
    assert f"follow them with: wheelyard request {REQUEST_ID} --wait\n" in shown
    assert f"cancel them with: wheelyard request {REQUEST_ID} --cancel\n" in shown
    assert asked == ["POST /v1/requests", f"GET /v1/requests/{REQUEST_ID}/events"], "nothing was cancelled"


def test_plan_shows_everything_and_fails_if_something_is_impossible(capsys: pytest.CaptureFixture[str]) -> None:
    impossible = item("wheelonly", "1.0", 3, status="impossible", reason="it has no sdist")
    with client_of(service(PRESENT, impossible)) as client:
        assert plan(client, WANTED, as_json=False) is ExitCode.BUILD_FAILED
    shown = capsys.readouterr()
    assert "it has no sdist" in shown.out
    assert "pyyaml 6.0.3 for Python 3.13 on manylinux_2_36_x86_64: would join build b1" in shown.err
    with client_of(service(PRESENT, BUILDING)) as client:
        assert plan(client, WANTED, as_json=True) is ExitCode.OK
    assert [one["status"] for one in json.loads(capsys.readouterr().out)["items"]] == ["present", "build"]


def test_plan_folds_what_is_decided_alike_for_several_targets(capsys: pytest.CaptureFixture[str]) -> None:
    platforms = ("manylinux_2_36_x86_64", "manylinux_2_41_x86_64")
    grid = [{"python": python, "platform": platform} for platform in platforms for python in ("3.11", "3.13")]
    alike = [{**PRESENT, **target} for target in grid]
    with client_of(service(*alike[:3], {**BUILDING, **grid[0]}, {**alike[3], "filename": "other.whl"})) as client:
        assert plan(client, WANTED, as_json=False) is ExitCode.OK
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["PROJECT", "VERSION", "STATUS", "WHEEL", "OR", "REASON", "TARGETS"]
    assert len(rows) == 3
    assert rows[0].endswith(f"3.11, 3.13 on {platforms[0]}; 3.11 on {platforms[1]}")
    assert rows[2].split() == ["lxml", "6.0.2", "present", "other.whl", "3.13", "on", platforms[1]]


def test_service_that_mirrors_nothing_is_said_to(capsys: pytest.CaptureFixture[str]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        found = service(BUILDING)(request)
        return httpx.Response(found.status_code, json={**found.json(), "prefer": "upstream", "mirror": "never"})

    with client_of(answer) as client:
        assert plan(client, WANTED, as_json=False) is ExitCode.OK
    assert "this service mirrors no upstream wheels (WHEELYARD_MIRROR=never)" in capsys.readouterr().err


def test_junit_has_a_case_for_each_release_and_target(tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    run(PRESENT, FAILED, reports=Reports(junit=file))
    suite = ET.fromstring(file.read_text())  # noqa: S314  our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "0")
    assert [case.get("name") for case in suite] == ["lxml 6.0.2", "pyyaml 6.0.3"]
    (failure,) = suite.iter("failure")
    assert (failure.text or "").startswith("yaml.h is missing")
    assert "libyaml-dev" in (failure.text or "")
    assert f"{URL}/builds/{BUILD_ID}" in (failure.text or "")


def test_github_gets_annotations_at_the_lines_and_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    run(PRESENT, FAILED, reports=Reports(github=True, github_summary=summary))
    commands = [line for line in capsys.readouterr().err.splitlines() if line.startswith("::")]
    stop, go, *commands = commands
    assert stop == f"::stop-commands::{go.strip(':')}", "between them, nothing is a command"
    assert [line.partition("::")[2].partition("::")[0] for line in commands] == [
        "warning file=requirements.txt,line=1",
        "error file=requirements.txt,line=3",
    ]
    assert 'hint: Put apt = ["libyaml-dev"] into the recipe.' in commands[1]
    assert f"{URL}/builds/{BUILD_ID}" in commands[1]
    text = summary.read_text()
    assert text.startswith("before\n### Wheelyard: not installable\n")
    assert 'Put apt = &#91;"libyaml-dev"] into the recipe.' in text
    assert f"[log of build {BUILD_ID[:8]}]({URL}/builds/{BUILD_ID})" in text


def test_github_gets_outputs_of_the_step(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    run(PRESENT, SERVED, reports=Reports(github_output=outputs))
    install = document(PRESENT, SERVED, over=True)["install"]
    assert outputs.read_text() == f"request-id={REQUEST_ID}\ninstallable=true\ninstall={install}\n"
    run(PRESENT, FAILED, reports=Reports(github_output=outputs))
    assert outputs.read_text().endswith("installable=false\ninstall=\n")


@pytest.mark.parametrize("end", [KeyboardInterrupt, httpx.ConnectError("gone"), ValueError("a bug")])
def test_github_reads_commands_again_however_the_wait_ends(
    end: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise end

    monkeypatch.setattr(module, "_show_until_over", stop)
    with contextlib.suppress(httpx.ConnectError, ValueError):
        run(PRESENT, SERVED, reports=Reports(github=True))
    stopped, go = (line for line in capsys.readouterr().err.splitlines() if line.startswith("::"))
    assert stopped == f"::stop-commands::{go.strip(':')}"


def test_line_that_is_missing_fails_the_job_and_is_told_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {**document(PRESENT, over=True), "skipped": [REPOSITORY], "is_installable": False, "install": None}
    events = [("1", "update", missing)]
    summary, junit = tmp_path / "summary.md", tmp_path / "junit.xml"

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            return event_answer(events)
        return httpx.Response(202, json={**missing, "finished_at": None})

    reports = Reports(github=True, github_summary=summary, junit=junit)
    with client_of(answer) as client:
        assert prebuild(client, WANTED, reports, wait=True) is ExitCode.BUILD_FAILED
        assert plan(client, WANTED, as_json=False) is ExitCode.BUILD_FAILED
    shown = capsys.readouterr().err
    assert "not installable: some lines cannot be served" in shown
    assert "::error file=requirements.txt,line=1::git+https" in shown
    assert "left out | it comes from a repository" in summary.read_text()
    (failure,) = ET.fromstring(junit.read_text()).iter("failure")  # noqa: S314  our own
    assert failure.text == "it comes from a repository"
    allowed = RequestView.model_validate({**missing, "allow_skipped": True})
    assert 'failures="0"' in junit_xml(allowed, url=URL)


def test_strangers_text_becomes_neither_markup_nor_a_command() -> None:
    view = RequestView.model_validate(document({**FAILED, "reason": f"{HOSTILE}\n::set-output name=x::y"}, over=True))
    (row,) = [line for line in job_summary(view, url=URL).splitlines() if "| failed |" in line]
    assert "&lt;b>\\|" in row
    assert "`" not in row
    lines = list(annotate(view, url=URL))
    assert all("\n" not in line and line.startswith(("::warning ", "::error ")) for line in lines)


def test_lock_that_does_not_allow_our_wheels_is_said_to_need_our_hashes(capsys: pytest.CaptureFixture[str]) -> None:
    view = {**document(PRESENT, over=True), "needs_lock": True}
    with client_of(lambda _: event_answer([("1", "update", view)])) as client:
        assert watch(client, RequestView.model_validate(view), None, Reports()) is ExitCode.OK
    assert "install from the lock file of --lock-out" in capsys.readouterr().err


def test_lock_file_is_written_where_it_was_asked_for(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock.txt"
    run(PRESENT, SERVED, reports=Reports(lock=lock))
    assert lock.read_text() == f"{REQUIREMENTS}# with hashes\n"


def test_files_are_gathered_with_all_that_they_name(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "requirements.txt").write_text("-r deeper/base.txt\n-c limits.txt\n")
    (tmp_path / "deeper" / "base.txt").write_text("-r ../requirements.txt\nlxml\n")
    (tmp_path / "limits.txt").write_text("lxml<7\n")
    given = gather_files([tmp_path / "requirements.txt"], folder=tmp_path)
    assert given.start == "requirements.txt"
    assert sorted(given.files) == ["deeper/base.txt", "limits.txt", "requirements.txt"]


def test_several_files_and_constraints_are_named_by_one(tmp_path: Path) -> None:
    (tmp_path / "ci").mkdir()
    for name in ("a b.txt", "b.txt", "ci/limits.txt"):
        (tmp_path / name).write_text("lxml<7\n")
    paths, limits = [tmp_path / "a b.txt", tmp_path / "b.txt"], [tmp_path / "ci" / "limits.txt"]
    given = gather_files(paths, constraints=limits, folder=tmp_path / "ci")
    assert given.files[COMMAND_LINE] == "-r 'a b.txt'\n-r b.txt\n-c ci/limits.txt\n"
    read = read_requirements(given.files, start=COMMAND_LINE, parse=parse_requirements)
    assert [str(one.origin) for one in read.wanted] == ["a b.txt:1", "b.txt:1"]
    assert [str(one.origin) for one in read.constraints] == ["ci/limits.txt:1"]
    assert given.locks == ["a b.txt", "b.txt", "ci/limits.txt"]


def test_pyproject_of_the_application_s_folder_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "libs" / "x").mkdir(parents=True)
    (tmp_path / "ci").mkdir()
    for folder in ("", "libs/x/"):
        (tmp_path / f"{folder}pyproject.toml").write_text(f"# {folder}\n")
    (tmp_path / "ci" / "base.txt").write_text("-e .[dev]\n./libs/x\n-e ./libs/none\n-e ../outside\n")
    (tmp_path / "requirements.txt").write_text("-r ci/base.txt\n-e .\nlxml\n")
    given = gather_files([tmp_path / "requirements.txt"], folder=tmp_path)
    assert sorted(given.files) == ["ci/base.txt", "libs/x/pyproject.toml", "pyproject.toml", "requirements.txt"]
    assert given.files["libs/x/pyproject.toml"] == "# libs/x/\n"
    assert given.is_open
    assert given.locks == ["requirements.txt", "ci/base.txt"]


def test_locks_do_not_go_together(tmp_path: Path) -> None:
    for name in ("requirements.txt", "uv.lock"):
        (tmp_path / name).write_text("")
    with pytest.raises(DependencyFileInvalidError, match=r"uv\.lock cannot be read: .*only requirements files"):
        gather_files([tmp_path / "requirements.txt", tmp_path / "uv.lock"], folder=tmp_path)
    with pytest.raises(DependencyFileInvalidError, match="only requirements files"):
        gather_files([tmp_path / "uv.lock"], constraints=[tmp_path / "requirements.txt"], folder=tmp_path)


def test_file_outside_of_the_folder_is_the_root_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "uv.lock").write_text("-r never-read.txt\n")
    files = {"uv.lock": "-r never-read.txt\n"}
    assert gather_files([tmp_path / "uv.lock"], folder=tmp_path / "here").files == files


@pytest.mark.parametrize("lock", ["uv.lock", "poetry.lock"])
def test_project_beside_a_lock_is_read_too(tmp_path: Path, lock: str) -> None:
    for name in (lock, "pyproject.toml"):
        (tmp_path / name).write_text(name)
    given = gather_files([tmp_path / lock], folder=tmp_path)
    assert (given.start, given.files) == (lock, {lock: lock, "pyproject.toml": "pyproject.toml"})
    assert given.locks == [lock]


def test_file_that_is_not_there_is_named_with_the_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("lxml\n-r base.txt\n")
    message = r"base\.txt, which requirements\.txt:2 names, cannot be read: No such file"
    with pytest.raises(DependencyFileMissingError, match=message):
        gather_files([tmp_path / "requirements.txt"], folder=tmp_path)
    with pytest.raises(DependencyFileMissingError, match=r"^elsewhere\.txt cannot be read: No such file"):
        gather_files([tmp_path / "elsewhere.txt"], folder=tmp_path)


@pytest.mark.parametrize(("content", "reason"), [(b"caf\xe9", "not UTF-8"), (b"\xff\xfei\0", "PowerShell")])
def test_file_that_is_no_utf_8_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "requirements.txt").write_bytes(content)
    with pytest.raises(DependencyFileInvalidError, match=rf"requirements\.txt cannot be read: it is .*{reason}"):
        gather_files([tmp_path / "requirements.txt"], folder=tmp_path)


def test_file_with_a_nul_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"six\r\nidna\r\npyy\0aml\r\n")
    with pytest.raises(DependencyFileInvalidError, match=r"requirements\.txt:3: it has a NUL character"):
        gather_files([tmp_path / "requirements.txt"], folder=tmp_path)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Run the whole program against a service that is a function; give exit code and all output."""
    monkeypatch.setattr("wheelyard.cli.client.open_client", lambda _: client_of(service(PRESENT, FAILED)))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)

    def run(*arguments: str, **environment: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "160", **environment})
        return result.exit_code, result.output

    return run


def test_program_finds_out_by_itself_that_it_runs_in_github(runner: Callable[..., tuple[int, str]]) -> None:
    assert "::error file" not in runner("prebuild", "pyyaml")[1]
    code, output = runner("prebuild", "pyyaml", GITHUB_ACTIONS="true")
    assert code == ExitCode.BUILD_FAILED
    assert "::error file=requirements.txt,line=3::pyyaml 6.0.3" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prebuild",), "--requirements"),
        (("prebuild", "pyyaml", "--prefer", "theirs"), "theirs"),
        (("prebuild", "pyyaml", "--extra", "no name"), "extras"),
    ],
)
def test_command_line_that_makes_no_sense_is_refused(
    runner: Callable[..., tuple[int, str]], arguments: tuple[str, ...], message: str
) -> None:
    code, output = runner(*arguments)
    assert code == ExitCode.USAGE
    assert message in output


@pytest.mark.parametrize("option", ["--junit", "--lock-out"])
def test_place_that_cannot_be_written_is_refused_before_anything_is_ordered(
    runner: Callable[..., tuple[int, str]], tmp_path: Path, option: str
) -> None:
    (tmp_path / "requirements.txt").write_text("lxml\n")
    given = ("prebuild", "-r", str(tmp_path / "requirements.txt"), option)
    code, output = runner(*given, str(tmp_path / "requirements.txt" / "out"))
    assert (code, "cannot be written" in " ".join(output.split())) == (ExitCode.USAGE, True)
    there = tmp_path / "new" / "out"
    assert runner(*given, str(there), "--plan")[0] == ExitCode.OK
    assert not there.exists(), "nothing is there before there is something to write"
    assert runner(*given, str(there))[0] == ExitCode.BUILD_FAILED
    assert there.read_text()


def test_lock_is_written_by_who_comes_back_later(
    runner: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text(REQUIREMENTS)
    lock = ("-r", "requirements.txt", "--lock-out", "locked.txt")
    assert runner("request", REQUEST_ID, *lock)[0] == ExitCode.OK
    assert (tmp_path / "locked.txt").read_text() == f"{REQUIREMENTS}# with hashes\n"
    (tmp_path / "locked.txt").unlink()
    assert runner("request", REQUEST_ID, "--wait", *lock)[0] == ExitCode.BUILD_FAILED
    assert (tmp_path / "locked.txt").exists()
    code, output = runner("request", REQUEST_ID, "--lock-out", "locked.txt")
    assert (code, "--requirements" in output) == (ExitCode.USAGE, True)


def test_lock_is_written_byte_for_byte(runner: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"lxml==6.0.2\r\n\xc3\xa4\n")
    lock = tmp_path / "locked.txt"
    runner("request", REQUEST_ID, "-r", str(tmp_path / "requirements.txt"), "--lock-out", str(lock))
    assert lock.read_bytes() == b"lxml==6.0.2\r\n\xc3\xa4\n# with hashes\n"


def test_lock_of_several_files_goes_into_a_folder_or_in_place(
    runner: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ci" / "deeper").mkdir(parents=True)
    (tmp_path / "ci" / "requirements.txt").write_text("-r deeper/base.txt\n")
    locked = f"lxml==6.0.2 --hash=sha256:{'a' * 64}\n"
    (tmp_path / "ci" / "deeper" / "base.txt").write_text(locked)
    given = ("request", REQUEST_ID, "-r", "ci/requirements.txt", "--lock-out")
    code, output = runner(*given, "elsewhere.txt")
    assert (code, "ci/deeper/base.txt" in "".join(output.split())) == (ExitCode.USAGE, True)
    (tmp_path / "out").mkdir()
    assert runner(*given, "out")[0] == ExitCode.OK
    assert (tmp_path / "out" / "ci" / "deeper" / "base.txt").read_text() == f"{locked}# with hashes\n"
    assert (tmp_path / "ci" / "deeper" / "base.txt").read_text() == locked
    several = ("request", REQUEST_ID, "-r", "ci/deeper/base.txt", "-r", "ci/requirements.txt", "--lock-out")
    assert runner(*several, "ci/requirements.txt")[0] == ExitCode.USAGE
    assert runner(*several, "out")[0] == ExitCode.OK
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file()) == [
        "base.txt",
        "requirements.txt",
    ]
    assert runner(*given, "ci/requirements.txt")[0] == ExitCode.OK
    assert (tmp_path / "ci" / "requirements.txt").read_text() == "-r deeper/base.txt\n# with hashes\n"
    assert (tmp_path / "ci" / "deeper" / "base.txt").read_text() == f"{locked}# with hashes\n"


def test_lock_is_made_of_requirements_without_hashes_and_takes_the_place_of_none(
    runner: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("-r base.txt\n")
    (tmp_path / "base.txt").write_text("lxml\n")
    (tmp_path / "out").mkdir()
    one, two = ("-r", "requirements.txt"), ("-r", "requirements.txt", "-r", "base.txt")
    for given, place in ((one, "requirements.txt"), (two, "out")):
        code, output = runner("request", REQUEST_ID, *given, "--lock-out", place)
        assert (code, "name another file" in " ".join(output.split())) == (ExitCode.USAGE, True)
    assert (tmp_path / "requirements.txt").read_text() == "-r base.txt\n"
    for given in (one, two):
        assert runner("request", REQUEST_ID, *given, "--lock-out", "locked.txt")[0] == ExitCode.OK
        assert (tmp_path / "locked.txt").read_text().endswith("# with hashes\n")


def test_request_is_shown_awaited_or_cancelled_later(runner: Callable[..., tuple[int, str]]) -> None:
    assert runner("request", REQUEST_ID)[0] == ExitCode.OK
    assert runner("request", REQUEST_ID, "--cancel")[0] == ExitCode.OK
    code, output = runner("request", REQUEST_ID, "--wait")
    assert code == ExitCode.BUILD_FAILED
    assert "yaml.h is missing" in output


def test_secret_of_a_webhooks_receiver_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.path) == ("POST", "/v1/requests/webhook-secret")
        return httpx.Response(200, json={"secret": f"whsec_{json.loads(request.content)['url']}"})

    monkeypatch.setattr("wheelyard.cli.client.open_client", lambda _: client_of(answer))
    receiver = "https://ci.example.org/hooks"
    assert CliRunner().invoke(app, ["webhook-secret", receiver]).output == f"whsec_{receiver}\n"
    shown = CliRunner().invoke(app, ["webhook-secret", receiver, "--json"]).output
    assert json.loads(shown) == {"secret": f"whsec_{receiver}"}


def test_every_snippet_of_the_documentation_can_be_read_as_what_it_is() -> None:
    text = (Path(__file__).parents[3] / "docs" / "prebuild.md").read_text()
    blocks = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)]
    assert [set(block) for block in blocks] == [{"steps"}, {"prebuild"}]
    assert all(isinstance(line, str) for line in blocks[1]["prebuild"]["script"])


def test_progress_is_told_while_no_item_comes_to_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    view = RequestView.model_validate(document(PRESENT, BUILDING, seconds_left=90.0))
    told = threading.Event()
    monkeypatch.setattr(module, "Reminder", functools.partial(Reminder, seconds=0.01))
    monkeypatch.setattr(module, "note", lambda text: told.set() if text.startswith("1 of 2, about 1 min 30") else None)

    def updates() -> Iterator[RequestView]:
        assert told.wait(10)
        yield view

    assert module._print_changes(updates(), view) == view
    assert capsys.readouterr().out == ""
