"""A worker that is told to stop lets its build end, while others take what comes."""

import asyncio

from tests.acceptance.processes import wait_for
from tests.acceptance.running_service import STOP_SECONDS
from tests.acceptance.upstream import SLOW
from tests.faults.yard import Yard


async def test_worker_that_drains_finishes_its_build_and_takes_no_other(yard: Yard) -> None:
    await asyncio.to_thread(_assert_drained, yard)


def _assert_drained(yard: Yard) -> None:
    yard.until_well()
    build_id = yard.submit("drained", SLOW)
    log = f"/v1/builds/{build_id}/log"
    wait_for("the build's own code", lambda: "tick 1" in yard.http.get(log).text, seconds=60)
    leaver = yard.until_held(build_id, "build")
    (other,) = {"first", "second"} - {leaver}

    yard.parts[leaver].process.terminate()
    wait_for("the drain", lambda: _state(yard, leaver) == "draining", seconds=10)
    elsewhere = yard.finished(yard.submit("meanwhile"))
    build = yard.finished(build_id)
    status = yard.parts[leaver].process.wait(STOP_SECONDS)
    state = _state(yard, leaver)
    yard.start_again(leaver)

    told = [[(one["worker"], one["status"]) for one in ended["attempts"]] for ended in (build, elsewhere)]
    assert told == [[(yard.parts[leaver].worker, "succeeded")], [(yard.parts[other].worker, "succeeded")]]
    assert (status, state) == (0, "stopped")
    yard.assert_on_the_index_once(build)
    yard.assert_nothing_left(build_id)
    yard.until_well()


def _state(yard: Yard, name: str) -> str:
    listed = yard.http.get("/v1/workers").raise_for_status().json()
    return next(str(one["state"]) for one in listed if one["name"] == yard.parts[name].worker)
