"""Campaigns on the command line: what is shown, in 80 columns and as JSON, and which exit code ends it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.contract.samples import BEGINNING
from tests.unit.cli_harness import client_of, problem
from typer.testing import CliRunner

from wheelyard.cli.app import app

ID = "7f8ec1a6-2f9e-4c4e-8f0a-3d54a4d7a001"
HOSTILE = "\x1b[31mred"


def row(project: str, state: str, **facts: object) -> dict[str, Any]:
    empty = {"code": "", "reason": "", "hint": "", "blocked_by": None, "blocks": 0, "would_work": None}
    empty |= {"filename": None, "build_id": None, "log_url": None}
    return {"project": project, "version": "1.0", "state": state, **empty, **facts}


READY = row("ready", "covered", filename="ready-1.0-py3-none-any.whl")
FAILED = row("base", "failed", code="build-failed", reason=f"it broke {HOSTILE}", hint="Mend it.", blocks=1)
FAILED |= {"build_id": ID, "would_work": {"version": "2.0", "evidence": "upstream has base-2.0.whl"}}
BLOCKED = row("above", "blocked", blocked_by="base")
BUILDING = row("later", "building", reason="no wheel fits")


def document(*rows: dict[str, Any], joined: bool = False) -> dict[str, Any]:
    states = [one["state"] for one in rows]
    ready = sum(state in {"done", "covered"} for state in states)
    return {
        "id": ID,
        "url": f"/v1/campaigns/{ID}",
        "python": "3.14",
        "platform": "manylinux_2_36_x86_64",
        "source": "index",
        "requested_by": "tests",
        "created_at": BEGINNING.isoformat(),
        "finished_at": None,
        "stopped": False,
        "ready": ready,
        "total": len(rows),
        "percent": 100 * ready // len(rows),
        "prefer": "upstream",
        "joined": joined,
        "is_moving": bool({"building", "waiting"} & set(states)),
        "counts": {state: states.count(state) for state in dict.fromkeys(states)},
        "blockers": [{"project": "base", "blocks": 1, "state": "failed"}] if "blocked" in states else [],
        "rows": list(rows),
        "skipped": [],
    }


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command before a service that answers these documents, the last one again and again."""
    monkeypatch.setattr("wheelyard.cli.campaigns.show._POLL_SECONDS", 0.0)

    def invoke(*arguments: str, answers: list[dict[str, Any]]) -> Any:  # noqa: ANN401  (click's result)
        sent: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            sent.append(request)
            if request.url.path == "/v1/campaigns" and request.method == "GET":
                return httpx.Response(200, json={"campaigns": answers, "next": None})
            return httpx.Response(200, json=answers.pop(0) if len(answers) > 1 else answers[0])

        monkeypatch.setattr("wheelyard.cli.client.open_client", lambda _: client_of(answer))
        result = CliRunner().invoke(app, ["campaign", *arguments], env={"COLUMNS": "80"})
        result.sent = sent  # type: ignore[attr-defined]
        return result

    return invoke


def test_campaign_for_the_index_is_begun_and_shown(run: Callable[..., Any]) -> None:
    result = run("python", "3.14", "--from", "index", answers=[document(READY, FAILED, BLOCKED, joined=True)])
    assert result.exit_code == 0
    body = json.loads(result.sent[0].content)
    assert (body["python"], body["file"], body["prefer"]) == ("3.14", None, "upstream")
    assert "33 % ready: 1 of 3 (1 covered, 1 failed, 1 blocked)" in result.stdout
    assert "base (failed): 1 blocked" in result.stdout
    assert "2.0 would work: upstream has base-2.0.whl" in result.stdout
    assert f"log: wheelyard logs {ID}" in result.stdout
    assert "blocked by base" in result.stdout
    assert "ready-1.0-py3-none-any.whl" not in result.stdout
    assert "\x1b" not in result.stdout
    assert "goes on since" in result.stderr


def test_file_is_sent(run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("requirements.txt").write_text("pyyaml==6.0.3\n", encoding="utf-8")
    result = run("python", "3.14", "--from", "requirements.txt", "--prefer", "own", answers=[document(READY)])
    body = json.loads(result.sent[0].content)
    assert (body["file"], body["files"]) == ("requirements.txt", {"requirements.txt": "pyyaml==6.0.3\n"})


@pytest.mark.parametrize(("last", "code"), [(READY | {"project": "later"}, 0), (FAILED, 1)])
def test_watching_ends_when_nothing_moves_and_tells_each_change(
    run: Callable[..., Any], last: dict[str, Any], code: int
) -> None:
    views = [document(READY, BUILDING), document(READY, BUILDING), document(READY, last)]
    result = run("show", ID, "--watch", answers=views)
    assert result.exit_code == code
    assert f"{last['project']} 1.0 {last['state']}" in result.stderr


def test_all_and_json_show_everything(run: Callable[..., Any]) -> None:
    assert "ready-1.0-py3-none-any.whl" in run("show", ID, "--all", answers=[document(READY)]).stdout
    assert json.loads(run("show", ID, "--json", answers=[document(READY)]).stdout)["rows"] == [READY]


def test_campaigns_are_listed_and_stopped(run: Callable[..., Any]) -> None:
    listed = run("list", answers=[document(READY, FAILED)])
    assert "50 % (1/2)" in listed.stdout
    stopped = run("stop", ID[:8], answers=[document(READY) | {"stopped": True}])
    assert stopped.sent[-1].url.path == f"/v1/campaigns/{ID}/stop"
    assert "stopped" in stopped.stdout


def test_refusal_is_shown_as_the_service_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = problem(422, "unknown-target", "No builder serves Python 3.9.")
    monkeypatch.setattr("wheelyard.cli.client.open_client", lambda _: client_of(lambda _: answer))
    result = CliRunner().invoke(app, ["campaign", "python", "3.9", "--from", "index"])
    assert "No builder serves Python 3.9" in str(result.exception)
