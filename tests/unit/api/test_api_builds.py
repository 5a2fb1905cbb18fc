"""Builds over REST: requested, joined, listed, looked at, cancelled, retried; and who builds."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from rich.console import Console
from tests.contract.queue_contract import CARD
from tests.contract.samples import sample_failure, sample_order, sample_timings, sample_wheel
from tests.fakes.dependencies import MemoryMissingReleases
from tests.unit.api_harness import ApiHarness, api_harness, assert_problem
from tests.unit.recipe_texts import parse_recipe

from wheelyard.api.schemas.links import IndexLinks
from wheelyard.api.schemas.wheels import WheelView
from wheelyard.cli.report import report_wheel
from wheelyard.domain.access import Action, AuditFilter, OpenLimits
from wheelyard.domain.builds.build import Failure, MissingRelease, Proof, Stage, Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.errors import IndexUnavailableError
from wheelyard.interfaces import GitCommit


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


async def test_new_request_is_accepted_and_says_where_the_build_is(harness: ApiHarness) -> None:
    response = await harness.client.post("/v1/builds", json={"requirement": "PyYAML>=6,<7"})
    body = response.json()
    assert (response.status_code, body["joined"]) == (202, False)
    assert response.headers["Location"] == body["url"] == f"/v1/builds/{body['id']}"
    assert (body["project"], body["version"], body["status"], body["stage"]) == ("pyyaml", "6.0.3", "queued", None)
    assert (body["python"], body["platform"]) == ("3.13", "manylinux_2_36_x86_64")
    assert (await harness.client.get(body["url"])).json() == {k: v for k, v in body.items() if k != "joined"}


async def test_equal_request_joins_the_running_build(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.claim(build_id)
    response = await harness.client.post("/v1/builds", json={"requirement": "pyyaml==6.0.3", "python": "3.13"})
    body = response.json()
    assert (response.status_code, body["joined"], body["id"]) == (202, True, build_id)
    assert response.headers["Location"] == f"/v1/builds/{build_id}"


async def test_request_for_a_wheel_that_is_there_gets_it_at_once(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.succeed(build_id)
    response = await harness.client.post("/v1/builds", json={"requirement": "pyyaml"})
    assert (response.status_code, response.json()["joined"]) == (200, True)
    assert response.json()["wheel"]["filename"] == sample_wheel().filename
    assert response.headers["Location"] == f"/v1/builds/{build_id}"


GIT = {"git": "https://git.example/acme/demo", "ref": "v1.2"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


async def test_source_in_git_is_resolved_to_a_commit_that_the_build_shows(harness: ApiHarness) -> None:
    harness.repositories.refs["v1.2"] = GitCommit(commit=COMMIT, tag="v1.2")
    harness.repositories.texts["pyproject.toml"] = '[project]\nname = "demo"\nversion = "1.2"\n'
    response = await harness.client.post("/v1/builds", json={"source": {**GIT, "subdirectory": "python"}})
    body = response.json()
    assert response.status_code == 202, response.text
    assert (body["project"], body["version"], body["sdist"]) == ("demo", "1.2.dev0+g0123456789ab", None)
    assert body["source"] == {
        "git": "https://git.example/acme/demo",
        "ref": "v1.2",
        "commit": COMMIT,
        "subdirectory": "python",
        "tag": "v1.2",
        "version": None,
        "warnings": [],
    }
    assert body["requirement"] == "demo @ git+https://git.example/acme/demo@v1.2#subdirectory=python"


async def test_moved_tag_is_told_in_the_answer(harness: ApiHarness) -> None:
    harness.repositories.texts["pyproject.toml"] = '[project]\nname = "demo"\n'
    for commit in (COMMIT, COMMIT[::-1]):
        harness.repositories.refs["v1.2"] = GitCommit(commit=commit, tag="v1.2")
        body = (await harness.client.post("/v1/builds", json={"source": GIT})).json()
    (warning,) = body["source"]["warnings"]
    assert COMMIT[:12] in warning


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ({**GIT, "git": "https://other.example/x"}, "git-host-refused"),
        ({**GIT, "git": "file:///srv/x"}, "git-source-invalid"),
        ({**GIT, "ref": "--upload-pack=x"}, "git-source-invalid"),
        ({**GIT, "subdirectory": "../x"}, "git-source-invalid"),
        ({**GIT, "ref": "v9"}, "git-ref-unknown"),
        ({**GIT, "ref": COMMIT}, "git-project-unknown"),
    ],
)
async def test_source_in_git_that_cannot_be_used_is_refused(
    harness: ApiHarness, source: dict[str, str], code: str
) -> None:
    response = await harness.client.post("/v1/builds", json={"source": source})
    assert_problem(response, status=422, code=code)


@pytest.mark.parametrize("body", [{}, {"requirement": "pyyaml", "source": GIT}, {"source": {"ref": "v1"}}])
async def test_request_has_either_a_requirement_or_a_source(harness: ApiHarness, body: dict[str, Any]) -> None:
    assert_problem(await harness.client.post("/v1/builds", json=body), status=422, code="invalid-request")


BETWEEN = "manylinux_2_40_x86_64"
"""A glibc that no suite of the catalogue has."""


async def asked(harness: ApiHarness, **body: str) -> tuple[int, dict[str, Any]]:
    response = await harness.client.post("/v1/builds", json={"requirement": "pyyaml", **body})
    return response.status_code, response.json()


async def test_request_for_a_glibc_between_suites_is_the_one_for_the_suite_before_it(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    status, body = await asked(harness, platform=BETWEEN)
    assert (status, body["joined"], body["id"], body["platform"]) == (202, True, build_id, "manylinux_2_36_x86_64")
    await harness.succeed(build_id)
    status, body = await asked(harness, platform=BETWEEN)
    assert (status, body["id"], body["wheel"]["filename"]) == (200, build_id, sample_wheel().filename)


@pytest.mark.parametrize(
    ("python", "tag", "serves"),
    [
        ("3.13", "cp313-cp313-manylinux_2_17_x86_64", True),
        ("3.11", "cp311-abi3-manylinux_2_31_x86_64", True),
        ("3.11", "py3-none-any", True),
        ("3.11", "cp311-cp311-manylinux_2_17_x86_64", False),
    ],
)
async def test_request_that_a_wheel_of_another_suite_serves_is_answered_with_it(
    harness: ApiHarness, python: str, tag: str, *, serves: bool
) -> None:
    _, older = await asked(harness, python=python, platform="manylinux_2_31_x86_64")
    filename = f"pyyaml-6.0.3-1.bullseye-{tag}.whl"
    wheel = replace(sample_wheel(), filename=filename)
    claim = await harness.claim(older["id"])
    assert await harness.attempts.finish(claim, Outcome(status=Status.SUCCEEDED, wheel=wheel))
    status, body = await asked(harness, python="3.13", platform=BETWEEN)
    assert (status, body["joined"]) == ((200, True) if serves else (202, False))
    assert (body["id"] == older["id"]) == serves
    status, own = await asked(harness, python="3.13", platform="manylinux_2_36_x86_64")
    assert (status, own["joined"]) == (202, not serves), "whoever names a suite's own target gets its build"


async def test_wheel_of_a_former_recipe_answers_nobody(harness: ApiHarness) -> None:
    former = await harness.submit()
    await harness.succeed(former)
    harness.recipes.recipes[canonicalize_name("pyyaml")] = parse_recipe(
        'schema = 1\nname = "pyyaml"\n[[rule]]\napt = ["libyaml-dev"]\n', source="recipes/pyyaml.toml"
    )
    status, body = await asked(harness, platform=BETWEEN)
    assert (status, body["joined"]) == (202, False)


async def test_failed_build_is_tried_again_by_a_new_request(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.attempts.finish(
        await harness.claim(build_id), Outcome(status=Status.FAILED, failure=sample_failure())
    )
    response = await harness.client.post("/v1/builds", json={"requirement": "pyyaml"})
    assert (response.status_code, response.json()["joined"]) == (202, False)
    assert response.json()["id"] != build_id


def test_pure_wheel_shows_why_it_has_no_policy() -> None:
    pure = replace(sample_wheel(), is_pure=True, policy=None, policy_reason=None, grafted=())
    view = WheelView.of(pure, release="pyyaml==6.0.3", links=IndexLinks(base="http://wheelyard", is_open=True))
    assert view.policy_reason is not None
    assert view.policy_reason.sentence.startswith("any because no file in it is native")


async def test_brought_wheel_shows_what_was_changed_and_where_it_was_proven(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.succeed(build_id)
    proof = Proof(
        suite="trixie", python="3.13", platform="manylinux_2_41_x86_64", imported_modules=("yaml",), runtime_image="i"
    )
    wheel = replace(sample_wheel(), changes=("It links to libpython3.13.so.1.0 no more.",), proofs=(proof,))
    harness.state.find(build_id).change(wheel=wheel)
    shown = (await harness.client.get(f"/v1/builds/{build_id}")).json()["wheel"]
    assert shown["changes"] == ["It links to libpython3.13.so.1.0 no more."]
    assert shown["proofs"] == [
        {
            "suite": "trixie",
            "python": "3.13",
            "platform": "manylinux_2_41_x86_64",
            "imported_modules": ["yaml"],
            "runtime_image": "i",
            "threading": [],
            "free_threading": None,
        }
    ]


def test_description_of_a_wheel_names_its_changes_and_its_proofs() -> None:
    proof = Proof(
        suite="trixie", python="3.13", platform="manylinux_2_41_x86_64", imported_modules=(), runtime_image="i"
    )
    wheel = replace(sample_wheel(), changes=("It was changed.",), proofs=(proof, replace(proof, python="3.11")))
    view = WheelView.of(wheel, release="pyyaml==6.0.3", links=IndexLinks(base="http://wheelyard", is_open=True))
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report_wheel(view))
    lines = [line.split(maxsplit=1) for line in console.export_text().splitlines()]
    assert ["change", "It was changed."] in lines
    assert ["proven", "trixie, Python 3.13, 3.11"] in lines


async def test_succeeded_build_shows_its_wheel_and_how_to_install_it(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.succeed(build_id)
    body = (await harness.client.get(f"/v1/builds/{build_id}")).json()
    wheel = body["wheel"]
    assert (body["status"], body["failure"]) == ("succeeded", None)
    assert wheel["tag_before_repair"] == "cp313-cp313-linux_x86_64"
    assert wheel["grafted"][0]["package"] == "libyaml-0-2"
    assert wheel["grafted"][0]["chain"] == ["yaml/_yaml.abi3.so", "libyaml-0.so.2"]
    assert [one["beyond_policy"] for one in wheel["grafted"]] == [False, True]
    assert wheel["host_libraries"] == [
        {"soname": "libglib-2.0.so.0", "package": "libglib2.0-0", "reason": "it has one main loop"}
    ]
    assert "because yaml/_yaml.abi3.so needs memcpy@GLIBC_2.14" in wheel["policy_reason"]["sentence"]
    assert wheel["policy_reason"]["needs"][0]["version"] == "GLIBC_2.14"
    assert wheel["warnings"] == ["It has no yaml._other."]
    assert wheel["build_requirements"][0]["filename"].startswith("setuptools-")
    assert (wheel["index_url"], wheel["level"]) == ("http://wheelyard/simple/", "prod")
    assert wheel["url"] == f"http://wheelyard/files/{wheel['filename']}"
    assert wheel["install"].startswith("pip install --only-binary :all: ")
    assert wheel["install"].endswith(" pyyaml==6.0.3")


async def test_failed_build_shows_why_and_how_long_each_stage_took(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    outcome = Outcome(status=Status.FAILED, failure=sample_failure(), timings=sample_timings())
    await harness.attempts.finish(await harness.claim(build_id), outcome)
    body = (await harness.client.get(f"/v1/builds/{build_id}")).json()
    assert body["wheel"] is None
    assert (body["failure"]["code"], body["failure"]["stage"]) == ("build-failed", "build")
    assert "yaml.h" in body["failure"]["log_excerpt"]
    assert [one["stage"] for one in body["attempts"][0]["timings"]] == ["resolve", "fetch"]
    assert body["attempts"][0]["timings"][0]["seconds"] == 0.25


async def test_running_build_shows_its_stage(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.attempts.enter_stage(await harness.claim(build_id), Stage.VERIFY)
    body = (await harness.client.get(f"/v1/builds/{build_id}")).json()
    assert (body["status"], body["stage"], body["attempts"][0]["worker"]) == ("running", "verify", "worker-1")


async def test_list_is_paged_by_links_that_keep_the_filter(harness: ApiHarness) -> None:
    requirements = ("pyyaml==6.0.3", "lxml", "pyyaml==6.0.2")
    ids = [await harness.submit(requirement) for requirement in requirements]
    first = await harness.client.get("/v1/builds", params={"project": "PyYAML", "status": "queued", "limit": 1})
    assert [one["id"] for one in first.json()["builds"]] == [ids[2]]
    following = first.json()["next"]
    assert first.headers["Link"] == f'<{following}>; rel="next"'
    second = await harness.client.get(following)
    assert [one["id"] for one in second.json()["builds"]] == [ids[0]]
    assert second.json()["next"] is None
    assert "Link" not in second.headers


async def test_queued_build_is_cancelled_at_once(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    response = await harness.client.post(f"/v1/builds/{build_id}/cancel")
    assert (response.status_code, response.json()["status"]) == (202, "cancelled")


async def test_running_build_is_asked_to_stop(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    claim = await harness.claim(build_id)
    body = (await harness.client.post(f"/v1/builds/{build_id}/cancel")).json()
    assert (body["status"], body["cancel_requested"]) == ("running", True)
    assert (await harness.attempts.beat(claim, lease_seconds=20)).cancel_requested


async def test_failed_build_is_retried_under_its_own_id(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.attempts.finish(
        await harness.claim(build_id), Outcome(status=Status.FAILED, failure=sample_failure())
    )
    response = await harness.client.post(f"/v1/builds/{build_id}/retry")
    body = response.json()
    assert (response.status_code, response.headers["Location"]) == (202, f"/v1/builds/{build_id}")
    assert (body["id"], body["status"], body["joined"], body["failure"]) == (build_id, "queued", False, None)
    assert body["attempts"][0]["failure"]["code"] == "build-failed"


async def fail(harness: ApiHarness, requirement: str) -> str:
    build_id = await harness.submit(requirement)
    await harness.attempts.finish(
        await harness.claim(build_id), Outcome(status=Status.FAILED, failure=sample_failure())
    )
    return build_id


async def test_failed_builds_are_listed_by_their_cause_and_retried_together(harness: ApiHarness) -> None:
    first, second = await fail(harness, "pyyaml==6.0.3"), await fail(harness, "lxml")
    again = await fail(harness, "lxml")
    await harness.submit("pyyaml==6.0.2")
    filters = {"failure_code": "build-failed", "python": "3.13", "requested_by": "tests"}
    listed = (await harness.client.get("/v1/builds", params={**filters, "limit": "2"})).json()
    assert [one["id"] for one in listed["builds"]] == [again, second]
    rest = (await harness.client.get(listed["next"])).json()
    assert [one["id"] for one in rest["builds"]] == [first], "the filters are kept"
    retried = await harness.client.post("/v1/builds/retry", json={**filters, "limit": 1})
    assert retried.status_code == 202
    assert [one["id"] for one in retried.json()["builds"]] == [again]
    assert retried.json()["more"]
    retried = await harness.client.post("/v1/builds/retry", json=filters)
    assert [one["id"] for one in retried.json()["builds"]] == [first], "the older build of lxml has been followed"
    assert [(await harness.builds.get(one)).status for one in (first, second, again)] == ["queued", "failed", "queued"]
    entries = await harness.services.audit.list_entries(AuditFilter(object=first))
    assert Action.BUILD_RETRIED in [one.change.action for one in entries]


async def test_retrying_many_builds_ends_where_a_caller_may_have_no_more(harness: ApiHarness) -> None:
    failed = [await fail(harness, requirement) for requirement in ("pyyaml==6.0.3", "pyyaml==6.0.2", "lxml")]
    harness.state.limits = OpenLimits(builds=2)
    retried = (await harness.client.post("/v1/builds/retry", json={})).json()
    assert [one["id"] for one in retried["builds"]] == failed[:0:-1]
    assert retried["more"]
    assert_problem(await harness.client.post("/v1/builds/retry", json={}), 429, "too-much-open")


async def test_only_builds_that_have_ended_in_vain_are_retried_and_not_too_many(harness: ApiHarness) -> None:
    for body in ({"status": "succeeded"}, {"status": "running"}, {"limit": 101}, {"limit": 0}, {"x": 1}):
        assert_problem(await harness.client.post("/v1/builds/retry", json=body), 422, "invalid-request")
    nothing = await harness.client.post("/v1/builds/retry", json={"failure_code": "no-such-code"})
    assert (nothing.status_code, nothing.json()) == (202, {"builds": [], "more": False})


async def test_build_that_has_its_wheel_is_not_retried(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.succeed(build_id)
    response = await harness.client.post(f"/v1/builds/{build_id}/retry")
    assert (response.status_code, response.json()["status"], response.json()["joined"]) == (200, "succeeded", True)


async def test_unknown_build_cannot_be_retried(harness: ApiHarness) -> None:
    assert_problem(await harness.client.post("/v1/builds/nothing/retry"), 404, "not-found")


async def test_build_that_waits_for_its_next_attempt_says_until_when_and_why(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    down = Failure.of(IndexUnavailableError(index="upstream", reason="it is down"), stage=Stage.FETCH)
    again = Outcome(status=Status.QUEUED, failure=down, wait_seconds=60)
    await harness.attempts.finish(await harness.claim(build_id), again)
    body = (await harness.client.get(f"/v1/builds/{build_id}")).json()
    (listed,) = (await harness.client.get("/v1/builds")).json()["builds"]
    assert (body["status"], body["not_before"]) == ("queued", "2026-11-23T12:01:00Z")
    assert body["attempts"][0]["failure"]["code"] == "index-unavailable"
    assert listed["not_before"] == body["not_before"]


async def test_build_that_waits_for_others_links_to_them(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    needs = (MissingRelease(project="also", version="1.0"), MissingRelease(project="lxml", version="6.0.0"))
    outcome = Outcome(status=Status.QUEUED, counts=False, needs=needs)
    assert await harness.attempts.finish(await harness.claim(build_id), outcome)
    store = MemoryMissingReleases(harness.state)
    await store.supply((await store.open_dependencies())[1], sample_order(key="lxml", project="lxml"))
    also, lxml = (await harness.client.get(f"/v1/builds/{build_id}")).json()["waits_for"]
    assert also == {"project": "also", "version": "1.0", "build_id": None, "url": None}
    needed = (await harness.client.get(lxml["url"])).json()
    assert (lxml["project"], needed["id"], needed["waits_for"]) == ("lxml", lxml["build_id"], [])
    listed = (await harness.client.get("/v1/builds")).json()["builds"]
    assert {one["project"]: one["waits"] for one in listed} == {"lxml": False, "pyyaml": True}


async def test_priority_is_interactive_unless_it_is_said(harness: ApiHarness) -> None:
    first = (await harness.client.post("/v1/builds", json={"requirement": "pyyaml"})).json()
    second = (await harness.client.post("/v1/builds", json={"requirement": "lxml", "priority": "batch"})).json()
    third = await harness.client.post("/v1/builds", json={"requirement": "lxml", "priority": "urgent"})
    assert (first["priority"], second["priority"]) == ("interactive", "batch")
    assert_problem(third, 422, "invalid-request")


async def test_workers_are_shown_with_what_they_do(harness: ApiHarness) -> None:
    build_id = await harness.submit()
    await harness.claim(build_id)
    await harness.workers.report_worker(replace(CARD, name="worker-1"))
    (worker,) = (await harness.client.get("/v1/workers")).json()
    assert (worker["name"], worker["host"], worker["architecture"], worker["state"]) == (
        *("worker-1", "host-1", "x86_64", "active"),
    )
    assert worker["builders"] == [{"suite": "bookworm", "python": "3.13"}, {"suite": "trixie", "python": "3.13"}]
    assert (worker["slots"], worker["cpus"], worker["memory_bytes"]) == (4, 4.0, 8 << 30)
    assert worker["builds"] == [build_id]


async def test_targets_mark_the_default(harness: ApiHarness) -> None:
    targets = (await harness.client.get("/v1/targets")).json()
    wanted = {"python": "3.13", "platform": "manylinux_2_36_x86_64", "default": True}
    assert [target for target in targets if target.items() >= wanted.items()]
    assert [target["default"] for target in targets].count(True) == 1


async def test_builds_are_found_by_the_beginning_of_their_id(harness: ApiHarness) -> None:
    created = await harness.client.post("/v1/builds", json={"requirement": "pyyaml"})
    build_id = created.json()["id"]
    found = await harness.client.get("/v1/builds", params={"id": build_id[:6]})
    assert [build["id"] for build in found.json()["builds"]] == [build_id]
    nothing = await harness.client.get("/v1/builds", params={"id": "0" * 32})
    assert nothing.json()["builds"] == []
    for odd in ("x", "-", "0" * 33, "12%", ""):
        assert_problem(await harness.client.get("/v1/builds", params={"id": odd}), 422, "invalid-request")
