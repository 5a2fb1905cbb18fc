"""Signing in: one cookie that scripts and other sites cannot use, and a token in every form."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from tests.unit.api_harness import SECRET, ApiHarness, access_on, api_harness

from wheelyard.api.authentication import clear_session_cookie, session_of, set_session_cookie
from wheelyard.api.problem_handlers import register_problem_handlers
from wheelyard.api.request_context import RequestContextMiddleware
from wheelyard.domain.access import Scope
from wheelyard.errors import TooManyRequestsError, UnauthenticatedError
from wheelyard.metrics import HttpMetrics
from wheelyard.usecases.sessions import Sessions
from wheelyard.usecases.tokens import PREFIX, Tokens


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


def pages(sessions: Sessions) -> FastAPI:
    """Make the three pages that any web interface has: sign in, look, change something."""
    app = FastAPI()
    app.add_middleware(RequestContextMiddleware, metrics=HttpMetrics(), new_request_id=lambda: "request")
    register_problem_handlers(app)

    @app.post("/sign-in")
    async def sign_in(request: Request, response: Response) -> None:
        session = await sessions.sign_in((await request.body()).decode(), address="10.0.0.1")
        set_session_cookie(request, response, session, sessions)

    @app.get("/")
    async def look(request: Request) -> str:
        return (await session_of(request, sessions)).csrf_token

    @app.post("/change")
    async def change(request: Request, csrf_token: str = "") -> str:
        session = await session_of(request, sessions, needed=Scope.REQUEST)
        session.check_csrf(csrf_token)
        return session.token.name

    @app.post("/sign-out")
    async def sign_out(request: Request, response: Response) -> None:
        await sessions.sign_out(await session_of(request, sessions))
        clear_session_cookie(request, response)

    return app


def browser(harness: ApiHarness, scheme: str = "http") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=pages(harness.services.sessions))
    return httpx.AsyncClient(transport=transport, base_url=f"{scheme}://wheelyard")


@pytest.mark.parametrize(
    ("scheme", "name", "secure"), [("http", "wheelyard_session", False), ("https", "__Host-wheelyard_session", True)]
)
async def test_cookie_is_out_of_reach_of_scripts_and_other_sites(
    harness: ApiHarness,
    scheme: str,
    name: str,
    secure: bool,  # noqa: FBT001
) -> None:
    async with browser(harness, scheme) as client:
        header = (await client.post("/sign-in", content=PREFIX + SECRET)).headers["Set-Cookie"]
    value, *attributes = header.lower().split("; ")
    assert value == f"{name.lower()}=session-secret"
    assert {"httponly", "samesite=lax", "path=/", "max-age=3600"} <= set(attributes)
    assert ("secure" in attributes) is secure
    assert "domain" not in header.lower()


async def test_only_a_form_of_this_session_changes_anything(harness: ApiHarness) -> None:
    async with browser(harness) as client:
        await client.post("/sign-in", content=PREFIX + SECRET)
        csrf_token = (await client.get("/")).json()
        assert "session-secret" not in csrf_token
        for given in ("", "wrong", "é", csrf_token[:-1]):
            assert (await client.post("/change", params={"csrf_token": given})).status_code == 401
        assert (await client.post("/change", params={"csrf_token": csrf_token})).json() == "tests"


async def test_signed_out_session_is_over(harness: ApiHarness) -> None:
    async with browser(harness) as client:
        await client.post("/sign-in", content=PREFIX + SECRET)
        kept = dict(client.cookies)
        await client.post("/sign-out")
        assert dict(client.cookies) == {}
        client.cookies.update(kept)
        assert (await client.get("/")).status_code == 401


async def test_session_ends_after_its_lifetime(harness: ApiHarness) -> None:
    session = await harness.services.sessions.sign_in(PREFIX + SECRET, address="10.0.0.1")
    harness.clock.advance(timedelta(hours=1).total_seconds() - 1)
    assert (await harness.services.sessions.resume(session.secret)).token.name == "tests"
    harness.clock.advance(1)
    with pytest.raises(UnauthenticatedError, match="session is over"):
        await harness.services.sessions.resume(session.secret)


async def test_page_needs_the_scope_of_what_it_does(harness: ApiHarness) -> None:
    tokens = Tokens(store=harness.token_store, new_secret=lambda: "reader")
    await tokens.create(name="reader", scope=Scope.READ, created_by="root")
    async with browser(harness) as client:
        await client.post("/sign-in", content=f"{PREFIX}reader")
        assert (await client.get("/")).status_code == 200
        assert (await client.post("/change")).status_code == 403


async def test_wrong_sign_ins_of_one_address_are_limited(harness: ApiHarness) -> None:
    harness.services.sessions._access = access_on(harness.services.tokens, failures=2)
    for _ in range(2):
        with pytest.raises(UnauthenticatedError):
            await harness.services.sessions.sign_in("wy_wrong", address="10.0.0.1")
    with pytest.raises(TooManyRequestsError):
        await harness.services.sessions.sign_in("wy_wrong", address="10.0.0.1")
    with pytest.raises(UnauthenticatedError):
        await harness.services.sessions.sign_in("wy_wrong", address="10.0.0.2")
    assert (await harness.services.sessions.sign_in(PREFIX + SECRET, address="10.0.0.1")).token.name == "tests"


async def test_cookie_of_the_pages_opens_nothing_of_the_api(harness: ApiHarness) -> None:
    session = await harness.services.sessions.sign_in(PREFIX + SECRET, address="10.0.0.1")
    del harness.client.headers["Authorization"]
    harness.client.cookies.set("wheelyard_session", session.secret)
    assert (await harness.client.get("/v1/targets")).status_code == 401
