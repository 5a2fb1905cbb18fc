"""Each web page, over ASGI on in-memory stores: what it shows, who may see it, and that nothing becomes markup."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Never
from urllib.parse import quote

import pytest
from packaging.utils import canonicalize_name
from tests.contract.samples import commit_order, commit_origin, sample_order
from tests.fakes.access import MemoryTokens
from tests.fakes.dependencies import MemoryMissingReleases
from tests.unit.recipe_texts import parse_recipe
from tests.unit.web_harness import FAILING_LOG, METADATA, RECIPE, TOKEN, WebHarness, furnish, web_harness

from wheelyard.domain.access import Action, AuditFilter, Scope
from wheelyard.domain.builds.build import Failure, MissingRelease, Stage, Status
from wheelyard.domain.builds.queue import Capacity, WorkerRegistration, WorkerState
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.index.index import Level
from wheelyard.errors import DatabaseUnavailableError
from wheelyard.usecases.request_build import BuildRequest
from wheelyard.usecases.tokens import Tokens
from wheelyard.web import app as web_app
from wheelyard.web.app import ROUTES

ACTIVE = WorkerState.ACTIVE
TEMPLATES = Path(web_app.__file__).with_name("templates")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        await made.sign_in()
        yield made


@pytest.fixture
async def stranger(tmp_path: Path) -> AsyncIterator[WebHarness]:
    async with web_harness(tmp_path) as made:
        yield made


async def token_with(harness: WebHarness, scope: Scope) -> str:
    tokens = Tokens(store=harness.api.token_store, new_secret=lambda: f"secret-{scope}")
    _, secret = await tokens.create(name=scope.value, scope=scope, created_by="root")
    return secret


async def test_every_page_asks_strangers_to_sign_in(stranger: WebHarness) -> None:
    for route in ROUTES:
        if route.needed is None:
            continue
        path = re.sub(r"{\w+}", "x", route.path)
        response = await stranger.browser.request(route.method, path)
        assert (response.status_code, response.headers["Location"].partition("?")[0]) == (303, "/sign-in"), path


async def test_signing_in_leads_back_to_what_was_asked_for(stranger: WebHarness) -> None:
    sent_away = await stranger.browser.get("/builds?status=failed")
    page = await stranger.see(sent_away.headers["Location"])
    (back,) = page.find("input", name="next")
    assert back["value"] == "/builds?status=failed"
    signed_in = await stranger.browser.post("/sign-in", data={"token": TOKEN, "next": str(back["value"])})
    assert (signed_in.status_code, signed_in.headers["Location"]) == (303, "/builds?status=failed")
    assert "HttpOnly" in signed_in.headers["Set-Cookie"]
    assert (await stranger.browser.get("/builds")).status_code == 200


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:1", ""]
)
async def test_signing_in_leads_nowhere_else(stranger: WebHarness, elsewhere: str) -> None:
    response = await stranger.browser.post("/sign-in", data={"token": TOKEN, "next": elsewhere})
    assert response.headers["Location"] == "/"


async def test_wrong_token_is_refused_on_the_same_page(stranger: WebHarness) -> None:
    response = await stranger.browser.post("/sign-in", data={"token": "wy_wrong"})
    assert response.status_code == 401
    assert 'role="alert"' in response.text
    assert "wy_wrong" not in response.text
    assert "Set-Cookie" not in response.headers


async def test_signing_out_ends_the_session(harness: WebHarness) -> None:
    kept = dict(harness.browser.cookies)
    assert (await harness.send("/sign-out")).headers["Location"] == "/sign-in"
    harness.browser.cookies.update(kept)
    assert (await harness.browser.get("/")).status_code == 303


async def test_forms_of_other_sites_change_nothing(harness: WebHarness) -> None:
    build_id = await harness.api.submit()
    bare = await harness.browser.post(f"/builds/{build_id}/cancel")
    wrong = await harness.browser.post(f"/builds/{build_id}/cancel", data={"csrf_token": "0" * 64})
    harness.browser.headers["Sec-Fetch-Site"] = "cross-site"
    foreign = await harness.send(f"/builds/{build_id}/cancel")
    assert [response.status_code for response in (bare, wrong, foreign)] == [422, 422, 422]
    assert (await harness.api.builds.get(build_id)).status is Status.QUEUED


async def test_every_form_needs_the_token_of_its_session(harness: WebHarness) -> None:
    for route in ROUTES:
        if route.method == "POST" and route.needed is not None:
            response = await harness.browser.post(re.sub(r"{\w+}", "x", route.path), data={"reason": "x"})
            assert response.status_code == 422, route.path
            assert "belongs to another session" in response.text


async def test_buttons_are_shown_and_work_only_for_those_who_may(harness: WebHarness) -> None:
    ids = await furnish(harness)
    await harness.sign_in(await token_with(harness, Scope.READ))
    failed, wheel = await harness.see(f"/builds/{ids['failed']}"), await harness.see(f"/wheels/{ids['wheel']}")
    assert failed.find("form", action=f"/builds/{ids['failed']}/retry") == []
    assert wheel.find("form", action=f"/wheels/{ids['wheel']}/yank") == []
    refused = await harness.send(f"/wheels/{ids['wheel']}/yank", reason="no")
    assert refused.status_code == 403
    assert "operate" in refused.text


async def test_reading_needs_no_session_where_it_is_open(tmp_path: Path) -> None:
    async with web_harness(tmp_path, anonymous_read=True) as open_harness:
        page = await open_harness.see("/builds")
        assert "/sign-in" in page.links
        assert (await open_harness.browser.get("/request")).status_code == 303


async def test_unknown_address_is_a_page_for_browsers_and_a_problem_for_programs(harness: WebHarness) -> None:
    page = await harness.see("/nowhere", 404)
    assert "There is no page" in page.text
    harness.browser.headers["Accept"] = "*/*"
    problem = await harness.browser.get("/nowhere")
    assert problem.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/projects/%00", "/wheels/%1b", "/builds/not-a-uuid", "/projects/nothing", "/recipes/x"]
)
async def test_what_is_not_there_is_not_found(harness: WebHarness, path: str) -> None:
    await harness.see(path, 404)


async def test_page_that_did_not_change_is_not_sent_again(harness: WebHarness) -> None:
    await furnish(harness)
    for path in ("/", "/builds", "/projects/pyyaml"):
        first = await harness.browser.get(path)
        again = await harness.browser.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["Cache-Control"] == "private, no-cache"


async def test_page_is_compressed_for_those_who_can_unpack_it(harness: WebHarness) -> None:
    for accepted, coding in (("gzip, br", "gzip"), ("identity", None), ("gzip;q=0", None)):
        response = await harness.browser.get("/builds", headers={"Accept-Encoding": accepted})
        assert response.headers.get("Content-Encoding") == coding
        assert "Accept-Encoding" in response.headers["Vary"]
        assert "Workers" in response.text


async def test_any_page_is_known_to_whoever_has_whatever_there_is(harness: WebHarness) -> None:
    assert (await harness.browser.get("/builds", headers={"If-None-Match": "*"})).status_code == 304
    assert (await harness.browser.get("/nowhere", headers={"If-None-Match": "*"})).status_code == 404


async def test_error_page_says_when_to_try_again(harness: WebHarness) -> None:
    harness.level = Level.STAGING
    _, filename = await harness.built()
    harness.api.held.faults.down = True
    response = await harness.send(f"/wheels/{filename}/promote")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.headers["Content-Type"].startswith("text/html")
    assert "WWW-Authenticate" not in response.headers


async def test_style_and_script_are_served_for_ever_by_their_content(harness: WebHarness) -> None:
    page = await harness.see("/")
    for found in (page.find("link", rel="stylesheet")[0]["href"], page.find("script")[0]["src"]):
        response = await harness.browser.get(str(found))
        assert response.status_code == 200
        assert "immutable" in response.headers["Cache-Control"]
        assert "//" not in str(found)


def test_no_template_marks_anything_safe_or_holds_script_or_style() -> None:
    for template in TEMPLATES.glob("*.html"):
        text = template.read_text()
        assert not re.search(r"\|\s*safe\b|autoescape|Markup|<style|style=|\son\w+=|https?://", text), template.name


async def test_home_shows_what_happens(harness: WebHarness) -> None:
    ids = await furnish(harness)
    running = await harness.api.submit("lxml")
    await harness.api.claim(running)
    page = await harness.see("/")
    for address in (f"/builds/{running}", f"/wheels/{ids['wheel']}", f"/builds/{ids['failed']}", "/projects/pyyaml"):
        assert quote(address) in page.links, address
    assert "database" in page.text
    assert "builder-1" in page.text


async def test_health_names_what_is_down(harness: WebHarness) -> None:
    async def fail() -> None:
        raise TimeoutError

    harness.api.checks["index"] = fail
    page = await harness.see("/")
    assert "No response" in page.text


async def test_failed_build_brings_its_failing_line_into_view_with_the_remedy(harness: WebHarness) -> None:
    page = await harness.see(f"/builds/{await harness.failed()}")
    assert "What to do: Add libyaml-dev to the recipe" in re.sub(r"\s+", " ", page.text)
    (marked,) = [found for found in page.find("li") if "data-marked" in found]
    number = (
        FAILING_LOG.decode()
        .split("\n")
        .index("\x1b[1mext/_yaml.h:2:10:\x1b[0m \x1b[1;31mfatal error:\x1b[0m yaml.h: No such file or directory")
        + 1
    )
    assert marked["id"] == f"L{number}"
    assert f"#L{number}" in page.links
    assert page.find("span", class_="") == []
    assert [found for found in page.find("span") if found.get("class") == "ansi-red ansi-bold"]
    assert "41" in page.text
    assert "not reached" in page.text


async def test_running_build_can_be_followed_and_cancelled(harness: WebHarness) -> None:
    build_id, claim = await harness.log("lxml", b"one\ntwo\nhal")
    page = await harness.see(f"/builds/{build_id}")
    (box,) = [found for found in page.find("div") if "data-events" in found]
    assert (box["data-events"], box["data-after"], box["data-next"]) == (f"/builds/{build_id}/events", "1:8", "3")
    assert "hal" not in page.text.split("two")[1][:40]
    assert (await harness.send(f"/builds/{build_id}/cancel")).headers["Location"] == f"/builds/{build_id}"
    assert (await harness.api.attempts.beat(claim, lease_seconds=20)).cancel_requested


async def test_build_of_a_commit_shows_where_it_is_from_and_that_its_tag_moved(harness: WebHarness) -> None:
    origin = replace(commit_origin(), subdirectory="python", moved_from="ab" * 20)
    submission = await harness.api.builds.submit(commit_order(origin=origin), requested_by="tests")
    page = await harness.see(f"/builds/{submission.build.id}")
    for text in (origin.url, origin.commit, "v1.2", "python", origin.warnings[0]):
        assert text in page.text
    assert "Sdist SHA-256" not in page.text


async def test_build_that_waits_links_to_what_it_waits_for(harness: WebHarness) -> None:
    build_id, claim = await harness.log("pyyaml", b"==> build stops\n")
    needs = (MissingRelease(project="also", version="1.0"), MissingRelease(project="lxml", version="6.0.0"))
    assert await harness.api.attempts.finish(claim, Outcome(status=Status.QUEUED, counts=False, needs=needs))
    store = MemoryMissingReleases(harness.api.state)
    await store.supply((await store.open_dependencies())[1], sample_order(key="lxml", project="lxml"))
    page = await harness.see(f"/builds/{build_id}")
    needed = next(one.build_id for one in (await harness.api.builds.get(build_id)).waits_for if one.build_id)
    said = " ".join(page.text.split()).replace(" ,", ",").replace(" :", ":")
    assert "Waits for also 1.0, lxml 6.0.0: required, but not built yet." in said
    assert f"/builds/{needed}" in page.links
    assert "waiting for other builds" in (await harness.see("/builds?project=pyyaml")).text
    assert "waiting for other builds" not in (await harness.see("/builds?project=lxml")).text


async def test_failed_build_is_tried_again(harness: WebHarness) -> None:
    build_id = await harness.failed()
    answer = await harness.send(f"/builds/{build_id}/retry")
    again = await harness.see(answer.headers["Location"])
    assert "queued" in again.text


async def test_each_attempt_has_its_own_stages_and_log(harness: WebHarness) -> None:
    build_id, _ = await harness.log("lxml", b"first attempt\n")
    harness.api.clock.advance(60)
    await harness.api.attempts.append_log(await harness.api.claim(build_id), b"second attempt\n")
    newest, first = await harness.see(f"/builds/{build_id}"), await harness.see(f"/builds/{build_id}?attempt=1")
    assert ("second attempt" in newest.text, "first attempt" in newest.text) == (True, False)
    assert ("second attempt" in first.text, "first attempt" in first.text) == (False, True)
    await harness.see(f"/builds/{build_id}?attempt=9", 404)
    await harness.see(f"/builds/{build_id}?attempt=x", 422)


async def test_project_shows_what_exists_and_offers_the_rest_with_one_click(harness: WebHarness) -> None:
    ids = await furnish(harness)
    page = await harness.see("/projects/PyYAML")
    assert quote(f"/wheels/{ids['wheel']}") in page.links
    assert "pyyaml==6.0.3" in page.text
    targets = [found["value"] for found in page.find("input", name="target")]
    assert "3.11 manylinux_2_36_x86_64" in targets
    assert "3.13 manylinux_2_41_x86_64" not in targets
    answer = await harness.send("/request", requirement="pyyaml==6.0.3", target="3.11 manylinux_2_36_x86_64")
    build = await harness.api.builds.get(answer.headers["Location"].rpartition("/")[2])
    assert (build.order.target.python, build.order.version) == ("3.11", "6.0.3")
    assert f"/builds/{build.id}" in (await harness.see("/projects/pyyaml")).links


async def test_project_whose_builds_all_failed_has_a_page(harness: WebHarness) -> None:
    build_id = await harness.failed()
    page = await harness.see("/projects/lxml")
    assert f"/builds/{build_id}" in page.links
    assert "failed" in page.text
    assert (await harness.browser.get("/search?q=LXML")).headers["Location"] == "/projects/lxml"
    assert "/projects/lxml" in (await harness.see("/projects?q=lx")).links


async def test_search_goes_to_the_project_or_lists_what_begins_so(harness: WebHarness) -> None:
    await furnish(harness)
    assert (await harness.browser.get("/search?q=PyYAML")).headers["Location"] == "/projects/pyyaml"
    listed = await harness.see((await harness.browser.get("/search?q=pyy")).headers["Location"])
    assert "/projects/pyyaml" in listed.links
    nothing = await harness.see("/projects?q=other")
    assert "/request?requirement=other" in nothing.links


async def test_wheel_shows_why_and_from_what_it_was_made(harness: WebHarness) -> None:
    ids = await furnish(harness)
    page = await harness.see(f"/wheels/{ids['wheel']}")
    for text in ("needs memcpy@GLIBC_2.14", "libyaml-0-2", "setuptools-80.9.0", "libyaml-dev", "YAML parser"):
        assert text in page.text
    assert f"/builds/{ids['succeeded']}" in page.links
    downloaded = await harness.browser.get(f"/wheels/{ids['wheel']}/file")
    assert downloaded.content == harness.wheel_bytes(ids["wheel"])
    assert downloaded.headers["Content-Disposition"].startswith("attachment")


async def test_wheel_is_yanked_with_a_reason_and_offered_again(harness: WebHarness) -> None:
    path = f"/wheels/{(await furnish(harness))['wheel']}"
    assert (await harness.send(f"{path}/yank", reason=" ")).status_code == 422
    assert (await harness.send(f"{path}/yank", reason="<b>leaks</b>")).status_code == 303
    yanked = await harness.see(path)
    assert "<b>leaks</b>" in yanked.text
    assert yanked.find("b") == []
    assert "yanked" in (await harness.see("/projects/pyyaml")).text
    assert (await harness.send(f"{path}/unyank")).status_code == 303
    assert "leaks" not in (await harness.see(path)).text


async def test_list_of_builds_is_filtered_and_paged(harness: WebHarness) -> None:
    ids = await furnish(harness)
    failed = await harness.see("/builds?status=failed")
    assert (f"/builds/{ids['failed']}" in failed.links, f"/builds/{ids['older']}" in failed.links) == (True, False)
    for number in range(60):
        harness.api.source.add(f"many-{number}.0.tar.gz", b"%d" % number)
        await harness.api.submit(f"many=={number}.0")
    first = await harness.see("/builds?project=Many")
    (older,) = [link for link in first.links if "before=" in link]
    rest = await harness.see(older)
    assert len([link for link in rest.links if re.fullmatch(r"/builds/[0-9a-f-]{36}", link)]) == 10
    assert "project=Many" in older
    await harness.see("/builds?status=nonsense", 422)
    await harness.see("/builds?before=x", 422)


async def test_failed_builds_of_one_cause_are_tried_again_together(harness: WebHarness) -> None:
    ids = await furnish(harness)
    other = await harness.failed("pyyaml==6.0.1")
    listed = await harness.see("/builds?failure_code=build-failed&status=failed&python=3.13&requested_by=tests")
    assert {f"/builds/{ids['failed']}", f"/builds/{other}"} <= set(listed.links)
    assert f"/builds/{ids['succeeded']}" not in listed.links
    assert listed.find("form", action="/builds/retry")
    for query in ("failure_code=no-sdist", "python=3.11", "platform=manylinux_2_31_x86_64", "requested_by=nobody"):
        assert "No builds match" in (await harness.see(f"/builds?{query}")).text
    assert (await harness.see("/builds?failure_code=build-failed")).find("form", action="/builds/retry") == []
    filters = {"failure_code": "build-failed", "status": "failed", "project": "lxml"}
    assert (await harness.browser.post("/builds/retry", data=filters)).status_code == 422, "without its session's token"
    sent = await harness.send("/builds/retry", **filters)
    assert (sent.status_code, "retried=1" in sent.headers["Location"]) == (303, True)
    assert "1 build queued again" in (await harness.see(sent.headers["Location"])).text
    statuses = [(await harness.api.builds.get(one)).status for one in (ids["failed"], other)]
    assert statuses == [Status.QUEUED, Status.FAILED]
    assert (await harness.send("/builds/retry", project="lxml")).status_code == 422
    entries = await harness.api.services.audit.list_entries(AuditFilter(object=ids["failed"]))
    assert Action.BUILD_RETRIED in [one.change.action for one in entries]


async def test_recipe_shows_where_each_key_comes_from(harness: WebHarness) -> None:
    await furnish(harness)
    assert "/recipes/pyyaml" in (await harness.see("/recipes")).links
    page = await harness.see("/recipes/pyyaml?version=6.0.3")
    assert "rule 1, line 5" in page.text
    assert "does not apply: version, suite" in page.text
    older = await harness.see("/recipes/pyyaml?version=5.4&target=3.13+manylinux_2_31_x86_64")
    assert "build-constraints" in older.text
    await harness.see("/recipes/pyyaml?version=x", 422)
    await harness.see("/recipes/pyyaml?target=x", 422)


async def test_builders_are_listed_with_their_warnings(harness: WebHarness) -> None:
    page = await harness.see("/builders")
    for suite in ("bullseye", "bookworm", "trixie"):
        assert suite in page.text
    assert "Debian 11" in page.text


async def test_statistics_say_the_same_as_a_drawing_and_as_a_table(harness: WebHarness) -> None:
    harness.api.clock.advance(-2 * 86_400)
    await harness.built("pyyaml==6.0.1")
    harness.api.clock.advance(2 * 86_400)
    await furnish(harness)
    page = await harness.see("/statistics?days=90")
    assert len(page.find("svg", class_="chart")) == 5
    assert "75 %" in re.sub(r"\s+", " ", page.text)
    assert len(page.find("table")) == 9


async def test_statistics_of_one_day_or_none_are_no_empty_drawings(harness: WebHarness) -> None:
    nothing = await harness.see("/statistics")
    assert "No builds finished" in nothing.text
    assert nothing.find("svg", class_="chart") == []
    await harness.failed()
    harness.api.app.state.page_cache.forget("statistics 30")
    page = await harness.see("/statistics")
    assert "0 builds succeeded, 1 failed, 0 cancelled" in page.text
    assert [one["role"] for one in page.find("svg", class_="chart")] == ["img"], "how long it waited, and nothing else"


async def test_error_page_knows_who_is_signed_in(harness: WebHarness) -> None:
    for path, status in (("/nowhere", 404), ("/builds?status=x", 422), ("/projects/nothing", 404)):
        page = await harness.see(path, status)
        assert page.find("form", action="/sign-out")
        assert page.csrf
        assert "/sign-in" not in page.links


async def test_error_page_is_shown_even_if_nobody_can_tell_who_is_signed_in(
    harness: WebHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> Never:
        raise DatabaseUnavailableError(reason="connection refused")

    monkeypatch.setattr(MemoryTokens, "find_session", away)
    page = await harness.see("/nowhere", 404)
    assert "There is no page" in page.text
    assert "/sign-in" in page.links


async def test_api_documentation_has_a_way_back(harness: WebHarness) -> None:
    response = await harness.browser.get("/docs")
    assert '<a href="./">' in response.text


async def test_plan_is_shown_before_it_is_sent(harness: WebHarness) -> None:
    harness.api.recipes.recipes[canonicalize_name("pyyaml")] = parse_recipe(RECIPE, source="pyyaml.toml")
    page = await harness.see("/request?requirement=pyyaml&target=3.13+manylinux_2_36_x86_64")
    for text in ("pyyaml 6.0.3", "libyaml-dev", "bookworm", "pyyaml-6.0.3.tar.gz"):
        assert text in page.text
    assert [found["value"] for found in page.find("option") if str(found.get("value")).startswith("pyyaml==")]
    assert (await harness.api.client.get("/v1/builds")).json()["builds"] == []
    sent = await harness.send("/request", requirement="pyyaml", target="3.13 manylinux_2_36_x86_64")
    again = await harness.send("/request", requirement="pyyaml", target="3.13 manylinux_2_36_x86_64")
    assert sent.headers["Location"] == again.headers["Location"]


async def test_what_cannot_be_requested_is_explained_beside_the_form(harness: WebHarness) -> None:
    page = await harness.see(f"/request?requirement={quote(HOSTILE)}")
    assert page.find("input", name="requirement")[0]["value"] == HOSTILE
    assert "This cannot be requested" in page.text
    assert page.find("img", src="x") == []


async def test_hostile_texts_are_shown_as_text_on_every_page(harness: WebHarness) -> None:
    """Names as no index should ever hold them get into the stores past all checks; the pages are the last defence."""
    build_id, filename = await hostile_harness(harness)
    paths = [
        *(f"/builds/{build_id}{rest}" for rest in ("", "/log", "/log?find=script")),
        *("/", "/builds", "/statistics", "/recipes", "/builders", "/projects", f"/projects?q={quote(HOSTILE)}"),
        f"/builds?project={quote('<script>')}",
        f"/recipes?q={quote(HOSTILE)}",
        f"/projects/{HOSTILE_NAME}",
        f"/recipes/{HOSTILE_NAME}",
        f"/wheels/{filename}",
        f"/wheels/{filename}/files",
        *("/queue", "/requests", "/index"),
        f"/request?requirement={quote(HOSTILE)}",
        f"/sign-in?next={quote('/' + HOSTILE)}",
    ]
    for path in paths:
        page = await harness.see(path)
        assert page.find("img", src="x") == [], path
        assert "<script>alert" not in page.response.text, path
        assert not re.search("[\x1b\u202e\u200b]", page.response.text), path
    assert HOSTILE in (await harness.see(f"/builds/{build_id}")).text
    assert "[U+202E]" in (await harness.see(f"/wheels/{filename}")).text


HOSTILE_NAME = "hostile"


async def hostile_harness(harness: WebHarness) -> tuple[str, str]:
    """Put hostile texts wherever a stranger's text can come from; gives a failed build and a wheel."""
    text = f"{HOSTILE}\u202e\u200b"
    order = await harness.api.services.request_build.decide(_request("lxml"))
    named = replace(order, version=text, requirement=text, builder=text)
    finding = Finding(kind=FindingKind.HEADER, name=text, line=text, cause=text, remedy=text)
    failure = Failure(
        stage=Stage.BUILD,
        code="build-failed",
        summary=text,
        hint=text,
        log_excerpt=text,
        findings=(finding,) * 12,
    )
    log = f"\x1b[31m{HOSTILE}\x1b]0;title\x07\x1b[2J\n\u202eerror: {HOSTILE}\n".encode()
    for number, project in enumerate((HOSTILE_NAME, text)):
        wanted = replace(named, project=project, key=f"hostile-{number}")
        build_id = (await harness.api.builds.submit(wanted, requested_by=text)).build.id
        claim = await harness.api.claim(build_id)
        await harness.api.attempts.append_log(claim, log)
        await harness.api.attempts.finish(claim, Outcome(status=Status.FAILED, failure=failure))
    harness.metadata = f"{METADATA}Author: {text}\nClassifier: {text}\n\n{text}\n"
    built, filename = await harness.built()
    wheel = (await harness.api.builds.get(built)).wheel
    assert wheel is not None
    grafted = tuple(replace(one, package=text, soname=text, origin=text, chain=(text,)) for one in wheel.grafted)
    worst = replace(wheel, warnings=(text,), extensions=(text,), imported_modules=(text,), grafted=grafted)
    harness.api.state.find(built).change(wheel=worst)
    await harness.api.services.index.manage.yank(filename, reason=text, by=text)
    await harness.recipe(HOSTILE_NAME, f'schema = 1\nname = "{HOSTILE_NAME}"\n# {text}\n[[rule]]\napt = ["libx"]\n')
    registration = WorkerRegistration(
        name=text, host=text, lanes=(), capacity=Capacity(slots=1, cpus=1, memory_bytes=1), state=ACTIVE
    )
    await harness.api.workers.report_worker(registration)
    return build_id, filename


async def test_hostile_metadata_of_a_wheel_is_shown_as_text(harness: WebHarness) -> None:
    harness.metadata = f"{METADATA}Author: {'x' * 200_000}\nLicense: {HOSTILE}\n".replace("YAML", HOSTILE)
    _, filename = await harness.built()
    page = await harness.see(f"/wheels/{filename}")
    assert HOSTILE in page.text
    assert page.find("img", src="x") == []


async def test_log_of_any_shape_stays_a_small_page(harness: WebHarness) -> None:
    colours = "".join(f"\x1b[{31 + n % 6}m<" for n in range(400))
    build_id = await harness.failed(log=f"{colours}\n".encode() * 500 + b"<" * 300_000 + b"\nerror: last\n")
    for path in (f"/builds/{build_id}", f"/builds/{build_id}/log?from=1", f"/builds/{build_id}/log?find=%3C"):
        await harness.see(path)


def _request(requirement: str) -> BuildRequest:
    return BuildRequest(requirement=requirement, python="3.13", platform="manylinux_2_36_x86_64", requested_by="x")


async def test_page_of_a_failed_build_lists_its_findings(harness: WebHarness) -> None:
    order = await harness.api.services.request_build.decide(_request("lxml"))
    build_id = (await harness.api.builds.submit(order, requested_by="me")).build.id
    claim = await harness.api.claim(build_id)
    missing = [
        Finding(
            kind=FindingKind.HEADER,
            name=f"{name}.h",
            line=f"no {name}.h here",
            cause=f"the C header {name}.h is missing",
        )
        for name in "abcdefghij"
    ]
    failure = Failure(stage=Stage.BUILD, code="build-failed", summary="It failed.", hint="", findings=tuple(missing))
    await harness.api.attempts.finish(claim, Outcome(status=Status.FAILED, failure=failure))
    text = (await harness.browser.get(f"/builds/{build_id}")).text
    assert text.count("the C header") == 8
    assert "no a.h here" in text
    assert "and 2 more" in text
