"""A service that ends in the middle of a build, in order or not: nothing is lost, and nothing is left."""

import hashlib
import json
import signal

import httpx
from tests.acceptance.conftest import StartService
from tests.acceptance.processes import wait_for
from tests.acceptance.running_service import BUILD_SECONDS, Document, RunningService
from tests.acceptance.upstream import SLOW, Upstream


def test_kill_of_everything_in_the_middle_of_a_build_loses_nothing(
    start_spare: StartService, upstream: Upstream
) -> None:
    with start_spare() as spare:
        before = _succeeded(spare, spare.submit(upstream.add("beforekill"))["id"])
        log, token, former = spare.log(before["id"]), _new_token(spare), spare.url
        build_id = _begun(spare, upstream.add("duringkill", SLOW))
        spare.kill_everything()
    with start_spare() as spare:
        again = _succeeded(spare, build_id)

        # Its port is another one now, and the addresses of the index follow it.
        assert json.dumps(spare.build(before["id"])) == json.dumps(before).replace(former, spare.url)
        assert spare.log(before["id"]) == log
        assert _is_let_in(spare, token)
        for build in (before, again):
            _assert_on_the_index_once(spare, build)
        _assert_taken_over(spare, again, ("failed", "worker-lost"))
        spare.assert_nothing_half_done()


def test_end_in_the_middle_of_a_build_is_prompt_and_the_build_goes_on_after_the_next_start(
    start_spare: StartService, upstream: Upstream
) -> None:
    with start_spare() as spare:
        build_id = _begun(spare, upstream.add("duringstop", SLOW))
        seconds = spare.stop(signal.SIGTERM)  # which sees to it that the container is gone
    with start_spare() as spare:
        build = _succeeded(spare, build_id)

        assert seconds < 30, "a build that runs is no reason to wait"
        _assert_taken_over(spare, build, ("cancelled", "worker-stopped"))
        _assert_on_the_index_once(spare, build)
        spare.assert_nothing_half_done()


def _succeeded(service: RunningService, build_id: str) -> Document:
    build = service.finished(build_id)
    assert build["status"] == "succeeded", build["failure"]
    return build


def _begun(service: RunningService, requirement: str) -> str:
    """Ask for what takes a while, and wait until its own code runs in its container."""
    build_id = str(service.submit(requirement)["id"])
    service.in_stage(build_id, "build", saying="tick 1")
    assert len(service.containers()) == 1
    return build_id


def _new_token(service: RunningService) -> str:
    completed = service.cli("token", "create", "made before")
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.strip()


def _is_let_in(service: RunningService, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{service.url}/v1/targets", headers=headers, trust_env=False, timeout=60).is_success


def _assert_taken_over(service: RunningService, build: Document, told: tuple[str, str]) -> None:
    """Check that the first attempt is told as it ended, with its log, and that the second one went all the way."""
    first, again = build["attempts"]
    assert (first["number"], first["status"], first["failure"]["code"]) == (1, *told)
    assert (again["number"], again["status"], again["failure"]) == (2, "succeeded", None)
    assert "tick 1" in service.log(build["id"], attempt="1")
    assert "tick 7" in service.log(build["id"])


def _assert_on_the_index_once(service: RunningService, build: Document) -> None:
    (listed,) = service.index_files(build["project"])
    content = httpx.get(listed["url"], trust_env=False, timeout=60).raise_for_status().content
    assert listed["filename"] == build["wheel"]["filename"]
    assert hashlib.sha256(content).hexdigest() == build["wheel"]["sha256"]


def test_build_whose_worker_is_killed_twice_is_given_to_no_third_until_somebody_asks_for_it(
    start_spare: StartService, upstream: Upstream
) -> None:
    with start_spare() as spare:
        build_id = _begun(spare, upstream.add("killstwice", SLOW))
        spare.kill_everything()
    with start_spare() as spare:
        # Until the lease of the worker that was killed ends, its attempt looks as if it went on.
        taken_over = lambda: len(spare.build(build_id)["attempts"]) == 2  # noqa: E731
        wait_for("the second attempt", taken_over, seconds=BUILD_SECONDS)
        spare.in_stage(build_id, "build", saying="tick 1")
        spare.kill_everything()
    with start_spare() as spare:
        build = spare.finished(build_id)
        assert (build["status"], build["failure"]["code"]) == ("failed", "worker-killed")
        told = [(attempt["failure"]["code"], attempt["failure"]["summary"]) for attempt in build["attempts"]]
        assert [code for code, _ in told] == ["worker-lost", "worker-lost"]
        assert all("killed or crashed" in summary for _, summary in told)

        assert spare.cli("retry", build_id).returncode == 0
        _succeeded(spare, build_id)
        spare.assert_nothing_half_done()
