"""The REST API, from a request to its wheel, as a program on the network uses it."""

import json
import re
import uuid
from datetime import datetime, timedelta
from itertools import pairwise

import httpx
import pytest
from tests.acceptance.requested import PROJECTS, Event, RequestedWheel, follow
from tests.acceptance.running_service import RunningService

from wheelyard.domain.builds.log_text import gutter_text
from wheelyard.web.viewport import split_log

Wheels = dict[str, RequestedWheel]


@pytest.mark.parametrize("path", ["/v1/builds", "/v1/targets", f"/v1/builds/{uuid.uuid4()}/log"])
@pytest.mark.parametrize("authorization", ["", "Bearer wy_wrong", "Basic d3k6d3k="])
def test_request_without_a_valid_token_is_refused(service: RunningService, path: str, authorization: str) -> None:
    response = httpx.get(f"{service.url}{path}", headers={"Authorization": authorization}, trust_env=False)

    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json()["code"] == "unauthenticated"


@pytest.mark.parametrize("project", PROJECTS)
def test_new_request_is_accepted_and_says_where_its_build_is(requested: Wheels, project: str) -> None:
    first = requested[project].first

    assert (first.status_code, first.json()["joined"]) == (202, False)
    assert first.headers["location"] == f"/v1/builds/{first.json()['id']}"


@pytest.mark.parametrize("project", PROJECTS)
def test_equal_request_joins_the_build_that_is_not_over_yet(requested: Wheels, project: str) -> None:
    first, again = requested[project].first, requested[project].again

    assert (again.status_code, again.json()["joined"]) == (202, True)
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.parametrize("project", PROJECTS)
def test_equal_request_after_success_gets_the_wheel_at_once(
    service: RunningService, requested: Wheels, project: str
) -> None:
    response = service.http.post("/v1/builds", json={"requirement": project, "python": "3.13"})

    assert (response.status_code, response.json()["joined"]) == (200, True)
    assert response.json()["wheel"] == requested[project].build["wheel"]


@pytest.mark.parametrize("project", PROJECTS)
def test_build_shows_its_attempt_with_the_time_of_every_stage(requested: Wheels, project: str) -> None:
    build = requested[project].build

    assert (build["status"], build["stage"], build["failure"]) == ("succeeded", None, None)
    (attempt,) = build["attempts"]
    stages = [timing["stage"] for timing in attempt["timings"]]
    assert stages == ["resolve", "fetch", "prepare", "build", "repair", "verify", "publish"]
    assert all(timing["seconds"] > 0 for timing in attempt["timings"])
    assert build["created_at"] <= attempt["started_at"] <= attempt["finished_at"] <= build["finished_at"]


def test_wheel_shows_its_tags_before_and_after_repair(requested: Wheels) -> None:
    wheel = requested["markupsafe"].build["wheel"]

    assert wheel["tag_before_repair"] == "cp313-cp313-linux_x86_64"
    assert re.fullmatch(r"cp313-cp313-manylinux\w+(\.manylinux\w+)*", wheel["tag"])
    assert wheel["filename"].endswith(f"-1.bookworm-{wheel['tag']}.whl")
    assert "markupsafe._speedups" in wheel["extensions"]
    assert "markupsafe._speedups" in wheel["imported_modules"]
    assert wheel["size_bytes"] > 0
    assert wheel["builder_image"] != wheel["runtime_image"]


def test_wheel_shows_the_grafted_library_and_the_system_package_that_it_is_from(requested: Wheels) -> None:
    wheel = requested["pyyaml"].build["wheel"]

    (library,) = wheel["grafted"]
    assert library["soname"] == "libyaml-0.so.2"
    assert library["path"].startswith("pyyaml.libs/libyaml-0")
    assert library["package"] == "libyaml-0-2"
    assert re.match(r"0\.2\.\d", library["package_version"])
    assert re.match(r"libyaml 0\.2\.\d", library["source_package"]), "its sources, with their version"


def test_list_shows_builds_newest_first_a_page_at_a_time(service: RunningService, requested: Wheels) -> None:
    ours = {wheel.build["id"] for wheel in requested.values()}

    seen, path = [], "/v1/builds?limit=1"
    while path:
        page = service.http.get(path).raise_for_status().json()
        seen += page["builds"]
        path = page["next"]

    assert ours <= {build["id"] for build in seen}
    assert len(seen) == len({build["id"] for build in seen}), "no build is on two pages"
    times = [datetime.fromisoformat(build["created_at"]) for build in seen]
    # Requests that come together are in the order in which the queue took them, and that is not quite their times'.
    assert all(older < newer + timedelta(seconds=1) for newer, older in pairwise(times))


def test_list_shows_only_what_its_filters_let_through(service: RunningService, requested: Wheels) -> None:
    wanted = {"project": "PyYAML", "status": "succeeded"}

    listed = service.http.get("/v1/builds", params=wanted).raise_for_status().json()["builds"]

    assert {(one["project"], one["status"]) for one in listed} == {("pyyaml", "succeeded")}
    wheels = {one["id"]: one["wheel_filename"] for one in listed}
    assert wheels[requested["pyyaml"].build["id"]] == requested["pyyaml"].build["wheel"]["filename"]


@pytest.mark.parametrize("project", PROJECTS)
def test_followed_log_is_the_whole_log(service: RunningService, requested: Wheels, project: str) -> None:
    wheel = requested[project]

    assert _text(wheel.events) == service.log(wheel.build["id"])
    assert [event.name for event in wheel.events][-1] == "end"
    assert json.loads(wheel.events[-1].data) == {"status": "succeeded"}


@pytest.mark.parametrize("project", PROJECTS)
def test_follower_sees_the_stages_as_they_pass(requested: Wheels, project: str) -> None:
    changes = [json.loads(event.data) for event in requested[project].events if event.name == "status"]

    assert changes[0]["status"] in {"queued", "running"}
    assert "build" in [change["stage"] for change in changes]
    assert (changes[-1]["status"], changes[-1]["stage"]) == ("succeeded", None)


def test_log_that_is_resumed_in_the_middle_gives_exactly_the_rest(service: RunningService, requested: Wheels) -> None:
    wheel = requested["pyyaml"]
    places = [place for place, event in enumerate(wheel.events) if event.name == "log"]
    middle = places[len(places) // 2]

    rest = tuple(follow(service, wheel.build["id"], after=wheel.events[middle].id))

    assert 0 < middle < len(wheel.events) - 1
    assert _text(wheel.events[: middle + 1]) + _text(rest) == service.log(wheel.build["id"])
    assert rest[-1].name == "end"


def test_targets_name_the_default(service: RunningService) -> None:
    targets = service.http.get("/v1/targets").raise_for_status().json()

    (default,) = (target for target in targets if target["default"])
    assert (default["python"], default["platform"]) == ("3.13", "manylinux_2_36_x86_64")
    assert default["reachable"]


def test_health_is_told_without_a_token(service: RunningService) -> None:
    alive, ready = (httpx.get(f"{service.url}{path}", trust_env=False) for path in ("/healthz", "/readyz"))

    assert (alive.status_code, alive.json()["status"]) == (200, "alive")
    assert (ready.status_code, ready.json()["checks"]) == (200, {"database": "ok", "index": "ok", "engine": "ok"})


def test_openapi_document_lists_every_path(service: RunningService) -> None:
    document = httpx.get(f"{service.url}/openapi.json", trust_env=False).raise_for_status().json()

    assert document["openapi"].startswith("3.1")
    assert {"/v1/builds", "/v1/builds/{build_id}", "/v1/builds/{build_id}/log", "/v1/targets"} <= set(document["paths"])


def test_documentation_page_asks_no_third_party(service: RunningService) -> None:
    page = httpx.get(f"{service.url}/docs", trust_env=False).raise_for_status()

    assert re.findall(r"https?://", page.text) == []
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for path in re.findall(r'(?:src|href)="(docs-[^"]+)"', page.text):
        assert httpx.get(f"{service.url}/{path}", trust_env=False).is_success


def _text(events: tuple[Event, ...]) -> str:
    """Write what events told as the log is written as text."""
    told = [json.loads(event.data) for event in events if event.name == "log"]
    return "".join(
        one["text"] if one["origin"] == "service" else gutter_text(split_log(one["text"].encode()), coloured=True)
        for one in told
    )
