"""Who asks to cancel a build has his way within two seconds, at whatever stage it is, and its container is gone."""

import asyncio
from datetime import datetime
from typing import Final

import pytest
from tests.acceptance.processes import wait_for
from tests.faults.cluster import Cluster
from tests.faults.test_faults import NEVER_THE_SAME, STAGES

BOUND_SECONDS: Final = 2.0
SLACK_SECONDS: Final = 1.0
"""For a machine that has much else to do."""


@pytest.mark.parametrize("stage", [*STAGES, "image"])
async def test_cancelled_build_ends_at_once(cluster: Cluster, stage: str) -> None:
    await asyncio.to_thread(_assert_cancelled_at_once, cluster, stage)


@pytest.mark.slow_faults
async def test_wheel_of_a_cancelled_upload_is_not_listed_and_in_nobodys_way(cluster: Cluster) -> None:
    await asyncio.to_thread(_assert_wheel_can_be_ordered_again, cluster)


def _assert_cancelled_at_once(cluster: Cluster, stage: str) -> None:
    cluster.until_well()
    project = "wantsanimage" if stage == "image" else f"cancelledat{stage}"
    cluster.hold(stage, project)
    build_id = cluster.submit(project, NEVER_THE_SAME.replace("NAME", project))
    if stage == "image":
        wait_for("the making of its image", lambda: _makes_image(cluster, build_id), seconds=60)
    else:
        cluster.until_held(build_id, stage)

    cluster.http.post(f"/v1/builds/{build_id}/cancel").raise_for_status()
    asked_at = cluster.query("select clock_timestamp() as now")["now"]
    build = cluster.finished(build_id)

    assert build["status"] == "cancelled"
    seconds = (datetime.fromisoformat(build["finished_at"]) - asked_at).total_seconds()
    assert seconds <= BOUND_SECONDS + SLACK_SECONDS
    assert cluster.containers(build_id) == []
    assert cluster.http.get(f"/simple/{project}/").status_code == 404
    cluster.release()
    cluster.assert_nothing_left(build_id)


def _makes_image(cluster: Cluster, build_id: str) -> bool:
    log = cluster.http.get(f"/v1/builds/{build_id}/log").text
    return cluster.build(build_id)["stage"] == "prepare" and "figlet" in log.partition("stage prepare")[2]


def _assert_wheel_can_be_ordered_again(cluster: Cluster) -> None:
    project = "orderedagain"
    cluster.hold("uploaded", project)
    build_id = cluster.submit(project, NEVER_THE_SAME.replace("NAME", project))
    cluster.until_held(build_id, "uploaded")
    cluster.http.post(f"/v1/builds/{build_id}/cancel").raise_for_status()
    assert cluster.finished(build_id)["status"] == "cancelled"
    cluster.release()

    build = cluster.finished(cluster.submit(project, NEVER_THE_SAME.replace("NAME", project)))
    assert build["status"] == "succeeded", build["failure"]
    cluster.assert_on_the_index_once(build)
