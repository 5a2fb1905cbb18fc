"""One line in the service's log for each change of state; docs/operate.md lists them."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.contract.figure_contract import PUBLISHED
from tests.contract.samples import BEGINNING, TARGET, sample_wheel
from tests.fakes.builds import MemoryLogs
from tests.fakes.queue import MemoryQueue
from tests.fakes.sources import MemorySourceIndex
from tests.unit.api_harness import ApiHarness, ApiParts, api_harness
from tests.unit.pipeline_harness import PipelineHarness
from tests.unit.run_build_harness import Endless, RunHarness, pass_through, running

from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import BuildFilter, Token
from wheelyard.errors import BuildFailedError, EngineUnavailableError
from wheelyard.pipeline.job import Job, StageFunction, Tools
from wheelyard.usecases.queue import RetryBuilds
from wheelyard.usecases.request_build import BuildRequest, RequestBuild

_ROOT = Path(__file__).parents[2]
Entries = list[dict[str, Any]]


@pytest.fixture
def run(pipeline: PipelineHarness, tmp_path: Path) -> RunHarness:
    return RunHarness(pipeline=pipeline, folder=tmp_path)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        made.resolver.add("pyyaml", "6.0.3")
        yield made


def told(entries: Any, *fields: str) -> list[tuple[Any, ...]]:  # noqa: ANN401  (structlog's entries)
    return [tuple(entry.get(name) for name in ("event", *fields)) for entry in entries]


def failing(error: Exception) -> StageFunction:
    async def act(_job: Job, _tools: Tools) -> Job:
        raise error

    return act


def token(name: str, scope: Scope = Scope.OPERATE) -> Token:
    return Token(id=name, name=name, scope=scope, created_at=BEGINNING)


def request_build(run: RunHarness) -> RequestBuild:
    source = MemorySourceIndex(run.folder)
    source.add("pyyaml-6.0.3.tar.gz", b"sdist")
    logs = MemoryLogs(run.state)
    return ApiParts(state=run.state, builds=run.builds, logs=logs, source=source, cache_dir=run.folder).order()


def asked_by(name: str) -> BuildRequest:
    return BuildRequest(requirement="pyyaml", python=TARGET.python, platform=TARGET.platform, requested_by=name)


async def test_new_build_is_queued_and_an_equal_one_joined(run: RunHarness) -> None:
    request = request_build(run)
    with capture_logs() as entries:
        build = (await request(asked_by("alice"))).build
        await request(asked_by("bob"))
    same = {
        "build": build.id,
        "project": "pyyaml",
        "version": "6.0.3",
        "target": str(TARGET),
        "status": "queued",
        "priority": "interactive",
        "log_level": "info",
        "module": "wheelyard.build_events",
    }
    assert entries == [
        {"event": "build-queued", "requested_by": "alice", **same},
        {"event": "build-joined", "requested_by": "bob", **same},
    ]


async def test_waiting_build_that_is_cancelled_ends_at_once(run: RunHarness) -> None:
    request, build_id = request_build(run), await run.queued()
    with capture_logs() as entries:
        await request.cancel(build_id, by=token("alice"))
        await request.cancel(build_id, by=token("alice"))
    assert told(entries, "build", "status", "requested_by") == [
        ("cancel-asked", build_id, "queued", token("alice").actor),
        ("build-ended", build_id, "cancelled", None),
    ]


async def test_build_that_one_of_two_leaves_goes_on_and_ends_with_the_other(run: RunHarness) -> None:
    request, alice, bob = request_build(run), token("alice", Scope.REQUEST), token("bob", Scope.REQUEST)
    build_id = (await request(asked_by(alice.actor))).build.id
    await request(asked_by(bob.actor))
    with capture_logs() as entries:
        await request.cancel(build_id, by=alice)
        await request.cancel(build_id, by=bob)
    assert told(entries, "build", "status", "requested_by") == [
        ("build-left", build_id, "queued", alice.actor),
        ("cancel-asked", build_id, "queued", bob.actor),
        ("build-ended", build_id, "cancelled", None),
    ]


async def test_running_build_that_is_cancelled_ends_with_its_attempt(run: RunHarness) -> None:
    request, stage = request_build(run), Endless()
    with capture_logs() as entries:
        async with running(run, stage):
            await request.cancel((await run.build()).id, by=token("alice"))
    assert told(entries, "status", "stage") == [
        ("attempt-started", None, None),
        ("stage-entered", None, "resolve"),
        ("cancel-asked", "running", None),
        ("stage-left", None, "resolve"),
        ("attempt-ended", "cancelled", None),
        ("build-ended", "cancelled", None),
    ]


async def test_cancelled_build_is_begun_again(run: RunHarness) -> None:
    retry, build_id = RetryBuilds(builds=run.builds), await run.queued()
    await run.builds.request_cancel(build_id, requested_by="alice")
    with capture_logs() as entries:
        await retry(BuildFilter(status=Status.CANCELLED), requested_by="bob")
        await retry.one(build_id, requested_by="carol")
    assert told(entries, "build", "asked", "status", "requested_by") == [
        ("build-retried", build_id, build_id, "queued", "bob"),
        ("build-joined", build_id, build_id, "queued", "carol"),
    ]


async def test_attempt_tells_its_stages_and_its_end(run: RunHarness) -> None:
    await run.queued()
    with capture_logs() as entries:
        await run.runner(pass_through, pass_through)((await run.build()).id)
    assert told(entries, "stage", "status") == [
        ("attempt-started", None, None),
        ("stage-entered", "resolve", None),
        ("stage-left", "resolve", None),
        ("stage-entered", "fetch", None),
        ("stage-left", "fetch", None),
        ("attempt-ended", None, "succeeded"),
        ("build-ended", None, "succeeded"),
    ]
    left = [entry["seconds"] for entry in entries if entry["event"] == "stage-left"]
    assert left == [0.0, 0.0]


async def test_published_wheel_is_named(run: RunHarness) -> None:
    async def publish(job: Job, _tools: Tools) -> Job:
        return job.knowing(wheel=sample_wheel(), published=PUBLISHED)

    with capture_logs() as entries:
        await run.run(publish)
    wheel = sample_wheel()
    assert told(entries, "filename", "sha256")[3] == ("wheel-published", wheel.filename, wheel.sha256)


async def test_failure_that_may_pass_lets_the_build_wait_and_rest(run: RunHarness) -> None:
    with capture_logs() as entries:
        await run.run(failing(EngineUnavailableError(engine="docker", reason="it is away")))
        run.clock.advance(15)
        await MemoryQueue(run.state).sweep()
    code = "engine-unavailable"
    assert told(entries, "status", "code", "seconds")[3:] == [
        ("attempt-ended", "failed", code, None),
        ("build-waiting", None, code, 15.0),
        ("build-rested", None, None, None),
    ]


async def test_projects_own_failure_ends_the_build_with_its_code(run: RunHarness) -> None:
    error = BuildFailedError(release="demo 1.0", exit_reason="exit code 1")
    with capture_logs() as entries:
        await run.run(failing(error))
    assert told(entries, "status", "code")[-2:] == [
        ("attempt-ended", "failed", "build-failed"),
        ("build-ended", "failed", "build-failed"),
    ]


async def test_attempt_that_is_stopped_is_handed_back(run: RunHarness) -> None:
    stage = Endless()
    with capture_logs() as entries:
        attempt = asyncio.create_task(run.runner(stage, pass_through)(await run.queued()))
        await asyncio.wait_for(stage.begun.wait(), 10)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
    assert told(entries, "status")[-1] == ("attempt-handed-back", "queued")


async def test_build_of_a_lost_worker_is_requeued_and_at_last_given_up(run: RunHarness) -> None:
    build_id = await run.queued()
    with capture_logs() as entries:
        for number in range(1, run.state.max_attempts + 1):
            assert await run.attempts.claim(build_id, worker=f"w{number}", lease_seconds=1)
            run.clock.advance(2)
            await MemoryQueue(run.state).sweep()
    assert told(entries, "build", "code", "worker") == [
        ("build-requeued", build_id, "worker-lost", "w1"),
        ("build-requeued", build_id, "worker-lost", "w2"),
        ("build-ended", build_id, "attempts-exhausted", "w3"),
    ]


async def test_prebuild_tells_its_order_its_items_and_its_end(api: ApiHarness) -> None:
    with capture_logs() as entries:
        answer = await api.client.post("/v1/requests", json={"requirements": ["pyyaml"], "prefer": "own"})
        assert answer.status_code == 202, answer.text
        await api.services.prebuilds.advance.once()
        build_id = next(iter(api.state.records))
        await api.builds.request_cancel(build_id, requested_by="alice")
        await api.services.prebuilds.advance.once()
    lines = [line for line in told(entries, "status", "former") if line[0].startswith("prebuild-")]
    assert lines == [
        ("prebuild-ordered", None, None),
        ("prebuild-item-changed", "build", "waiting"),
        ("prebuild-item-changed", "failed", "build"),
        ("prebuild-ended", None, None),
    ]


async def test_prebuild_that_is_cancelled_says_so(api: ApiHarness) -> None:
    answer = await api.client.post("/v1/requests", json={"requirements": ["pyyaml"], "prefer": "own"})
    with capture_logs() as entries:
        await api.client.post(f"/v1/requests/{answer.json()['id']}/cancel")
    assert ("prebuild-cancelled", answer.json()["id"]) in told(entries, "prebuild")


async def test_each_answer_is_one_line_and_health_checks_are_for_debugging(api: ApiHarness) -> None:
    with capture_logs() as entries:
        for path in ("/v1/targets", "/nowhere", "/healthz", "/metrics"):
            await api.client.get(path)
    answered = [entry for entry in entries if entry["event"] == "request-answered"]
    assert told(answered, "path", "status", "log_level") == [
        ("request-answered", "/v1/targets", 200, "info"),
        ("request-answered", "/nowhere", 404, "info"),
        ("request-answered", "/healthz", 200, "debug"),
        ("request-answered", "/metrics", 200, "debug"),
    ]
    assert all(entry["seconds"] >= 0 for entry in answered)


def test_every_change_of_state_is_in_the_manual() -> None:
    package = _ROOT / "service" / "wheelyard"
    sources = [path for part in ("usecases", "api") for path in (package / part).rglob("*.py")]
    calls = re.compile(r"(?:_log\.info|(?<![.\w])note)\(\s*\"([a-z-]+)\"")
    events = {name for path in sources for name in calls.findall(path.read_text(encoding="utf-8"))}
    builds = set(
        re.findall(r"\"((?:build|cancel)-[a-z]+)\"", (package / "build_events.py").read_text(encoding="utf-8"))
    )
    assert len(builds) > 8
    events |= builds
    manual = (_ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    assert len(events) > 15
    assert [name for name in sorted(events) if f"`{name}`" not in manual] == []
