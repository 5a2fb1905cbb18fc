"""Every way to ask wrongly, and every fault behind the API, is answered with a problem document of its own code."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs
from tests.unit.api_harness import ApiHarness, api_harness, assert_problem

from wheelyard.api.app import create_app
from wheelyard.api.problems import Problem
from wheelyard.domain.builds.records import BuildFilter, BuildPage
from wheelyard.errors import (
    AlreadyRunningError,
    DatabaseUnavailableError,
    DiskFullError,
    IndexUnavailableError,
    InvalidWheelError,
    RecipeInvalidError,
    ServiceStartError,
    WheelLie,
    WheelyardError,
)

NOWHERE = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


async def post(harness: ApiHarness, content: bytes | str, content_type: str = "application/json") -> httpx.Response:
    return await harness.client.post("/v1/builds", content=content, headers={"Content-Type": content_type})


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"requirement": 3}',
        b'{"requirement": ""}',
        b'{"requirement": "pyyaml", "pyhton": "3.13"}',
        b'{"requirement": "pyyaml", "python": ["3.13"]}',
        b'{"requirement": "\\ud800"}',
        b'{"\\ud800": 1}',
        b"[" * 30_000,
    ],
)
async def test_body_of_another_form_is_refused(harness: ApiHarness, content: bytes) -> None:
    problem = assert_problem(await post(harness, content), 422, "invalid-request")
    assert problem["context"]["problems"]
    assert not problem["retryable"]


async def test_body_that_is_not_said_to_be_json_is_refused(harness: ApiHarness) -> None:
    assert_problem(await post(harness, b'{"requirement": "pyyaml"}', "text/plain"), 422, "invalid-request")


async def test_every_problem_of_a_body_is_named_at_once(harness: ApiHarness) -> None:
    problem = assert_problem(await post(harness, b'{"requirement": "", "pyhton": "3.13"}'), 422, "invalid-request")
    assert problem["context"]["problems"] == [
        "body.requirement: String should have at least 1 character",
        "body.pyhton: Extra inputs are not permitted",
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"requirement": "pyyaml @ file:///etc/passwd"}, "invalid-requirement"),
        ({"requirement": "./pyyaml"}, "invalid-requirement"),
        ({"requirement": "py yaml"}, "invalid-requirement"),
        ({"requirement": "py\x00yaml"}, "invalid-requirement"),
        ({"requirement": "pyyamll"}, "unknown-project"),
        ({"requirement": "pyyaml>99"}, "no-matching-version"),
        ({"requirement": "wheelonly"}, "no-sdist"),
        ({"requirement": "pyyaml", "python": "3.6"}, "unknown-target"),
        ({"requirement": "pyyaml", "python": "three"}, "unknown-target"),
        ({"requirement": "pyyaml", "platform": "win_amd64"}, "unknown-target"),
    ],
)
async def test_request_that_cannot_be_served_says_why(harness: ApiHarness, body: dict[str, str], code: str) -> None:
    problem = assert_problem(await harness.client.post("/v1/builds", json=body), 422, code)
    assert problem["hint"]
    assert problem["context"]
    assert (await harness.builds.list_builds(BuildFilter())).builds == ()


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
async def test_large_body_is_refused(harness: ApiHarness, announced: bool) -> None:  # noqa: FBT001
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(80):
            yield b" " * 1024

    content = b" " * (80 << 10) if announced else chunks()
    response = await harness.client.post("/v1/builds", content=content)
    problem = assert_problem(response, 413, "request-too-large")
    assert problem["context"] == {"limit_bytes": 64 << 10}


async def test_body_at_the_limit_is_read(harness: ApiHarness) -> None:
    body = b'{"requirement": "pyyaml"}'
    assert (await post(harness, body.ljust(64 << 10))).status_code == 202


@pytest.mark.parametrize("path", [f"/v1/builds/{NOWHERE}", "/v1/builds/no-id", f"/v1/builds/{NOWHERE}/log"])
async def test_unknown_build_is_not_found(harness: ApiHarness, path: str) -> None:
    assert assert_problem(await harness.client.get(path), 404, "not-found")["context"]["kind"] == "build"


async def test_unknown_build_cannot_be_cancelled(harness: ApiHarness) -> None:
    assert_problem(await harness.client.post(f"/v1/builds/{NOWHERE}/cancel"), 404, "not-found")


@pytest.mark.parametrize("path", ["/v2/builds", "/v1/build", "/docs-assets/none.js", "/v1/builds/a/b/c"])
async def test_unknown_path_is_not_found(harness: ApiHarness, path: str) -> None:
    assert_problem(await harness.client.get(path), 404, "not-found")


async def test_browser_gets_a_problem_document_from_an_api_without_pages(harness: ApiHarness) -> None:
    transport = httpx.ASGITransport(app=create_app(harness.services))
    async with httpx.AsyncClient(transport=transport, base_url="http://wheelyard") as browser:
        response = await browser.get("/nowhere", headers={"Accept": "text/html"})
    assert_problem(response, 404, "not-found")


async def test_wrong_method_is_named_with_those_that_are_allowed(harness: ApiHarness) -> None:
    response = await harness.client.delete(f"/v1/builds/{NOWHERE}")
    problem = assert_problem(response, 405, "method-not-allowed")
    assert problem["context"]["method"] == "DELETE"
    assert response.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/builds", "GET, POST"),
        ("PUT", "/v1/requests", "GET, POST"),
        ("POST", "/v1/wheels/x.whl", "DELETE, GET"),
        ("PATCH", "/simple/", "GET, HEAD, POST"),
        ("PATCH", "/v1/recipes/schema.json", "DELETE, GET, PUT"),
    ],
)
async def test_wrong_method_is_answered_with_all_that_the_path_has(
    harness: ApiHarness, method: str, path: str, allowed: str
) -> None:
    response = await harness.client.request(method, path)
    problem = assert_problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == allowed
    assert problem["context"]["allowed"] == allowed.split(", ")
    assert problem["hint"] == f"It supports {allowed}."


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=many", "status=done", "before=x", "project=a/b", "project=%00", "page=2"]
)
async def test_senseless_filter_is_refused(harness: ApiHarness, query: str) -> None:
    problem = assert_problem(await harness.client.get(f"/v1/builds?{query}"), 422, "invalid-request")
    assert query.partition("=")[0] in problem["detail"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (IndexUnavailableError(index="upstream", reason="connection refused"), 503),
        (DatabaseUnavailableError(reason="connection refused"), 503),
        (DiskFullError(path="/var/lib/wheelyard", free_bytes=1, floor_bytes=2), 507),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
async def test_fault_of_the_operator_says_when_to_try_again(
    harness: ApiHarness, fault: WheelyardError, status: int
) -> None:
    harness.source.project_fault = fault
    response = await harness.client.post("/v1/builds", json={"requirement": "pyyaml"})
    problem = assert_problem(response, status, fault.code)
    assert (problem["retryable"], response.headers["Retry-After"]) == (True, "5")


async def test_broken_recipe_is_the_servers_fault(harness: ApiHarness) -> None:
    harness.recipes.fault = RecipeInvalidError(source="recipes/pyyaml.toml", problems=["rule.0.atp: unknown key"])
    response = await harness.client.post("/v1/builds", json={"requirement": "pyyaml"})
    assert_problem(response, 500, "recipe-invalid")
    assert "Retry-After" not in response.headers


async def test_unexpected_error_shows_only_a_reference_that_the_log_explains(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(_wanted: BuildFilter) -> BuildPage:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(harness.builds, "list_builds", break_down)
    with capture_logs() as entries:
        response = await harness.client.get("/v1/builds", headers={"X-Request-ID": "mine"})
    problem = assert_problem(response, 500, "internal-error")
    assert "secret" not in response.text
    assert problem["context"]["reference"] == problem["request_id"] == "mine"
    (entry,) = [one for one in entries if one["event"] == "request-failed"]
    assert entry["reference"] == "mine"
    assert "a secret of the house" in str(entry["exc_info"])


def test_fields_of_every_kind_are_said_in_json() -> None:
    error = AlreadyRunningError(state_dir=Path("/var/lib/wheelyard"))
    assert Problem.of(error).context == {"state_dir": "/var/lib/wheelyard"}
    start = ServiceStartError(service="devpi", reason="it ended", log=None)
    assert Problem.of(start).context == {"service": "devpi", "reason": "it ended", "log": None}


def test_false_claims_of_a_wheel_are_objects_in_the_context() -> None:
    lie = WheelLie(kind="record-mismatch", subject="a.whl", detail="its RECORD lists a.py, which it does not have")
    problem = Problem.of(InvalidWheelError(file="a.whl", reason=lie.detail, lies=[lie]))
    assert problem.context["lies"] == [{"kind": lie.kind, "subject": lie.subject, "detail": lie.detail}]
