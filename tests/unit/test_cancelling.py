"""Who may cancel what: over REST, on the pages, and as the command line says it."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import httpx
import pytest
from tests.unit.api_stand import ApiStand, assert_problem
from tests.unit.request_stand import look, order, request_stand

from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Status
from wheelyard.usecases.tokens import Tokens

_NUMBERS = count()


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[ApiStand]:
    async with request_stand(tmp_path) as made:
        await sign(made, "owner", Scope.REQUEST)
        yield made


async def token_of(stand: ApiStand, name: str, scope: Scope) -> str:
    tokens = Tokens(store=stand.token_store, new_secret=lambda: f"secret {next(_NUMBERS)}")
    _, secret = await tokens.create(name=name, scope=scope, created_by="root")
    return secret


async def sign(stand: ApiStand, name: str, scope: Scope) -> None:
    """Let the client be somebody else from now on."""
    stand.client.headers["Authorization"] = f"Bearer {await token_of(stand, name, scope)}"


async def cancel(stand: ApiStand, path: str) -> httpx.Response:
    return await stand.client.post(f"{path}/cancel")


async def test_owner_cancels_a_build(stand: ApiStand) -> None:
    build = await cancel(stand, f"/v1/builds/{await stand.submit()}")
    assert (build.status_code, build.json()["status"]) == (202, "cancelled")


@pytest.mark.parametrize("named", ["stranger", "owner"])
async def test_stranger_does_not_cancel_a_build_whatever_its_token_is_called(stand: ApiStand, named: str) -> None:
    build_id = await stand.submit()
    await sign(stand, named, Scope.REQUEST)
    problem = assert_problem(await cancel(stand, f"/v1/builds/{build_id}"), 403, "not-yours")
    assert "operate" in problem["hint"]
    assert (await stand.builds.get(build_id)).status is Status.QUEUED


@pytest.mark.parametrize("scope", [Scope.OPERATE, Scope.ADMIN])
async def test_operator_cancels_for_all(stand: ApiStand, scope: Scope) -> None:
    build_id = await stand.submit()
    request = await order(stand, requirements=["lxml"])
    await sign(stand, "operator", scope)
    assert (await cancel(stand, f"/v1/builds/{build_id}")).json()["status"] == "cancelled"
    assert (await cancel(stand, request["url"])).json()["cancelled"]


async def test_build_that_others_want_goes_on_for_them(stand: ApiStand) -> None:
    build_id = await stand.submit()
    owner = stand.client.headers["Authorization"]
    await sign(stand, "other", Scope.REQUEST)
    await stand.submit()
    assert (await cancel(stand, f"/v1/builds/{build_id}")).json()["status"] == "queued"
    stand.client.headers["Authorization"] = owner
    assert (await cancel(stand, f"/v1/builds/{build_id}")).json()["status"] == "cancelled"


async def test_who_joins_a_build_with_a_prebuild_can_leave_it(stand: ApiStand) -> None:
    request = await order(stand, requirements=["pyyaml"], prefer="own")
    (build,) = (await look(stand, request))["builds"]
    assert (await cancel(stand, f"/v1/builds/{build['build_id']}")).json()["status"] == "cancelled"


async def test_stranger_does_not_end_a_request(stand: ApiStand) -> None:
    request = await order(stand, requirements=["pyyaml"])
    await sign(stand, "stranger", Scope.REQUEST)
    assert_problem(await cancel(stand, request["url"]), 403, "not-yours")
    assert not (await stand.client.get(request["url"])).json()["cancelled"]
    assert_problem(await cancel(stand, "/v1/requests/00000000-0000-4000-8000-000000000000"), 404, "not-found")


async def test_owner_ends_a_request(stand: ApiStand) -> None:
    request = await order(stand, requirements=["pyyaml"])
    assert (await cancel(stand, request["url"])).json()["cancelled"]


async def test_who_tries_a_build_again_can_cancel_it(stand: ApiStand) -> None:
    build_id = await stand.submit()
    await cancel(stand, f"/v1/builds/{build_id}")
    await sign(stand, "other", Scope.REQUEST)
    assert (await stand.client.post(f"/v1/builds/{build_id}/retry")).json()["status"] == "queued"
    assert (await cancel(stand, f"/v1/builds/{build_id}")).json()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("who", "scope", "shown"),
    [
        ("owner", None, True),
        ("stranger", Scope.REQUEST, False), ("reader", Scope.READ, False), ("op", Scope.OPERATE, True)],
)  # fmt: skip
async def test_pages_show_the_button_to_those_for_whom_it_works(
    stand: ApiStand,
    who: str,
    scope: Scope | None,
    shown: bool,  # noqa: FBT001
) -> None:
    build_id, request = await stand.submit(), await order(stand, requirements=["lxml"])
    secret = stand.client.headers["Authorization"].removeprefix("Bearer ")
    token = await token_of(stand, who, scope) if scope else secret
    session = await stand.services.sessions.sign_in(token, address="10.0.0.1")
    stand.client.cookies.set("wheelyard_session", session.secret)
    for path in (f"/builds/{build_id}", f"/requests/{request['id']}"):
        page = await stand.client.get(path, headers={"Accept": "text/html"})
        assert (f'action="{path}/cancel"' in page.text) is shown
        if not shown and scope is Scope.REQUEST:
            answer = await stand.client.post(
                f"{path}/cancel", data={"csrf_token": session.csrf_token}, headers={"Accept": "text/html"}
            )
            assert answer.status_code == 403
