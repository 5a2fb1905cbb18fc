"""Builds over REST: requested, joined, listed, looked at, cancelled."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contract.samples import sample_failure, sample_timings, sample_wheel
from tests.unit.api_stand import ApiStand, api_stand

from wheelyard.domain.build import Stage, Status
from wheelyard.domain.ledger import Outcome


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[ApiStand]:
    async with api_stand(tmp_path) as made:
        yield made


async def test_new_request_is_accepted_and_says_where_the_build_is(stand: ApiStand) -> None:
    response = await stand.client.post("/v1/builds", json={"requirement": "PyYAML>=6,<7"})
    body = response.json()
    assert (response.status_code, body["joined"]) == (202, False)
    assert response.headers["Location"] == body["url"] == f"/v1/builds/{body['id']}"
    assert (body["project"], body["version"], body["status"], body["stage"]) == ("pyyaml", "6.0.3", "queued", None)
    assert (body["python"], body["platform"]) == ("3.13", "manylinux_2_36_x86_64")
    assert (await stand.client.get(body["url"])).json() == {k: v for k, v in body.items() if k != "joined"}


async def test_equal_request_joins_the_running_build(stand: ApiStand) -> None:
    build_id = await stand.submit()
    await stand.claim(build_id)
    response = await stand.client.post("/v1/builds", json={"requirement": "pyyaml==6.0.3", "python": "3.13"})
    body = response.json()
    assert (response.status_code, body["joined"], body["id"]) == (202, True, build_id)
    assert response.headers["Location"] == f"/v1/builds/{build_id}"


async def test_request_for_a_wheel_that_is_there_gets_it_at_once(stand: ApiStand) -> None:
    build_id = await stand.submit()
    await stand.succeed(build_id)
    response = await stand.client.post("/v1/builds", json={"requirement": "pyyaml"})
    assert (response.status_code, response.json()["joined"]) == (200, True)
    assert response.json()["wheel"]["filename"] == sample_wheel().filename
    assert response.headers["Location"] == f"/v1/builds/{build_id}"


async def test_failed_build_is_tried_again_by_a_new_request(stand: ApiStand) -> None:
    build_id = await stand.submit()
    await stand.attempts.finish(await stand.claim(build_id), Outcome(status=Status.FAILED, failure=sample_failure()))
    response = await stand.client.post("/v1/builds", json={"requirement": "pyyaml"})
    assert (response.status_code, response.json()["joined"]) == (202, False)
    assert response.json()["id"] != build_id


async def test_succeeded_build_shows_its_wheel_and_how_to_install_it(stand: ApiStand) -> None:
    build_id = await stand.submit()
    await stand.succeed(build_id)
    body = (await stand.client.get(f"/v1/builds/{build_id}")).json()
    wheel = body["wheel"]
    assert (body["status"], body["failure"]) == ("succeeded", None)
    assert wheel["tag_before_repair"] == "cp313-cp313-linux_x86_64"
    assert wheel["grafted"][0]["package"] == "libyaml-0-2"
    assert wheel["build_requirements"][0]["filename"].startswith("setuptools-")
    assert wheel["install"] == (
        "pip install --only-binary :all: --index-url http://127.0.0.1:3141/wheels/prod/+simple/ pyyaml==6.0.3"
    )


async def test_failed_build_shows_why_and_how_long_each_stage_took(stand: ApiStand) -> None:
    build_id = await stand.submit()
    outcome = Outcome(status=Status.FAILED, failure=sample_failure(), timings=sample_timings())
    await stand.attempts.finish(await stand.claim(build_id), outcome)
    body = (await stand.client.get(f"/v1/builds/{build_id}")).json()
    assert body["wheel"] is None
    assert (body["failure"]["code"], body["failure"]["stage"]) == ("build-failed", "build")
    assert "yaml.h" in body["failure"]["log_excerpt"]
    assert [one["stage"] for one in body["attempts"][0]["timings"]] == ["resolve", "fetch"]
    assert body["attempts"][0]["timings"][0]["seconds"] == 0.25


async def test_running_build_shows_its_stage(stand: ApiStand) -> None:
    build_id = await stand.submit()
    await stand.attempts.enter_stage(await stand.claim(build_id), Stage.VERIFY)
    body = (await stand.client.get(f"/v1/builds/{build_id}")).json()
    assert (body["status"], body["stage"], body["attempts"][0]["worker"]) == ("running", "verify", "worker-1")


async def test_list_is_paged_by_links_that_keep_the_filter(stand: ApiStand) -> None:
    requirements = ("pyyaml==6.0.3", "lxml", "pyyaml==6.0.2")
    ids = [await stand.submit(requirement) for requirement in requirements]
    first = await stand.client.get("/v1/builds", params={"project": "PyYAML", "status": "queued", "limit": 1})
    assert [one["id"] for one in first.json()["builds"]] == [ids[2]]
    following = first.json()["next"]
    assert first.headers["Link"] == f'<{following}>; rel="next"'
    second = await stand.client.get(following)
    assert [one["id"] for one in second.json()["builds"]] == [ids[0]]
    assert second.json()["next"] is None
    assert "Link" not in second.headers


async def test_queued_build_is_cancelled_at_once(stand: ApiStand) -> None:
    build_id = await stand.submit()
    response = await stand.client.post(f"/v1/builds/{build_id}/cancel")
    assert (response.status_code, response.json()["status"]) == (202, "cancelled")


async def test_running_build_is_asked_to_stop(stand: ApiStand) -> None:
    build_id = await stand.submit()
    claim = await stand.claim(build_id)
    body = (await stand.client.post(f"/v1/builds/{build_id}/cancel")).json()
    assert (body["status"], body["cancel_requested"]) == ("running", True)
    assert (await stand.attempts.beat(claim, lease_seconds=20)).cancel_requested


async def test_targets_mark_the_default(stand: ApiStand) -> None:
    targets = (await stand.client.get("/v1/targets")).json()
    assert {"python": "3.13", "platform": "manylinux_2_36_x86_64", "default": True} in targets
    assert [target["default"] for target in targets].count(True) == 1
