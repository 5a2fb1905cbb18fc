"""The command line beside a running service: what it prints for people and for programs, and its exit codes."""

import json
import uuid
from typing import Any

import httpx
import pytest
from tests.acceptance.processes import free_port
from tests.acceptance.requested import RequestedWheel
from tests.acceptance.running_service import Completed, RunningService

Wheels = dict[str, RequestedWheel]


def test_build_that_is_waited_for_shows_its_stages_and_prints_the_wheel(service: RunningService) -> None:
    completed = service.cli("build", "itsdangerous", "--wait", "--json")

    build = _json(completed)
    assert (build["project"], build["status"]) == ("itsdangerous", "succeeded")
    assert service.build(build["id"]) == build
    for stage in ("build", "repair", "verify", "publish"):  # earlier ones may have passed before it looked
        assert f" {stage} done " in completed.stderr


def test_build_that_is_not_waited_for_says_how_to_follow_it(service: RunningService, requested: Wheels) -> None:
    done = requested["idna"].build

    completed = service.cli("build", "idna")

    assert completed.returncode == 0
    assert f"already built as {done['id']}" in completed.stderr
    assert done["wheel"]["filename"] in completed.stdout


def test_logs_prints_the_whole_log_and_nothing_else(service: RunningService, requested: Wheels) -> None:
    build_id = requested["pyyaml"].build["id"]

    printed, followed = service.cli("logs", build_id), service.cli("logs", build_id, "--follow")

    assert (printed.returncode, followed.returncode) == (0, 0)
    assert printed.stdout == followed.stdout
    assert "==> stage build" in printed.stdout
    assert len(printed.stdout.splitlines()) == len(service.log(build_id).splitlines())


def test_status_says_that_the_service_is_ready(service: RunningService) -> None:
    status = _json(service.cli("status", "--json"))

    assert (status["ready"], status["url"]) == (True, service.url)
    assert status["readiness"]["checks"] == {"database": "ok", "index": "ok", "engine": "ok"}
    assert {"queued", "running", "newest"} <= set(status)
    assert "ready" in service.cli("status").stdout


def test_builds_are_listed_for_people_and_for_programs(service: RunningService, requested: Wheels) -> None:
    build = requested["pyyaml"].build
    filters = ("--project", "pyyaml", "--status", "succeeded")

    table, document = service.cli("builds", *filters), _json(service.cli("builds", *filters, "--json"))

    assert [listed["id"] for listed in document["builds"]] == [build["id"]]
    assert build["id"] in table.stdout
    assert build["wheel"]["filename"] in table.stdout


def test_token_works_until_it_is_revoked_and_not_a_moment_longer(service: RunningService) -> None:
    created = _json(service.cli("token", "create", "passing", "--json"))
    before = _status_with(service, created["secret"])

    revoked = _json(service.cli("token", "revoke", created["id"], "--json"))
    after = _status_with(service, created["secret"])
    refused = service.cli("builds", TOKEN=created["secret"])
    listed = {token["id"]: token for token in _json(service.cli("token", "list", "--json"))}

    assert (before, after) == (200, 401)
    assert refused.returncode == 5, "exit code of a missing or invalid token"
    assert listed[created["id"]] == {**revoked, "last_used_at": listed[created["id"]]["last_used_at"]}
    assert revoked["revoked_at"]
    assert created["secret"] not in json.dumps(list(listed.values()))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("build",), 2, "Missing argument"),
        (("build", "wheelyard-acceptance-no-such-project"), 3, "error[unknown-project]: "),
        (("build", "markupsafe", "--python", "2.7"), 3, "error[unknown-target]: "),
        (("logs", str(uuid.uuid4())), 3, "error[not-found]: "),
        (("token", "revoke", str(uuid.uuid4())), 3, "error[not-found]: "),
        (("status", "--url", f"http://127.0.0.1:{free_port()}"), 4, "error[server-unreachable]: "),
    ],
)
def test_what_cannot_be_done_is_said_once_with_the_documented_exit_code(
    service: RunningService, arguments: tuple[str, ...], code: int, words: str
) -> None:
    completed = service.cli(*arguments)

    assert (completed.returncode, completed.stdout) == (code, "")
    assert words in completed.stderr
    assert "Traceback" not in completed.stderr


def test_problem_is_a_document_for_programs(service: RunningService) -> None:
    completed = service.cli("build", "wheelyard-acceptance-no-such-project", "--json")

    problem = json.loads(completed.stderr)["error"]
    assert (problem["code"], problem["exit_code"], completed.returncode) == ("unknown-project", 3, 3)
    assert problem["hint"]


def _json(completed: Completed) -> Any:  # noqa: ANN401  (what a command prints)
    assert completed.returncode == 0, completed.stderr
    return json.loads(completed.stdout)


def _status_with(service: RunningService, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{service.url}/v1/targets", headers=headers, trust_env=False, timeout=60).status_code
