"""Who may ask, how requests are told apart, and how a supervisor learns whether the service can serve."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from tests.unit.api_stand import ApiStand, api_stand, problem_of

from wheelyard.api.app import create_app
from wheelyard.errors import DatabaseUnavailableError

HEADERS: list[dict[str, str]] = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer  "},
    {"Authorization": "Basic dGVzdHM6dGVzdHM="},
    {"Authorization": "Bearer wy_wrong"},
]


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[ApiStand]:
    async with api_stand(tmp_path) as made:
        yield made


def operations(app: FastAPI) -> list[tuple[str, str]]:
    """List every method and path of the document."""
    paths = app.openapi()["paths"]
    assert isinstance(paths, dict)
    return [(method, path) for path, methods in paths.items() for method in methods]


@pytest.mark.parametrize("headers", HEADERS)
async def test_nothing_under_v1_is_answered_without_a_valid_token(stand: ApiStand, headers: dict[str, str]) -> None:
    del stand.client.headers["Authorization"]
    for method, path in operations(create_app(stand.services)):
        if path.startswith("/v1/"):
            response = await stand.client.request(method, path, headers=headers, content=b"not even JSON")
            problem_of(response, 401, "unauthenticated")
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="wheelyard"'


async def test_revoked_token_opens_nothing(stand: ApiStand) -> None:
    (token,) = await stand.services.tokens.list_tokens()
    await stand.services.tokens.revoke(token.id)
    problem_of(await stand.client.get("/v1/targets"), 401, "unauthenticated")


async def test_use_of_a_token_is_noted(stand: ApiStand) -> None:
    await stand.client.get("/v1/targets")
    (token,) = await stand.services.tokens.list_tokens()
    assert token.last_used_at == stand.clock.now


async def test_request_id_is_made_if_there_is_none(stand: ApiStand) -> None:
    responses = [await stand.client.get(path) for path in ("/healthz", "/nowhere")]
    assert [response.headers["X-Request-ID"] for response in responses] == ["request-1", "request-2"]


@pytest.mark.parametrize(
    ("proposed", "taken"),
    [("ci-4711.a_b", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("-a", False), ("a;b", False)],
)
async def test_only_well_formed_request_ids_are_taken_over(stand: ApiStand, proposed: str, taken: bool) -> None:  # noqa: FBT001
    response = await stand.client.get("/healthz", headers={"X-Request-ID": proposed})
    assert (response.headers["X-Request-ID"] == proposed) is taken


async def test_process_is_alive_whatever_else_is_down(stand: ApiStand) -> None:
    stand.builds.fault = DatabaseUnavailableError(reason="it was switched off")
    response = await stand.client.get("/healthz", headers={"Authorization": ""})
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_service_is_ready_when_every_check_passes(stand: ApiStand) -> None:
    response = await stand.client.get("/readyz", headers={"Authorization": ""})
    assert (response.status_code, response.json()) == (200, {"status": "ready", "checks": {"database": "ok"}})


async def test_each_failing_check_is_named_with_its_reason(stand: ApiStand) -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    async def pass_by() -> None:
        return

    stand.builds.fault = DatabaseUnavailableError(reason="it was switched off")
    stand.checks.update(index=hang, engine=pass_by)
    response = await stand.client.get("/readyz")
    problem = problem_of(response, 503, "not-ready")
    assert problem["context"]["failing"] == {
        "database": "The database does not answer: it was switched off.",
        "index": "It did not answer within 0.05 seconds.",
    }
    assert response.headers["Retry-After"] == "5"
