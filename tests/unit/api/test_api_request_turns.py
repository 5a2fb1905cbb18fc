"""What befalls a request on its way, over REST, on stores in memory: faults, cancelling, lost turns."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import NormalizedName, canonicalize_name
from tests.unit.api_harness import ApiHarness, assert_problem
from tests.unit.request_harness import (
    GRID,
    finish_build,
    look,
    make_wheel,
    order,
    release_dependents,
    request_harness,
    statuses,
)

from wheelyard.domain.access import OpenLimits
from wheelyard.domain.builds.build import Status
from wheelyard.domain.index.index import Level, PublishedFile
from wheelyard.domain.prebuilds.prebuild import PrebuildTurn
from wheelyard.errors import (
    HashMismatchError,
    IndexConflictError,
    IndexUnavailableError,
    UntrustedOutputError,
    WheelyardError,
)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with request_harness(tmp_path) as made:
        yield made


async def test_index_that_is_away_delays_a_request_and_loses_nothing(harness: ApiHarness) -> None:
    request = await order(harness, requirements=["pyyaml"], prefer="own")
    harness.source.project_fault = IndexUnavailableError(index="upstream", reason="connection refused")
    for _ in range(20):
        assert not await harness.services.prebuilds.advance.once(), (
            "nothing has moved, so the service may take a breath"
        )
    delayed = (await harness.client.get(request["url"])).json()
    assert delayed["finished_at"] is None
    assert "connection refused" in delayed["items"][0]["reason"]
    harness.source.project_fault = None
    assert statuses(await look(harness, request)) == ["build"]


@pytest.mark.parametrize(
    "fault",
    [
        IndexConflictError(filename="demo-1.0-py3-none-any.whl", held="a" * 64, ours="b" * 64),
        UntrustedOutputError(stage="publish", reason="its METADATA is malformed"),
        HashMismatchError(what="demo-1.0-py3-none-any.whl", expected="a" * 64, found="b" * 64),
        ValueError("a bug"),
    ],
)
async def test_wheel_that_cannot_be_mirrored_fails_with_its_reason_and_keeps_nobody_waiting(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    harness.source.add("demo-1.0-py3-none-any.whl", make_wheel("demo", "1.0"))
    harness.resolver.add("demo", "1.0")
    request = await order(harness, requirements=["demo", "wheelonly", "pyyaml"], **GRID)

    async def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(harness.held, "publish", fail)
    for _ in range(10):
        await harness.services.prebuilds.advance.once()
    done = (await harness.client.get(request["url"])).json()
    demo = [item for item in done["items"] if item["project"] == "demo"]
    assert {item["status"] for item in demo} == {"failed"}
    expected = fault.summary.rstrip(".") if isinstance(fault, WheelyardError) else "Wheelyard failed"
    assert all(item["reason"].startswith(expected) for item in demo)
    assert [item["status"] for item in done["items"] if item["project"] == "pyyaml"] == ["build"] + ["waiting"] * 3


async def test_mirrored_wheel_that_is_not_offered_is_a_failure_and_not_mirrored_for_ever(harness: ApiHarness) -> None:
    harness.source.add("demo-1.0-py3-none-any.whl", make_wheel("demo", "1.0"))
    harness.resolver.add("demo", "1.0")
    assert statuses(await look(harness, await order(harness, requirements=["demo"]))) == ["present"]
    await harness.client.post("/v1/wheels/demo-1.0-py3-none-any.whl/yank", json={"reason": "broken"})
    again = await look(harness, await order(harness, requirements=["demo"]))
    assert statuses(again) == ["failed"]
    assert "does not list it" in again["items"][0]["reason"]


async def test_wheel_on_staging_only_serves_nobody_yet(harness: ApiHarness) -> None:
    request = await order(harness, requirements=["pyyaml"], prefer="own")
    running = await look(harness, request)
    name = "pyyaml-6.0.3-1.bookworm-py3-none-any.whl"
    await finish_build(harness, running["builds"][0]["build_id"], name, level=Level.STAGING)
    done = await look(harness, request)
    assert statuses(done) == ["failed"]
    assert "does not list it" in done["items"][0]["reason"]


async def test_file_that_serves_many_targets_is_fetched_and_published_once(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.source.add("demo-1.0-py3-none-any.whl", make_wheel("demo", "1.0"))
    harness.resolver.add("demo", "1.0")
    published: list[Path] = []
    publish = harness.held.publish

    async def count(path: Path, *, sha256: str) -> PublishedFile:
        published.append(path)
        return await publish(path, sha256=sha256)

    monkeypatch.setattr(harness.held, "publish", count)
    done = await look(harness, await order(harness, requirements=["demo"], **GRID))
    assert statuses(done) == ["present"] * 4
    assert len(published) == 1


async def test_release_that_is_put_off_keeps_no_other_waiting(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"demo{number}" for number in range(9)]
    for name in names:
        harness.source.add(f"{name}-1.0-py3-none-any.whl", make_wheel(name, "1.0"))
        harness.resolver.add(name, "1.0")
    request = await order(harness, requirements=[*names, "pyyaml"])

    async def fail(*_: object, **__: object) -> None:
        raise IndexUnavailableError(index="own", reason="connection refused")

    monkeypatch.setattr(harness.held, "publish", fail)
    for _ in range(3):
        await harness.services.prebuilds.advance.once()
    assert [build["project"] for build in (await harness.client.get(request["url"])).json()["builds"]] == ["pyyaml"]


async def test_build_that_was_cancelled_by_somebody_else_is_told(harness: ApiHarness) -> None:
    request = await order(harness, requirements=["pyyaml"], prefer="own")
    running = await look(harness, request)
    await harness.client.post(f"/v1/builds/{running['builds'][0]['build_id']}/cancel")
    done = await look(harness, request)
    assert (statuses(done), done["items"][0]["reason"]) == (["failed"], "its build was cancelled")


async def test_cancelled_request_cancels_builds_that_wait_for_it_alone(harness: ApiHarness) -> None:
    shared = await harness.submit("lxml")
    request = await order(harness, requirements=["pyyaml", "lxml"], prefer="own")
    running = await look(harness, request)
    own = next(build["build_id"] for build in running["builds"] if build["project"] == "pyyaml")
    cancelled = (await harness.client.post(f"{request['url']}/cancel")).json()
    assert cancelled["cancelled"]
    assert cancelled["finished_at"] is not None
    assert (await harness.builds.get(own)).status is Status.CANCELLED
    assert (await harness.builds.get(shared)).status is Status.QUEUED
    again = (await harness.client.post(f"{request['url']}/cancel")).json()
    assert again["finished_at"] == cancelled["finished_at"]


async def test_cancelling_a_request_leaves_the_build_that_another_request_has_joined(harness: ApiHarness) -> None:
    first = await order(harness, requirements=["pyyaml"], prefer="own")
    build_id = (await look(harness, first))["builds"][0]["build_id"]
    second = await order(harness, requirements=["pyyaml"], prefer="own")
    await look(harness, second)
    await harness.client.post(f"{first['url']}/cancel")
    assert (await harness.builds.get(build_id)).status is Status.QUEUED
    await finish_build(harness, build_id, "pyyaml-6.0.3-1.bookworm-py3-none-any.whl")
    assert (await look(harness, second))["is_installable"]


async def test_request_that_is_cancelled_in_the_middle_of_a_turn_starts_nothing(
    harness: ApiHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await order(harness, requirements=["pyyaml"], prefer="own")
    read = harness.source.project

    async def cancel_then_read(name: str) -> object:
        monkeypatch.setattr(harness.source, "project", read)
        await harness.client.post(f"{request['url']}/cancel")
        return await read(canonicalize_name(name))

    monkeypatch.setattr(harness.source, "project", cancel_then_read)
    await release_dependents(harness)
    assert (await harness.client.get("/v1/builds")).json()["builds"] == []
    assert (await look(harness, request))["cancelled"]


async def test_lease_is_kept_while_a_release_takes_long(harness: ApiHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    request = await order(harness, requirements=["pyyaml"], prefer="own")
    advance = replace(harness.services.prebuilds.advance, lease_seconds=0.01)
    renew, read = advance.store.renew, harness.source.project
    renewed = asyncio.Semaphore(0)

    async def count(turn: PrebuildTurn, *, lease_seconds: float) -> bool:
        renewed.release()
        return await renew(turn, lease_seconds=lease_seconds)

    async def read_slowly(name: NormalizedName) -> object:
        for _ in range(3):
            await renewed.acquire()
        return await read(name)

    monkeypatch.setattr(advance.store, "renew", count)
    monkeypatch.setattr(harness.source, "project", read_slowly)
    assert await advance.once()
    assert statuses((await harness.client.get(request["url"])).json()) == ["build"]


async def test_turn_that_was_lost_goes_no_further(harness: ApiHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    projects = [f"project{number}" for number in range(9)]
    for project in projects:
        harness.resolver.add(project, "1.0")
    await order(harness, requirements=projects, prefer="own")
    advance = replace(harness.services.prebuilds.advance, lease_seconds=0.01)
    renew, read = advance.store.renew, harness.source.project
    asked: list[str] = []
    lost = asyncio.Event()

    async def lose(turn: PrebuildTurn, *, lease_seconds: float) -> bool:
        harness.clock.advance(60)
        assert await advance.store.claim(lease_seconds=3600) is not None, "somebody else has it now"
        lost.set()
        return await renew(turn, lease_seconds=lease_seconds)

    async def read_once_lost(name: NormalizedName) -> object:
        asked.append(name)
        await lost.wait()
        return await read(name)

    monkeypatch.setattr(advance.store, "renew", lose)
    monkeypatch.setattr(harness.source, "project", read_once_lost)
    await advance.once()
    assert set(asked) == set(projects[:4]), "those that were begun"


@pytest.mark.parametrize("shared", [False, True])
async def test_wheel_that_turns_out_pure_ends_the_other_builds_that_are_for_this_request_alone(
    harness: ApiHarness,
    shared: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    harness.source.add("pyyaml-6.0.3-cp311-cp311-win_amd64.whl", b"it looks native")
    request = await order(harness, requirements=["pyyaml"], prefer="own", **GRID)
    first, second = (build["build_id"] for build in (await look(harness, request))["builds"])
    if shared:
        body = {"requirement": "pyyaml", "python": "3.13", "platform": "manylinux_2_31_x86_64"}
        assert (await harness.client.post("/v1/builds", json=body)).json()["id"] == second
    await finish_build(harness, first, "pyyaml-6.0.3-1.bullseye-py3-none-any.whl")
    done = await look(harness, request)
    assert statuses(done) == ["present"] * 4
    assert (await harness.builds.get(second)).status is (Status.QUEUED if shared else Status.CANCELLED)


async def test_full_queue_of_its_owner_delays_a_request_and_does_not_fail_it(harness: ApiHarness) -> None:
    harness.state.limits = OpenLimits(builds=1)
    waiting = await harness.submit("lxml")
    request = await order(harness, requirements=["pyyaml"], prefer="own")
    held = await look(harness, request)
    assert (statuses(held), held["builds"], held["finished_at"]) == (["waiting"], [], None)
    assert "builds in the queue" in held["items"][0]["reason"]
    for _ in range(10):
        await harness.services.prebuilds.advance.once()
    assert statuses(await look(harness, request)) == ["waiting"]
    await harness.claim(waiting)
    (build,) = (await look(harness, request))["builds"]
    await finish_build(harness, build["build_id"], "pyyaml-6.0.3-1.bookworm-py3-none-any.whl")
    assert (await look(harness, request))["is_installable"]


async def test_more_open_requests_than_allowed_are_a_problem_that_names_the_limit(harness: ApiHarness) -> None:
    harness.state.limits = OpenLimits(requests=1)
    await order(harness, requirements=["pyyaml"], prefer="own")
    answer = await harness.client.post("/v1/requests", json={"requirements": ["lxml"]})
    problem = assert_problem(answer, 429, "too-much-open")
    assert (problem["context"]["limit"], problem["context"]["setting"]) == (1, "WHEELYARD_OPEN_REQUESTS_PER_TOKEN")
    assert answer.headers["Retry-After"] == "60"


async def test_more_queued_builds_than_allowed_are_a_problem_that_names_the_limit(harness: ApiHarness) -> None:
    harness.state.limits = OpenLimits(builds=1)
    await harness.submit("lxml")
    answer = await harness.client.post("/v1/builds", json={"requirement": "pyyaml"})
    assert assert_problem(answer, 429, "too-much-open")["context"]["setting"] == "WHEELYARD_QUEUED_BUILDS_PER_TOKEN"
