"""Who may ask, how requests are told apart, and how a supervisor learns whether the service can serve."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from tests.unit.api_harness import SECRET, ApiHarness, access_on, api_harness, assert_problem

from wheelyard.api.authentication import AuthenticatedRoute
from wheelyard.api.monitoring import Readiness
from wheelyard.api.scopes import SCOPES, needed_scope
from wheelyard.assembly.service import make_app
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.metrics import Metrics
from wheelyard.domain.builds.records import Token
from wheelyard.errors import DatabaseUnavailableError, TooManyRequestsError, UnauthenticatedError
from wheelyard.memory_cache import SharedAnswer
from wheelyard.usecases.tokens import PREFIX, Tokens

HEADERS: list[dict[str, str]] = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer  "},
    {"Authorization": "Basic dGVzdHM6dGVzdHM="},
    {"Authorization": "Bearer wy_wrong"},
]


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


PUBLIC = {"/v1/recipes/schema.json"}
"""Editors fetch a schema without a token."""


def operations(app: FastAPI) -> list[tuple[str, str]]:
    """List every method and path of the document."""
    paths = app.openapi()["paths"]
    assert isinstance(paths, dict)
    return [(method, path) for path, methods in paths.items() for method in methods]


@pytest.mark.parametrize("headers", HEADERS)
async def test_nothing_under_v1_is_answered_without_a_valid_token(harness: ApiHarness, headers: dict[str, str]) -> None:
    del harness.client.headers["Authorization"]
    for method, path in operations(make_app(harness.services)):
        if path.startswith("/v1/") and path not in PUBLIC:
            response = await harness.client.request(method, path, headers=headers, content=b"not even JSON")
            assert_problem(response, 401, "unauthenticated")
            assert response.headers["WWW-Authenticate"] == 'Bearer realm="wheelyard"'


async def test_revoked_token_opens_nothing(harness: ApiHarness) -> None:
    (token,) = await harness.services.tokens.list_tokens()
    await harness.services.tokens.revoke(token.id, revoked_by="root")
    assert_problem(await harness.client.get("/v1/targets"), 401, "unauthenticated")


async def test_use_of_a_token_is_noted(harness: ApiHarness) -> None:
    await harness.client.get("/v1/targets")
    (token,) = await harness.services.tokens.list_tokens()
    assert token.last_used_at == harness.clock.now


async def test_request_id_is_made_if_there_is_none(harness: ApiHarness) -> None:
    responses = [await harness.client.get(path) for path in ("/healthz", "/nowhere")]
    assert [response.headers["X-Request-ID"] for response in responses] == ["request-1", "request-2"]


@pytest.mark.parametrize(
    ("proposed", "taken"),
    [("ci-4711.a_b", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("-a", False), ("a;b", False)],
)
async def test_only_well_formed_request_ids_are_taken_over(harness: ApiHarness, proposed: str, taken: bool) -> None:  # noqa: FBT001
    response = await harness.client.get("/healthz", headers={"X-Request-ID": proposed})
    assert (response.headers["X-Request-ID"] == proposed) is taken


async def test_process_is_alive_whatever_else_is_down(harness: ApiHarness) -> None:
    harness.builds.fault = DatabaseUnavailableError(reason="it was switched off")
    response = await harness.client.get("/healthz", headers={"Authorization": ""})
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


async def test_service_is_ready_when_every_check_passes(harness: ApiHarness) -> None:
    response = await harness.client.get("/readyz", headers={"Authorization": ""})
    assert (response.status_code, response.json()) == (200, {"status": "ready", "checks": {"database": "ok"}})


async def test_each_failing_check_is_named_with_its_reason(harness: ApiHarness) -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    async def pass_by() -> None:
        return

    harness.builds.fault = DatabaseUnavailableError(reason="it was switched off")
    harness.checks.update(index=hang, engine=pass_by)
    response = await harness.client.get("/readyz")
    problem = assert_problem(response, 503, "not-ready")
    assert problem["context"]["failing"] == {
        "database": "The database does not answer: it was switched off.",
        "index": "No response within 0.05 seconds.",
    }
    assert response.headers["Retry-After"] == "5"


async def token_with(harness: ApiHarness, scope: Scope) -> dict[str, str]:
    """Put a token of this scope into the store; the stand's own secret stays the admin's."""
    tokens = Tokens(store=harness.token_store, new_secret=lambda: f"secret-{scope}")
    publishes = ("acme-*",) if scope is Scope.PUBLISH else ()
    _, secret = await tokens.create(name=scope.value, scope=scope, publishes=publishes, created_by="root")
    return {"Authorization": f"Bearer {secret}"}


async def test_created_token_lists_what_it_publishes(harness: ApiHarness) -> None:
    body = {"name": "ci", "scope": "publish", "publishes": ["Acme_*", "tool"]}
    created = await harness.client.post("/v1/tokens", json=body)
    assert (created.status_code, created.json()["publishes"]) == (201, ["acme-*", "tool"])
    newest, first = (await harness.client.get("/v1/tokens")).json()
    assert (newest["scope"], newest["publishes"]) == ("publish", ["acme-*", "tool"])
    assert (first["scope"], first["publishes"]) == ("admin", [])


@pytest.mark.parametrize(
    ("scope", "publishes"),
    [
        ("publish", []),
        ("publish", None),
        ("publish", "tool"),
        ("publish", ["acme*"]),
        ("publish", ["a" * 201]),
        ("publish", ["tool"] * 101),
        ("request", ["tool"]),
        ("admin", ["*"]),
    ],
)
async def test_token_whose_projects_do_not_fit_is_not_created(
    harness: ApiHarness, scope: str, publishes: object
) -> None:
    body = {"name": "ci", "scope": scope, "publishes": publishes}
    assert_problem(await harness.client.post("/v1/tokens", json=body), 422, "invalid-request")
    assert len(await harness.services.tokens.list_tokens()) == 1


def test_every_route_under_v1_has_its_scope_in_the_table(harness: ApiHarness) -> None:
    routes = [
        route
        for route in _api_routes(make_app(harness.services))
        if route.path.startswith(("/v1/", "/metrics", "/legacy/"))
    ]
    closed = [str(route.operation_id) for route in routes if isinstance(route, AuthenticatedRoute)]
    assert sorted(closed) == sorted(SCOPES)
    assert {str(route.operation_id) for route in routes} - set(closed) == {"recipe_schema"}


def test_operation_that_the_table_forgot_needs_admin() -> None:
    assert needed_scope("no_such_operation") is Scope.ADMIN


@pytest.mark.parametrize("scope", Scope)
async def test_each_route_is_open_to_its_scope_and_those_above_only(harness: ApiHarness, scope: Scope) -> None:
    headers = await token_with(harness, scope)
    for route in _api_routes(make_app(harness.services)):
        if not isinstance(route, AuthenticatedRoute):
            continue
        needed = SCOPES[str(route.operation_id)]
        response = await harness.client.request(
            min(route.methods or ()), route.path, headers=headers, content=b"no JSON"
        )
        if scope.allows(needed):
            assert response.status_code not in {401, 403}, route.path
        elif route.path == "/legacy/":  # it answers with text, which upload tools show
            assert (response.status_code, f"'{needed.value}'" in response.text) == (403, True)
        else:
            problem = assert_problem(response, 403, "forbidden")
            assert problem["context"] == {"needed": needed.value, "granted": scope.value}
            assert f"'{needed.value}'" in problem["detail"]


def _api_routes(app: FastAPI) -> list[APIRoute]:
    """List the routes themselves; FastAPI keeps them in the routers that were included."""
    routers = [included.original_router for included in app.routes if hasattr(included, "original_router")]
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes} >= set(app.openapi()["paths"])
    return routes


async def test_anonymous_may_read_only_where_a_setting_says_so(tmp_path: Path) -> None:
    async with api_harness(tmp_path, anonymous_read=True) as open_harness:
        del open_harness.client.headers["Authorization"]
        assert (await open_harness.client.get("/v1/targets")).status_code == 200
        refused = await open_harness.client.post("/v1/builds", json={"requirement": "pyyaml"})
        assert_problem(refused, 401, "unauthenticated")
        wrong = await open_harness.client.get("/v1/targets", headers={"Authorization": "Bearer wy_wrong"})
        assert_problem(wrong, 401, "unauthenticated")


async def test_too_many_requests_of_one_token_are_told_when_to_come_back(harness: ApiHarness) -> None:
    services = replace(harness.services, access=access_on(harness.services.tokens, limit=3))
    transport = httpx.ASGITransport(app=make_app(services))
    reader = await token_with(harness, Scope.READ)
    async with httpx.AsyncClient(transport=transport, base_url="http://w", headers=harness.client.headers) as client:
        for _ in range(3):
            assert (await client.get("/v1/targets")).status_code == 200
        refused = await client.get("/v1/targets")
        assert_problem(refused, 429, "too-many-requests")
        assert refused.headers["Retry-After"] == "20"
        assert (await client.get("/v1/targets", headers=reader)).status_code == 200


def basic(secret: str) -> str:
    return "Basic " + base64.b64encode(f"__token__:{secret}".encode()).decode()


@pytest.mark.parametrize(
    ("path", "right", "wrong"),
    [
        ("/v1/targets", f"Bearer {PREFIX}{SECRET}", "Bearer wy_wrong"),
        ("/v1/targets", f"Bearer {PREFIX}{SECRET}", "Digest of nothing"),
        ("/simple/", basic(f"{PREFIX}{SECRET}"), basic("wy_wrong")),
        ("/metrics", f"Bearer {PREFIX}{SECRET}", "Bearer wy_wrong"),
    ],
)
async def test_wrong_tokens_are_limited_and_never_shut_out_a_right_one(
    harness: ApiHarness, path: str, right: str, wrong: str
) -> None:
    services = replace(harness.services, access=access_on(harness.services.tokens, failures=2))
    transport = httpx.ASGITransport(app=make_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://w") as client:
        for _ in range(2):
            refused = await client.get(path, headers={"Authorization": wrong})
            assert_problem(refused, 401, "unauthenticated")
        for _ in range(3):
            refused = await client.get(path, headers={"Authorization": wrong})
            assert_problem(refused, 429, "too-many-requests")
            assert (await client.get(path, headers={"Authorization": right})).status_code == 200


async def test_flood_of_guesses_asks_the_database_for_two_at_a_time(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = access_on(harness.services.tokens, failures=1)
    running, most = 0, 0

    async def find(_: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    monkeypatch.setattr(harness.services.tokens._store, "find", find)
    with pytest.raises(UnauthenticatedError):
        await access.recognise("Bearer wy_wrong", "10.0.0.1")
    guesses = (access.recognise("Bearer wy_wrong", "10.0.0.1") for _ in range(50))
    refused = await asyncio.gather(*guesses, return_exceptions=True)
    assert {type(one) for one in refused} == {TooManyRequestsError}
    assert most == 2


async def test_token_that_was_right_does_not_wait_behind_guesses(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    access, right = access_on(harness.services.tokens, failures=1), f"Bearer {PREFIX}{SECRET}"
    await access.recognise(right, "10.0.0.1")
    with pytest.raises(UnauthenticatedError):
        await access.recognise("Bearer wy_wrong", "10.0.0.1")
    find, held = harness.services.tokens._store.find, asyncio.Event()

    async def wait_if_wrong(digest: str) -> Token | None:
        if (token := await find(digest)) is None:
            await held.wait()
        return token

    monkeypatch.setattr(harness.services.tokens._store, "find", wait_if_wrong)
    guesses = [asyncio.create_task(access.recognise("Bearer wy_wrong", "10.0.0.1")) for _ in range(5)]
    await asyncio.sleep(0)
    assert (await asyncio.wait_for(access.recognise(right, "10.0.0.1"), 5)).name == "tests"
    held.set()
    await asyncio.gather(*guesses, return_exceptions=True)


async def test_many_who_ask_at_once_whether_it_is_ready_are_one_check(harness: ApiHarness) -> None:
    asked = 0

    async def count() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)

    harness.checks["engine"] = count
    answers = await asyncio.gather(*(harness.client.get("/readyz") for _ in range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert asked == 1


async def test_answer_that_is_a_second_old_is_asked_for_anew() -> None:
    now, asked = [0.0], []

    async def ask() -> dict[str, str | None]:
        asked.append(now[0])
        return {"database": None if len(asked) == 1 else "down"}

    answer = SharedAnswer(ask, clock=lambda: now[0])
    assert await answer.get() == {"database": None}
    now[0] = 0.9
    assert await answer.get() == {"database": None}
    now[0] = 1.0
    assert await answer.get() == {"database": "down"}
    assert asked == [0.0, 1.0]


async def test_check_that_cannot_be_stopped_holds_up_nobody_and_is_not_asked_twice() -> None:
    asked, let_go = 0, asyncio.Event()

    async def hang() -> None:
        nonlocal asked
        asked += 1
        while not let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await let_go.wait()

    checks = Readiness({"engine": hang}, timeout_seconds=0.01)
    for _ in range(3):
        assert await asyncio.wait_for(checks.ask(), 5) == {"engine": "No response within 0.01 seconds."}
    assert asked == 1
    let_go.set()
    await asyncio.sleep(0)
    assert await checks.ask() == {"engine": None}


async def test_check_that_fails_unexpectedly_is_a_reason_and_no_crash(harness: ApiHarness) -> None:
    async def crash() -> None:
        raise LookupError

    harness.checks["engine"] = crash
    problem = assert_problem(await harness.client.get("/readyz"), 503, "not-ready")
    assert "LookupError" in problem["context"]["failing"]["engine"]


async def test_many_scrapes_at_once_count_once(harness: ApiHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    read, asked = harness.services.figures.read, 0

    async def count() -> Metrics:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return await read()

    monkeypatch.setattr(harness.app.state, "metrics", SharedAnswer(count, seconds=0))
    answers = await asyncio.gather(*(harness.client.get("/metrics") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert asked == 1


async def test_token_is_made_listed_used_and_ended_over_rest(harness: ApiHarness) -> None:
    made = await harness.client.post("/v1/tokens", json={"name": "ci", "scope": "read"})
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    token_id, secret = made.json()["id"], made.json()["secret"]
    listed = await harness.client.get("/v1/tokens")
    assert [token["name"] for token in listed.json()] == ["ci", "tests"]
    assert secret not in listed.text
    ended = await harness.client.post(f"/v1/tokens/{token_id}/revoke")
    assert ended.json()["revoked_at"]
    assert_problem(await harness.client.post("/v1/tokens/nothing/revoke"), 404, "not-found")
    entries = (await harness.client.get("/v1/audit", params={"object": token_id})).json()
    assert [entry["action"] for entry in entries] == ["token.revoked", "token.created"]
    assert {entry["actor"].partition(" ")[0] for entry in entries} == {"tests"}


async def test_request_and_cancellation_are_in_the_audit_log(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.client.post(f"/v1/builds/{build_id}/cancel")
    entries = (await harness.client.get("/v1/audit", params={"object": build_id, "limit": 10})).json()
    assert [entry["action"] for entry in entries] == ["build.cancelled", "build.requested"]
    assert entries[1]["details"]["requirement"] == "pyyaml"
