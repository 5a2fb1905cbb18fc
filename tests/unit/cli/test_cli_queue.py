"""The queue from the command line: retries, workers, batches, and builds that wait for their next attempt."""

import json
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from tests.contract.samples import BEGINNING
from tests.unit.cli_harness import BUILD_ID, build_document, client_of

from wheelyard.api.schemas.builds import BuildSummaryView
from wheelyard.cli.builds import WantedWheel, build, list_workers, retry, show
from wheelyard.cli.listing import list_builds
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.builds.build import Failure, Stage, Status
from wheelyard.domain.builds.queue import Priority
from wheelyard.errors import IndexUnavailableError

WORKER = {
    "name": "host-1-abcd",
    "host": "host-1",
    "architecture": "x86_64",
    "builders": [{"suite": "bookworm", "python": "3.11"}, {"suite": "bookworm", "python": "3.13"}],
    "emulated": [{"architecture": "aarch64", "suite": "bookworm", "python": "3.13"}],
    "slots": 2,
    "cpus": 4.0,
    "memory_bytes": 8 << 30,
    "state": "active",
    "started_at": BEGINNING.isoformat(),
    "seen_at": BEGINNING.isoformat(),
    "builds": [BUILD_ID],
}


def answering(
    document: object, status: int = 200, asked: list[httpx.Request] | None = None
) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        return httpx.Response(status, json=document)

    return answer


def test_retry_says_that_the_build_is_queued_again(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[httpx.Request] = []
    with client_of(answering(build_document(Status.QUEUED, joined=False), 202, asked)) as client:
        assert retry(client, BUILD_ID, wait=False, as_json=False) is ExitCode.OK
    assert [(one.method, one.url.path) for one in asked] == [("POST", f"/v1/builds/{BUILD_ID}/retry")]
    assert f"queued as {BUILD_ID}" in capsys.readouterr().err


def test_retry_of_a_wheel_that_is_there_is_json_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    with client_of(answering(build_document(joined=True))) as client:
        retry(client, BUILD_ID, wait=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["status"] == "succeeded"


@pytest.mark.parametrize("priority", list(Priority))
def test_priority_is_asked_for(priority: Priority) -> None:
    asked: list[httpx.Request] = []
    wanted = WantedWheel(requirement="pyyaml", python=None, platform=None, priority=priority)
    with client_of(answering(build_document(Status.QUEUED, joined=False), 202, asked)) as client:
        build(client, wanted, wait=False, follow=False, as_json=True)
    assert json.loads(asked[0].content) == {"requirement": "pyyaml", "priority": priority.value}


def test_workers_are_listed_with_what_they_serve_and_do(capsys: pytest.CaptureFixture[str]) -> None:
    with client_of(answering([WORKER])) as client:
        assert list_workers(client, as_json=False) is ExitCode.OK
    shown = capsys.readouterr()
    said = "".join(shown.out.split())
    assert all(word in said for word in ("host-1-abcd", "x86_64", "bookworm:Python3.11,3.13", "active"))
    assert "no worker is active" not in shown.err


@pytest.mark.parametrize("workers", [[], [{**WORKER, "state": "lost"}]], ids=["none", "lost"])
def test_missing_workers_are_said(workers: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    with client_of(answering(workers)) as client:
        list_workers(client, as_json=False)
    assert "no worker is active" in capsys.readouterr().err


def test_workers_are_json_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    with client_of(answering([WORKER])) as client:
        list_workers(client, as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["builds"] == [BUILD_ID]


def test_build_that_waits_says_why_and_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    failure = Failure.of(IndexUnavailableError(index="upstream", reason="it is down"), stage=Stage.FETCH)
    attempt = {
        "number": 1,
        "worker": "w",
        "status": "failed",
        "started_at": BEGINNING.isoformat(),
        "finished_at": BEGINNING.isoformat(),
        "timings": [],
        "failure": {
            name: getattr(failure, name) for name in ("stage", "code", "summary", "hint", "retryable", "log_excerpt")
        },
        "log_size_bytes": 0,
        "log_truncated": False,
        "healing": None,
    }
    later = BEGINNING + timedelta(minutes=1)
    document = {**build_document(Status.QUEUED), "not_before": later.isoformat(), "attempts": [attempt]}
    with client_of(answering(document)) as client:
        show(client.build(BUILD_ID), as_json=False)
    shown = capsys.readouterr().out
    assert f"the next one starts at {later.astimezone():%H:%M:%S}" in shown
    assert "error[index-unavailable]" in shown


def test_build_that_waits_for_others_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    awaited = [
        {"project": "needed", "version": "2.0", "build_id": "id-of-needed", "url": "/v1/builds/id-of-needed"},
        {"project": "also", "version": "1.0", "build_id": None, "url": None},
    ]
    with client_of(answering({**build_document(Status.QUEUED), "waits_for": awaited})) as client:
        show(client.build(BUILD_ID), as_json=False)
    shown = capsys.readouterr().out
    assert "waits for needed 2.0, build id-of-needed" in shown
    assert "waits for also 1.0, whose build is not queued yet" in shown


def test_list_says_of_a_queued_build_that_it_waits(capsys: pytest.CaptureFixture[str]) -> None:
    summary = {name: build_document(Status.QUEUED).get(name) for name in BuildSummaryView.model_fields}
    page = {"builds": [{**summary, "waits": True}], "next": None}
    with client_of(answering(page)) as client:
        assert list_builds(client, project=None, status=None, limit=9, as_json=False) is ExitCode.OK
    assert "waits for other builds" in " ".join(capsys.readouterr().out.split())


def test_failed_build_lists_its_findings_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [
        {
            "kind": "library-too-old",
            "name": f"lib{number}{'x' * 80}",
            "bound": ">=1.2",
            "found": "1.0",
            "line": "",
            "cause": "",
            "remedy": "",
        }
        for number in range(11)
    ]
    failure = {
        "stage": "build",
        "code": "build-failed",
        "summary": "It failed.",
        "hint": "",
        "retryable": False,
        "log_excerpt": "",
        "findings": findings,
    }
    document = {**build_document(Status.FAILED), "failure": failure}
    with client_of(answering(document)) as client:
        show(client.build(BUILD_ID), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.strip().startswith("library-too-old") for line in lines) == 8
    assert any("and 3 more" in line for line in lines)
    assert max(map(len, lines)) <= 80
