"""Who asks to cancel a build has his way within two seconds, at whatever stage it is, and its container is gone."""

import asyncio
from datetime import datetime
from typing import Final

import pytest
from tests.acceptance.processes import wait_for
from tests.faults.test_faults import NEVER_THE_SAME, STAGES
from tests.faults.yard import Yard

BOUND_SECONDS: Final = 2.0
SLACK_SECONDS: Final = 1.0
"""For a machine that has much else to do."""


@pytest.mark.parametrize("stage", [*STAGES, "image"])
async def test_cancelled_build_ends_at_once(yard: Yard, stage: str) -> None:
    await asyncio.to_thread(_assert_cancelled_at_once, yard, stage)


@pytest.mark.slow_faults
async def test_wheel_of_a_cancelled_upload_is_not_listed_and_in_nobodys_way(yard: Yard) -> None:
    await asyncio.to_thread(_assert_wheel_can_be_ordered_again, yard)


def _assert_cancelled_at_once(yard: Yard, stage: str) -> None:
    yard.until_well()
    project = "wantsanimage" if stage == "image" else f"cancelledat{stage}"
    yard.hold(stage, project)
    build_id = yard.submit(project, NEVER_THE_SAME.replace("NAME", project))
    if stage == "image":
        wait_for("the making of its image", lambda: _makes_image(yard, build_id), seconds=60)
    else:
        yard.until_held(build_id, stage)

    yard.http.post(f"/v1/builds/{build_id}/cancel").raise_for_status()
    asked_at = yard.query("select clock_timestamp() as now")["now"]
    build = yard.finished(build_id)

    assert build["status"] == "cancelled"
    seconds = (datetime.fromisoformat(build["finished_at"]) - asked_at).total_seconds()
    assert seconds <= BOUND_SECONDS + SLACK_SECONDS
    assert yard.containers(build_id) == []
    assert yard.http.get(f"/simple/{project}/").status_code == 404
    yard.release()
    yard.assert_nothing_left(build_id)


def _makes_image(yard: Yard, build_id: str) -> bool:
    log = yard.http.get(f"/v1/builds/{build_id}/log").text
    return yard.build(build_id)["stage"] == "prepare" and "figlet" in log.partition("stage prepare")[2]


def _assert_wheel_can_be_ordered_again(yard: Yard) -> None:
    project = "orderedagain"
    yard.hold("uploaded", project)
    build_id = yard.submit(project, NEVER_THE_SAME.replace("NAME", project))
    yard.until_held(build_id, "uploaded")
    yard.http.post(f"/v1/builds/{build_id}/cancel").raise_for_status()
    assert yard.finished(build_id)["status"] == "cancelled"
    yard.release()

    build = yard.finished(yard.submit(project, NEVER_THE_SAME.replace("NAME", project)))
    assert build["status"] == "succeeded", build["failure"]
    yard.assert_on_the_index_once(build)
