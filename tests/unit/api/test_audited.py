"""Every way to change something over HTTP, in the API and in the web pages, leaves an entry in the audit log."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.unit.api.test_api_document import DOCUMENTED
from tests.unit.api.test_api_local import packed
from tests.unit.api_harness import SECRET
from tests.unit.pipeline_harness import make_wheel
from tests.unit.web_harness import WebHarness, furnish, web_harness
from tests.unit.wheel_harness import WheelHarness

from wheelyard.domain.access import AuditFilter
from wheelyard.domain.index.index import Level
from wheelyard.usecases.tokens import PREFIX
from wheelyard.web.app import ROUTES

STAGED, MISSING, OFFERED = (f"{name}-1.0-1-py3-none-any.whl" for name in ("staged", "missing", "offered"))
BROUGHT = "demo-1.0-py3-none-any.whl"
UNCHANGING = {
    ("post", "/simple/"),
    ("post", "/v1/requests/plan"),
    ("post", "/v1/requests/webhook-secret"),
    ("post", "/v1/requests/{request_id}/lock"),
}
"""What is no GET and changes nothing: it is refused, or it only answers."""

Change = Callable[[WebHarness], Awaitable[str]]
"""Does it, and gives the id of what was changed."""


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        WheelHarness(state=made.api.state, staging=made.api.held).put(STAGED, level=Level.STAGING)
        WheelHarness(state=made.api.state, prod=made.api.held).put(OFFERED)
        made.api.resolver.add("pyyaml", "6.0.3")
        await made.sign_in()
        yield made


async def ask(harness: WebHarness, method: str, path: str, body: object = None) -> str:
    answer = await harness.api.client.request(method, path, json=body)
    assert answer.is_success, answer.text
    return str(answer.json().get("id"))


async def retry(harness: WebHarness) -> str:
    failed = await harness.failed()
    await ask(harness, "POST", f"/v1/builds/{failed}/retry")
    return failed


async def retry_all(harness: WebHarness) -> str:
    failed = await harness.failed()
    await ask(harness, "POST", "/v1/builds/retry", {"failure_code": "build-failed"})
    return failed


async def retry_all_on_page(harness: WebHarness) -> str:
    failed = await harness.failed()
    assert (await harness.send("/builds/retry", status="failed")).status_code == 303
    return failed


async def order_on_page(harness: WebHarness) -> str:
    answer = await harness.send("/requests", text="pyyaml")
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].removeprefix("/requests/")


async def cancel(harness: WebHarness) -> str:
    return await ask(harness, "POST", f"/v1/builds/{await harness.api.submit()}/cancel")


async def order(harness: WebHarness) -> str:
    return await ask(harness, "POST", "/v1/requests", {"requirements": ["pyyaml"]})


async def cancel_order(harness: WebHarness) -> str:
    return await ask(harness, "POST", f"/v1/requests/{await order(harness)}/cancel")


async def begin_campaign(harness: WebHarness) -> str:
    return await ask(harness, "POST", "/v1/campaigns", {"python": "3.11"})


async def stop_campaign(harness: WebHarness) -> str:
    return await ask(harness, "POST", f"/v1/campaigns/{await begin_campaign(harness)}/stop")


async def begin_campaign_on_page(harness: WebHarness) -> str:
    answer = await harness.send("/campaigns", python="3.11")
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].removeprefix("/campaigns/")


async def stop_campaign_on_page(harness: WebHarness) -> str:
    begun = await begin_campaign_on_page(harness)
    assert (await harness.send(f"/campaigns/{begun}/stop")).status_code == 303
    return begun


async def bring(harness: WebHarness) -> str:
    answer = await harness.api.client.post(f"/v1/files?filename={BROUGHT}", content=make_wheel(BROUGHT))
    assert answer.status_code == 202, answer.text
    return BROUGHT


async def disown(harness: WebHarness) -> str:
    WheelHarness(state=harness.api.state).bring("demo-1.0.tar.gz")
    await ask(harness, "DELETE", "/v1/projects/demo/ownership?confirm=demo")
    return "demo"


async def send_folder(harness: WebHarness) -> str:
    content = packed({"pyproject.toml": b'[project]\nname = "demo"\nversion = "1.2"\n'})
    answer = await harness.api.client.post("/v1/builds/local?kind=folder&name=demo", content=content)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def make_token(harness: WebHarness) -> str:
    harness.api.services.tokens._new_secret = lambda: "another"
    return await ask(harness, "POST", "/v1/tokens", {"name": "ci"})


async def end_token(harness: WebHarness) -> str:
    return await ask(harness, "POST", f"/v1/tokens/{await make_token(harness)}/revoke")


async def mend(harness: WebHarness) -> str:
    harness.api.held.faults.down = True
    await harness.api.client.delete(f"/v1/wheels/{OFFERED}", params={"confirm": OFFERED})
    harness.api.held.faults.down = False
    await ask(harness, "POST", "/v1/index/check", {"mend": True})
    return OFFERED


def on_wheel(filename: str, method: str, rest: str, body: object = None) -> Change:
    async def change(harness: WebHarness) -> str:
        await ask(harness, method, f"/v1/wheels/{filename}{rest}", body)
        return filename

    return change


async def store_recipe(harness: WebHarness) -> str:
    text = 'schema = 1\nname = "idna"\n'
    await ask(harness, "PUT", "/v1/recipes/idna", {"text": text})
    return "idna"


async def remove_recipe(harness: WebHarness) -> str:
    await ask(harness, "DELETE", f"/v1/recipes/{await store_recipe(harness)}")
    return "idna"


async def adopt_recipe(harness: WebHarness) -> str:
    await ask(harness, "POST", "/v1/recipes/pyyaml/adopt", {"build": await harness.api.heal("pyyaml")})
    return "pyyaml"


API: dict[tuple[str, str], tuple[Change, str]] = {
    ("post", "/v1/builds"): (lambda harness: harness.api.submit(), "build.requested"),
    ("post", "/v1/builds/{build_id}/cancel"): (cancel, "build.cancelled"),
    ("post", "/v1/builds/{build_id}/retry"): (retry, "build.retried"),
    ("post", "/v1/builds/retry"): (retry_all, "build.retried"),
    ("post", "/v1/builds/local"): (send_folder, "build.requested"),
    ("post", "/v1/files"): (bring, "file.uploaded"),
    ("post", "/v1/requests"): (order, "request.made"),
    ("post", "/v1/requests/{request_id}/cancel"): (cancel_order, "request.cancelled"),
    ("post", "/v1/campaigns"): (begin_campaign, "request.made"),
    ("post", "/v1/campaigns/{campaign_id}/stop"): (stop_campaign, "request.cancelled"),
    ("post", "/v1/tokens"): (make_token, "token.created"),
    ("post", "/v1/tokens/{token_id}/revoke"): (end_token, "token.revoked"),
    ("post", "/v1/wheels/{filename}/yank"): (on_wheel(OFFERED, "POST", "/yank", {"reason": "x"}), "wheel.yanked"),
    ("post", "/v1/wheels/{filename}/unyank"): (on_wheel(OFFERED, "POST", "/unyank"), "wheel.unyanked"),
    ("post", "/v1/wheels/{filename}/promote"): (on_wheel(STAGED, "POST", "/promote"), "wheel.promoted"),
    ("delete", "/v1/wheels/{filename}"): (on_wheel(OFFERED, "DELETE", f"?confirm={OFFERED}"), "wheel.deleted"),
    ("delete", "/v1/projects/{name}/ownership"): (disown, "project.disowned"),
    ("post", "/v1/index/check"): (mend, "wheel.mended"),
    ("put", "/v1/recipes/{name}"): (store_recipe, "recipe.saved"),
    ("delete", "/v1/recipes/{name}"): (remove_recipe, "recipe.removed"),
    ("post", "/v1/recipes/{name}/adopt"): (adopt_recipe, "recipe.adopted"),
}


def on_page(path: str, **fields: str) -> Change:
    async def change(harness: WebHarness) -> str:
        things = await furnish(harness)
        if "{queued}" in path:
            things["queued"] = await harness.api.submit("lxml")
        path_of_thing = path.format(**things)
        answer = await harness.send(path_of_thing, **fields)
        assert answer.status_code == 303, answer.text
        made = answer.headers["Location"].removeprefix("/builds/")
        return next((thing for thing in (*things.values(), STAGED, OFFERED) if thing in path_of_thing), made)

    return change


async def token_id(harness: WebHarness) -> str:
    return (await harness.api.token_store.list_tokens())[0].id


async def sign_in(harness: WebHarness) -> str:
    await harness.sign_in(f"{PREFIX}{SECRET}")
    return await token_id(harness)


async def sign_out(harness: WebHarness) -> str:
    await harness.send("/sign-out")
    return await token_id(harness)


async def cancel_order_on_page(harness: WebHarness) -> str:
    ordered = await order(harness)
    assert (await harness.send(f"/requests/{ordered}/cancel")).status_code == 303
    return ordered


async def mend_on_page(harness: WebHarness) -> str:
    harness.api.held.faults.down = True
    await harness.api.client.delete(f"/v1/wheels/{OFFERED}", params={"confirm": OFFERED})
    harness.api.held.faults.down = False
    assert (await harness.send("/index/check", mend="yes")).status_code == 303
    return OFFERED


async def adopt_recipe_on_page(harness: WebHarness) -> str:
    healed = await harness.api.heal("pyyaml")
    assert (await harness.send("/recipes/pyyaml/adopt", build=healed)).status_code == 303
    return "pyyaml"


async def bring_on_page(harness: WebHarness) -> str:
    await furnish(harness)
    page = await harness.see("/upload")
    files = {"content": (BROUGHT, make_wheel(BROUGHT), "application/octet-stream")}
    answer = await harness.browser.post("/upload", data={"csrf_token": page.csrf}, files=files)
    assert answer.status_code == 303, answer.text
    return BROUGHT


PAGES: dict[str, tuple[Change, str]] = {
    "/sign-in": (sign_in, "session.opened"),
    "/sign-out": (sign_out, "session.closed"),
    "/wheels/{filename}/yank": (on_page("/wheels/{wheel}/yank", reason="broken"), "wheel.yanked"),
    "/wheels/{filename}/unyank": (on_page("/wheels/{wheel}/unyank"), "wheel.unyanked"),
    "/wheels/{filename}/promote": (on_page(f"/wheels/{STAGED}/promote"), "wheel.promoted"),
    "/wheels/{filename}/delete": (on_page(f"/wheels/{OFFERED}/delete", confirm=OFFERED), "wheel.deleted"),
    "/request": (on_page("/request", requirement="lxml", python="3.11"), "build.requested"),
    "/builds/{build_id}/cancel": (on_page("/builds/{queued}/cancel"), "build.cancelled"),
    "/builds/{build_id}/retry": (on_page("/builds/{failed}/retry"), "build.retried"),
    "/builds/retry": (retry_all_on_page, "build.retried"),
    "/requests": (order_on_page, "request.made"),
    "/requests/{request_id}/cancel": (cancel_order_on_page, "request.cancelled"),
    "/campaigns": (begin_campaign_on_page, "request.made"),
    "/campaigns/{campaign_id}/stop": (stop_campaign_on_page, "request.cancelled"),
    "/index/check": (mend_on_page, "wheel.mended"),
    "/upload": (bring_on_page, "file.uploaded"),
    "/recipes/{name}/adopt": (adopt_recipe_on_page, "recipe.adopted"),
}


def test_no_way_to_change_something_is_forgotten_here() -> None:
    assert {key for key in DOCUMENTED if key[0] != "get"} == API.keys() | UNCHANGING
    assert {route.path for route in ROUTES if route.method != "GET"} == PAGES.keys()


@pytest.mark.parametrize(
    ("change", "action"),
    [*API.values(), *PAGES.values()],
    ids=[*(f"{method} {path}" for method, path in API), *(f"page {path}" for path in PAGES)],
)
async def test_change_is_in_the_audit_log_with_the_token_that_made_it(
    harness: WebHarness, change: Change, action: str
) -> None:
    thing = await change(harness)
    entries = await harness.api.services.audit.list_entries(AuditFilter(object=thing, limit=1))
    token = (await harness.api.token_store.list_tokens())[-1]
    assert [(entry.change.action, entry.change.actor) for entry in entries] == [(action, token.actor)]
