"""Who may cancel what: over REST, on the pages, and as the command line says it."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import httpx
import pytest
from tests.unit.api_harness import ApiHarness, assert_problem
from tests.unit.request_harness import look, order, request_harness

from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Status
from wheelyard.usecases.tokens import Tokens

_NUMBERS = count()


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with request_harness(tmp_path) as made:
        await sign(made, "owner", Scope.REQUEST)
        yield made


async def token_of(harness: ApiHarness, name: str, scope: Scope) -> str:
    tokens = Tokens(store=harness.token_store, new_secret=lambda: f"secret {next(_NUMBERS)}")
    _, secret = await tokens.create(name=name, scope=scope, created_by="root")
    return secret


async def sign(harness: ApiHarness, name: str, scope: Scope) -> None:
    """Let the client be somebody else from now on."""
    harness.client.headers["Authorization"] = f"Bearer {await token_of(harness, name, scope)}"


async def cancel(harness: ApiHarness, path: str) -> httpx.Response:
    return await harness.client.post(f"{path}/cancel")


async def test_owner_cancels_a_build(harness: ApiHarness) -> None:
    build = await cancel(harness, f"/v1/builds/{await harness.submit()}")
    assert (build.status_code, build.json()["status"]) == (202, "cancelled")


@pytest.mark.parametrize("named", ["stranger", "owner"])
async def test_stranger_does_not_cancel_a_build_whatever_its_token_is_called(harness: ApiHarness, named: str) -> None:
    build_id = await harness.submit()
    await sign(harness, named, Scope.REQUEST)
    problem = assert_problem(await cancel(harness, f"/v1/builds/{build_id}"), 403, "not-yours")
    assert "operate" in problem["hint"]
    assert (await harness.builds.get(build_id)).status is Status.QUEUED


@pytest.mark.parametrize("scope", [Scope.OPERATE, Scope.ADMIN])
async def test_operator_cancels_for_all(harness: ApiHarness, scope: Scope) -> None:
    build_id = await harness.submit()
    request = await order(harness, requirements=["lxml"])
    await sign(harness, "operator", scope)
    assert (await cancel(harness, f"/v1/builds/{build_id}")).json()["status"] == "cancelled"
    assert (await cancel(harness, request["url"])).json()["cancelled"]


async def test_build_that_others_want_goes_on_for_them(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    owner = harness.client.headers["Authorization"]
    await sign(harness, "other", Scope.REQUEST)
    await harness.submit()
    assert (await cancel(harness, f"/v1/builds/{build_id}")).json()["status"] == "queued"
    harness.client.headers["Authorization"] = owner
    assert (await cancel(harness, f"/v1/builds/{build_id}")).json()["status"] == "cancelled"


async def test_who_joins_a_build_with_a_prebuild_can_leave_it(harness: ApiHarness) -> None:
    request = await order(harness, requirements=["pyyaml"], prefer="own")
    (build,) = (await look(harness, request))["builds"]
    assert (await cancel(harness, f"/v1/builds/{build['build_id']}")).json()["status"] == "cancelled"


async def test_stranger_does_not_end_a_request(harness: ApiHarness) -> None:
    request = await order(harness, requirements=["pyyaml"])
    await sign(harness, "stranger", Scope.REQUEST)
    assert_problem(await cancel(harness, request["url"]), 403, "not-yours")
    assert not (await harness.client.get(request["url"])).json()["cancelled"]
    assert_problem(await cancel(harness, "/v1/requests/00000000-0000-4000-8000-000000000000"), 404, "not-found")


async def test_owner_ends_a_request(harness: ApiHarness) -> None:
    request = await order(harness, requirements=["pyyaml"])
    assert (await cancel(harness, request["url"])).json()["cancelled"]


async def test_who_tries_a_build_again_can_cancel_it(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await cancel(harness, f"/v1/builds/{build_id}")
    await sign(harness, "other", Scope.REQUEST)
    assert (await harness.client.post(f"/v1/builds/{build_id}/retry")).json()["status"] == "queued"
    assert (await cancel(harness, f"/v1/builds/{build_id}")).json()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("who", "scope", "shown"),
    [
        ("owner", None, True),
        ("stranger", Scope.REQUEST, False), ("reader", Scope.READ, False), ("op", Scope.OPERATE, True)],
)  # fmt: skip
async def test_pages_show_the_button_to_those_for_whom_it_works(
    harness: ApiHarness,
    who: str,
    scope: Scope | None,
    shown: bool,  # noqa: FBT001
) -> None:
    build_id, request = await harness.submit(), await order(harness, requirements=["lxml"])
    secret = harness.client.headers["Authorization"].removeprefix("Bearer ")
    token = await token_of(harness, who, scope) if scope else secret
    session = await harness.services.sessions.sign_in(token, address="10.0.0.1")
    harness.client.cookies.set("wheelyard_session", session.secret)
    for path in (f"/builds/{build_id}", f"/requests/{request['id']}"):
        page = await harness.client.get(path, headers={"Accept": "text/html"})
        assert (f'action="{path}/cancel"' in page.text) is shown
        if not shown and scope is Scope.REQUEST:
            answer = await harness.client.post(
                f"{path}/cancel", data={"csrf_token": session.csrf_token}, headers={"Accept": "text/html"}
            )
            assert answer.status_code == 403
