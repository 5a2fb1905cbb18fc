"""A worker that is told to stop lets its build end, while others take what comes."""

import asyncio

from tests.acceptance.processes import wait_for
from tests.acceptance.running_service import STOP_SECONDS
from tests.acceptance.upstream import SLOW
from tests.faults.cluster import Cluster


async def test_worker_that_drains_finishes_its_build_and_takes_no_other(cluster: Cluster) -> None:
    await asyncio.to_thread(_assert_drained, cluster)


def _assert_drained(cluster: Cluster) -> None:
    cluster.until_well()
    build_id = cluster.submit("drained", SLOW)
    log = f"/v1/builds/{build_id}/log"
    wait_for("the build's own code", lambda: "tick 1" in cluster.http.get(log).text, seconds=60)
    leaver = cluster.until_held(build_id, "build")
    (other,) = {"first", "second"} - {leaver}

    cluster.parts[leaver].process.terminate()
    wait_for("the drain", lambda: _state(cluster, leaver) == "draining", seconds=10)
    elsewhere = cluster.finished(cluster.submit("meanwhile"))
    build = cluster.finished(build_id)
    status = cluster.parts[leaver].process.wait(STOP_SECONDS)
    state = _state(cluster, leaver)
    cluster.start_again(leaver)

    told = [[(one["worker"], one["status"]) for one in ended["attempts"]] for ended in (build, elsewhere)]
    assert told == [[(cluster.parts[leaver].worker, "succeeded")], [(cluster.parts[other].worker, "succeeded")]]
    assert (status, state) == (0, "stopped")
    cluster.assert_on_the_index_once(build)
    cluster.assert_nothing_left(build_id)
    cluster.until_well()


def _state(cluster: Cluster, name: str) -> str:
    listed = cluster.http.get("/v1/workers").raise_for_status().json()
    return next(str(one["state"]) for one in listed if one["name"] == cluster.parts[name].worker)
