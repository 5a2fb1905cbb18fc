"""What a project requires and nobody has a wheel of is built first: each build in a sandbox of its own, in order.

The upstream index is ours, and has sdists only.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.running_service import Document, Launch, RunningService, running
from tests.acceptance.upstream import MISSING_HEADER, Upstream


@pytest.fixture(scope="module")
def waiting(spare_state_dir: Path, upstream: Upstream) -> Iterator[RunningService]:
    with running(Launch(state_dir=spare_state_dir, settings={"UPSTREAM_INDEX_URL": upstream.url})) as service:
        yield service


def newest(service: RunningService, project: str) -> Document:
    """Look at a project's newest build."""
    listed = service.http.get("/v1/builds", params={"project": project}).raise_for_status().json()["builds"]
    return service.build(listed[0]["id"])


def test_requirements_become_builds_and_their_dependents_go_on_with_their_wheels(
    waiting: RunningService, upstream: Upstream
) -> None:
    upstream.add("deepest")
    upstream.add("middle", "import deepest", requires=["deepest"])
    requirement = upstream.add("topmost", "import middle, deepest", requires=["middle", "deepest>=1"])

    submitted = waiting.submit(requirement, priority="batch")
    top = waiting.finished(submitted["id"])
    builds = [newest(waiting, project) for project in ("deepest", "middle", "topmost")]
    shown = waiting.cli("show", top["id"])

    assert [build["status"] for build in builds] == ["succeeded"] * 3, builds
    ends = [build["finished_at"] for build in builds]
    assert ends == sorted(ends), "each is built before what requires it"
    assert [build["priority"] for build in builds] == ["batch"] * 3
    first, last = top["attempts"]
    assert (first["status"], first["failure"]["code"], last["status"]) == ("cancelled", "wheels-missing", "succeeded")
    assert {one["filename"] for one in top["wheel"]["build_requirements"]} == {
        build["wheel"]["filename"] for build in builds[:2]
    }
    assert "==> build stops: These requirements have no wheel" in waiting.log(top["id"], attempt="1")
    assert (shown.returncode, top["waits_for"]) == (0, [])
    waiting.assert_nothing_half_done()


def test_what_a_wheel_needs_to_run_is_built_before_it_is_verified(waiting: RunningService, upstream: Upstream) -> None:
    upstream.add("needed")
    build = waiting.finished(waiting.submit(upstream.add("runner", needs=["needed"]))["id"])

    assert build["status"] == "succeeded", build["failure"]
    assert build["attempts"][0]["failure"]["stage"] == "verify"
    assert newest(waiting, "needed")["status"] == "succeeded"


def test_requirement_that_does_not_build_is_named_with_all_that_lies_between(
    waiting: RunningService, upstream: Upstream
) -> None:
    upstream.add("unbuildable", MISSING_HEADER)
    upstream.add("between", requires=["unbuildable"])
    command = waiting.cli("build", upstream.add("wanting", requires=["between"]), "--wait")
    build = newest(waiting, "wanting")

    failure = build["failure"]
    assert (failure["code"], failure["retryable"], build["status"]) == ("requirement-build-failed", False, "failed")
    assert failure["summary"].startswith(
        "wanting 1.0 needs between 1.0, which needs unbuildable 1.0, whose build failed: "
    )
    assert "nowhere-to-be-found.h is missing" in failure["summary"]
    assert newest(waiting, "unbuildable")["id"] in failure["hint"]
    assert command.returncode == 1, "exit code of a build that failed"
    assert "waiting for builds of between 1.0" in command.stderr
    assert waiting.index_files("wanting") == waiting.index_files("between") == []
    waiting.assert_nothing_half_done()


def test_projects_that_need_each_other_are_named(waiting: RunningService, upstream: Upstream) -> None:
    upstream.add("chicken", requires=["egg"])
    egg = waiting.finished(waiting.submit(upstream.add("egg", requires=["chicken"]))["id"])
    chicken = newest(waiting, "chicken")

    assert (egg["failure"]["code"], chicken["failure"]["code"]) == ("requirement-build-failed", "requirement-cycle")
    circle = "chicken 1.0 needs egg 1.0 needs chicken 1.0"
    assert circle in chicken["failure"]["summary"]
    assert circle in egg["failure"]["summary"]
    waiting.assert_nothing_half_done()
