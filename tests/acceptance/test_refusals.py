"""What cannot be asked for: each refusal is a problem that says what, why and what to do, and costs nothing."""

import json

import httpx
import pytest
from tests.acceptance.running_service import Document, RunningService

_FIELDS = {"type", "title", "status", "detail", "code", "hint", "retryable", "instance", "request_id", "context"}


@pytest.mark.parametrize(
    ("wanted", "code", "words"),
    [
        ({"requirement": "wheelyard-acceptance-no-such-project"}, "unknown-project", "no-such-project"),
        ({"requirement": "markupsafe>=999"}, "no-matching-version", "The newest releases are"),
        ({"requirement": "markupsafe==3.0.2", "python": "3.6"}, "unknown-target", "Python 3.6"),
        ({"requirement": "markupsafe", "platform": "win_amd64"}, "unknown-target", "win_amd64"),
        ({"requirement": "nvidia-nccl-cu12"}, "no-sdist", ".whl"),
        ({"requirement": "./markupsafe"}, "invalid-requirement", "./markupsafe"),
        ({"requirement": "markupsafe", "pyhton": "3.13"}, "invalid-request", "pyhton"),
        ({"python": "3.13"}, "invalid-request", "requirement"),
        ({"requirement": ["markupsafe"]}, "invalid-request", "requirement"),
        (["markupsafe"], "invalid-request", "body"),
    ],
)
def test_request_that_cannot_be_built_is_refused(
    service: RunningService, wanted: object, code: str, words: str
) -> None:
    before = _newest(service)

    problem = _refused(service.http.post("/v1/builds", json=wanted), 422)

    assert problem["code"] == code
    assert words in problem["detail"]
    assert _newest(service) == before


def test_body_that_is_no_json_is_refused(service: RunningService) -> None:
    response = service.http.post(
        "/v1/builds", content=b'{"requirement": ', headers={"Content-Type": "application/json"}
    )

    assert _refused(response, 422)["code"] == "invalid-request"


def test_body_that_is_too_large_is_refused(service: RunningService) -> None:
    body = json.dumps({"requirement": "x" * 70_000})

    response = service.http.post("/v1/builds", content=body, headers={"Content-Type": "application/json"})

    assert _refused(response, 413)["code"] == "request-too-large"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/builds/00000000-0000-4000-8000-000000000000", 404, "not-found"),
        ("GET", "/v1/builds/nonsense/log", 404, "not-found"),
        ("POST", "/v1/builds/nonsense/cancel", 404, "not-found"),
        ("GET", "/v1/nothing", 404, "not-found"),
        ("DELETE", "/v1/builds", 405, "method-not-allowed"),
        ("GET", "/v1/builds?status=done", 422, "invalid-request"),
        ("GET", "/v1/builds?limit=0", 422, "invalid-request"),
    ],
)
def test_what_is_not_there_is_told_as_a_problem(
    service: RunningService, method: str, path: str, status: int, code: str
) -> None:
    assert _refused(service.http.request(method, path), status)["code"] == code


def _refused(response: httpx.Response, status: int) -> Document:
    """Check the form that every problem document has."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: Document = response.json()
    assert set(problem) >= _FIELDS
    assert problem["type"] == f"urn:wheelyard:error:{problem['code']}"
    assert problem["status"] == status
    assert problem["hint"]
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem


def _newest(service: RunningService) -> list[Document]:
    listed: list[Document] = service.http.get("/v1/builds", params={"limit": 1}).raise_for_status().json()["builds"]
    return [{name: build[name] for name in ("id", "created_at")} for build in listed]
