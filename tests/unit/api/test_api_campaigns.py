"""Campaigns over REST, on stores in memory: begun, taken further, mended and stopped."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from tests.unit.api_harness import SECRET, ApiHarness, api_harness, assert_problem
from tests.unit.request_harness import finish_build, make_sdist, release_dependents
from tests.unit.wheel_harness import WheelHarness

from wheelyard.domain.access import AuditFilter, Scope
from wheelyard.domain.builds.build import Failure, Status
from wheelyard.domain.builds.file_source import FileOrigin
from wheelyard.domain.builds.records import BuildFilter, Outcome
from wheelyard.domain.dependencies.files import Origin
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import Item, ItemStatus, PrebuildTurn
from wheelyard.errors import IndexUnavailableError, RequirementBuildFailedError
from wheelyard.usecases.campaigns.turns import LIVE_BUILDS
from wheelyard.usecases.tokens import PREFIX

OLD, NEW = "3.11", "3.13"
INDEX = {"python": NEW}


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[ApiHarness]:
    async with api_harness(tmp_path) as made:
        yield made


def publish(harness: ApiHarness, project: str, tag: str, *needs: str, version: str = "1.0") -> str:
    """Put a wheel on our index, and its sdist on upstream's; return its file name."""
    filename = f"{project}-{version}-{tag}.whl"
    held = WheelHarness(state=harness.state, prod=harness.held)
    held.put(filename)
    entry = harness.state.wheels[filename]
    lines = "".join(f"Requires-Dist: {need}\n" for need in needs)
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n{lines}".encode()
    harness.state.wheels[filename] = type(entry)(wheel=entry.wheel, metadata=metadata, contents=entry.contents)
    harness.source.add(f"{project}-{version}.tar.gz", f"{project} {version}".encode())
    return filename


def native(python: str) -> str:
    digits = python.replace(".", "")
    return f"cp{digits}-cp{digits}-manylinux_2_36_x86_64"


async def begin(harness: ApiHarness, **body: object) -> dict[str, Any]:
    answer = await harness.client.post("/v1/campaigns", json={**INDEX, **body})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def look(harness: ApiHarness, campaign: dict[str, Any]) -> dict[str, Any]:
    await release_dependents(harness)
    return dict((await harness.client.get(campaign["url"])).json())


async def queued(harness: ApiHarness) -> dict[str, str]:
    """Return the queued builds by project."""
    page = await harness.builds.list_builds(BuildFilter(status=Status.QUEUED, limit=200))
    return {build.project: build.id for build in page.builds}


async def count(harness: ApiHarness, project: str) -> int:
    return len((await harness.builds.list_builds(BuildFilter(project=project))).builds)


def states(view: dict[str, Any]) -> dict[str, str]:
    return {row["project"]: row["state"] for row in view["rows"]}


def row(view: dict[str, Any], project: str) -> dict[str, Any]:
    return next(dict(one) for one in view["rows"] if one["project"] == project)


async def fail_for(harness: ApiHarness, build_id: str, *, chain: tuple[str, ...], blocking: str | None) -> None:
    """Let a build fail because a requirement got no wheel."""
    error = RequirementBuildFailedError(chain=chain, end="whose build failed", reason="", build_id=blocking)
    outcome = Outcome(status=Status.FAILED, failure=Failure.of(error, stage=None))
    assert await harness.attempts.finish(await harness.claim(build_id), outcome)


async def mend(harness: ApiHarness, project: str) -> None:
    text = f'schema = 1\nname = "{project}"\n[[rule]]\napt = ["libyaml-dev"]\n'
    answer = await harness.client.put(f"/v1/recipes/{project}", json={"text": text})
    assert answer.is_success, answer.text


async def built(harness: ApiHarness, project: str, build_id: str, tag: str = native(NEW)) -> None:
    harness.clock.now += timedelta(seconds=60)
    await finish_build(harness, build_id, f"{project}-1.0-1.bookworm-{tag}.whl")


async def test_wheels_that_serve_the_new_python_need_no_build(harness: ApiHarness) -> None:
    publish(harness, "pure", "py3-none-any")
    publish(harness, "stable", "cp39-abi3-manylinux_2_17_x86_64")
    publish(harness, "ready", native(NEW))
    publish(harness, "compiled", native(OLD))
    view = await look(harness, await begin(harness))
    assert states(view) == {"compiled": "waiting", "pure": "covered", "ready": "covered", "stable": "covered"}
    assert list(await queued(harness)) == ["compiled"]
    assert (view["percent"], view["ready"], view["total"]) == (75, 3, 4)
    await built(harness, "compiled", (await queued(harness))["compiled"])
    over = await look(harness, view)
    assert (states(over)["compiled"], over["percent"], over["is_moving"]) == ("done", 100, False)
    assert over["finished_at"] is not None


async def test_abi3_does_not_cover_a_free_threaded_python(harness: ApiHarness) -> None:
    publish(harness, "stable", "cp39-abi3-manylinux_2_17_x86_64")
    assert states(await look(harness, await begin(harness, python="3.13t"))) == {"stable": "waiting"}


async def test_newest_final_release_of_each_project_is_built(harness: ApiHarness) -> None:
    for version in ("1.0", "1.1", "2.0rc1"):
        publish(harness, "compiled", native(OLD), version=version)
    publish(harness, "ours", native(OLD), version="1.1.dev3+g0123abc")
    view = await begin(harness)
    assert [(one["project"], one["version"]) for one in view["rows"]] == [("compiled", "1.1")]
    assert [one["text"] for one in view["skipped"]] == ["ours"]


async def test_same_campaign_asked_for_twice_is_the_same_and_gets_what_is_new(harness: ApiHarness) -> None:
    publish(harness, "compiled", native(OLD))
    first = await begin(harness)
    await release_dependents(harness)
    publish(harness, "later", native(OLD))
    second = await begin(harness)
    assert (second["id"], second["joined"], first["joined"]) == (first["id"], True, False)
    assert set(states(await look(harness, second))) == {"compiled", "later"}
    assert await count(harness, "compiled") == 1
    assert (await begin(harness, python="3.13t"))["id"] != first["id"]
    assert (await begin(harness, prefer="own"))["id"] != first["id"]
    listed = (await harness.client.get("/v1/campaigns")).json()["campaigns"]
    assert [(one["python"], one["source"], one["total"]) for one in listed][-1] == (NEW, "index", 2)
    assert (await harness.client.get("/v1/requests")).json()["requests"] == []


async def test_few_builds_are_queued_at_a_time_at_batch_priority(harness: ApiHarness) -> None:
    for number in range(LIVE_BUILDS + 3):
        publish(harness, f"p{number:02}", native(OLD))
    campaign = await begin(harness)
    view = await look(harness, campaign)
    waiting = await queued(harness)
    assert len(waiting) == LIVE_BUILDS
    assert view["counts"] == {"waiting": LIVE_BUILDS + 3}
    assert (await harness.builds.get(waiting["p00"])).priority.value == "batch"
    await built(harness, "p00", waiting["p00"])
    await look(harness, campaign)
    assert len(await queued(harness)) == LIVE_BUILDS


async def test_failure_blocks_those_that_require_it_and_a_recipe_mends_both_alone(harness: ApiHarness) -> None:
    publish(harness, "base", native(OLD))
    publish(harness, "above", native(OLD), "base>=1")
    publish(harness, "top", native(OLD), "above", "missing; extra == 'all'")
    publish(harness, "broken", native(OLD))
    publish(harness, "free", native(OLD), "base>=2")
    campaign = await begin(harness)
    await release_dependents(harness)
    ids = await queued(harness)
    await finish_build(harness, ids["base"], None)
    await finish_build(harness, ids["broken"], None)
    await fail_for(harness, ids["above"], chain=("above 1.0", "base 1.0"), blocking=ids["base"])
    await fail_for(harness, ids["top"], chain=("top 1.0", "above 1.0", "base 1.0"), blocking=ids["base"])
    await built(harness, "free", ids["free"])
    view = await look(harness, campaign)
    assert states(view) == {"base": "failed", "broken": "failed", "above": "blocked", "top": "blocked", "free": "done"}
    assert (row(view, "base")["code"], row(view, "base")["blocks"]) == ("build-failed", 2)
    assert view["blockers"] == [{"project": "base", "blocks": 2, "state": "failed"}]
    assert (view["is_moving"], view["finished_at"]) == (False, None)

    await mend(harness, "base")
    view = await look(harness, campaign)
    assert list(await queued(harness)) == ["base"]
    assert states(view)["above"] == states(view)["top"] == "blocked"
    await built(harness, "base", (await queued(harness))["base"])
    await look(harness, campaign)
    again = await queued(harness)
    assert set(again) == {"above", "top"}
    for project in again:
        await built(harness, project, again[project])
    assert states(await look(harness, campaign)) == {
        "base": "done",
        "broken": "failed",
        "above": "done",
        "top": "done",
        "free": "done",
    }
    assert [await count(harness, one) for one in ("base", "above", "top", "broken", "free")] == [2, 2, 2, 1, 1]


async def test_what_requires_a_failed_project_is_not_even_tried(harness: ApiHarness) -> None:
    publish(harness, "base", native(OLD))
    campaign = await begin(harness)
    await release_dependents(harness)
    await finish_build(harness, (await queued(harness))["base"], None)
    await release_dependents(harness)
    publish(harness, "above", native(OLD), "base")
    publish(harness, "top", native(OLD), "above")
    publish(harness, "elsewhere", native(OLD), "base; python_version < '3'")
    await begin(harness)
    view = await look(harness, campaign)
    assert states(view) == {"base": "failed", "above": "blocked", "top": "blocked", "elsewhere": "waiting"}
    assert row(view, "top")["blocked_by"] == "base"
    assert await count(harness, "above") == await count(harness, "top") == 0


async def test_retry_of_the_blocking_build_and_its_success_go_on_with_the_rest(harness: ApiHarness) -> None:
    publish(harness, "base", native(OLD))
    publish(harness, "above", native(OLD), "base")
    campaign = await begin(harness)
    await release_dependents(harness)
    ids = await queued(harness)
    await finish_build(harness, ids["base"], None)
    await fail_for(harness, ids["above"], chain=("above 1.0", "base 1.0"), blocking=ids["base"])
    await look(harness, campaign)
    assert (await harness.client.post(f"/v1/builds/{ids['base']}/retry")).is_success
    view = await look(harness, campaign)
    assert states(view) == {"base": "waiting", "above": "blocked"}
    assert await queued(harness) == {"base": ids["base"]}
    await built(harness, "base", ids["base"])
    assert states(await look(harness, campaign)) == {"base": "done", "above": "waiting"}


async def test_uploaded_wheel_and_newer_release_mend_too(harness: ApiHarness) -> None:
    publish(harness, "base", native(OLD))
    publish(harness, "other", native(OLD))
    publish(harness, "above", native(OLD), "hidden")
    campaign = await begin(harness)
    await release_dependents(harness)
    ids = await queued(harness)
    await finish_build(harness, ids["base"], None)
    await finish_build(harness, ids["other"], None)
    await fail_for(harness, ids["above"], chain=("above 1.0", "hidden 2.0"), blocking=None)
    view = await look(harness, campaign)
    assert view["blockers"] == [{"project": "hidden", "blocks": 1, "state": None}]

    publish(harness, "base", native(NEW))
    publish(harness, "other", native(OLD), version="1.1")
    assert states(await look(harness, campaign)) == {"base": "covered", "other": "waiting", "above": "blocked"}
    assert row(await look(harness, campaign), "other")["version"] == "1.1"
    # A wheel of the requirement that came after the failure.
    harness.clock.now += timedelta(seconds=60)
    filename = publish(harness, "hidden", native(NEW), version="2.0")
    entry = harness.state.wheels[filename]
    later = type(entry.wheel)(
        **{name: getattr(entry.wheel, name) for name in entry.wheel.__slots__} | {"uploaded_at": harness.clock.now}
    )
    harness.state.wheels[filename] = type(entry)(wheel=later, metadata=entry.metadata, contents=entry.contents)
    assert states(await look(harness, campaign))["above"] == "waiting"
    assert await count(harness, "base") == 1


async def test_unsupported_release_fails_with_its_code_until_the_recipe_allows_it(harness: ApiHarness) -> None:
    publish(harness, "base", native(OLD))
    text = 'schema = 1\nname = "base"\n[[rule]]\nwhen.python = ">=3.12"\nunsupported = "it needs distutils"\n'
    assert (await harness.client.put("/v1/recipes/base", json={"text": text})).is_success
    campaign = await begin(harness)
    view = await look(harness, campaign)
    assert (row(view, "base")["state"], row(view, "base")["code"]) == ("failed", "release-unsupported")
    assert "it needs distutils" in row(view, "base")["reason"]
    await mend(harness, "base")
    assert states(await look(harness, campaign)) == {"base": "waiting"}


async def test_release_that_would_work_is_named_with_its_evidence(harness: ApiHarness) -> None:
    publish(harness, "tagged", native(OLD))
    publish(harness, "claimed", native(OLD))
    publish(harness, "hopeless", native(OLD))
    harness.source.add("tagged-1.1.tar.gz", b"tagged 1.1")
    harness.source.add(f"tagged-1.2-{native(NEW)}.whl", b"wheel")
    claims = "Classifier: Programming Language :: Python :: 3.13"
    harness.source.add("claimed-1.1.tar.gz", make_sdist("claimed-1.1", claims))
    campaign = await begin(harness, prefer="own")
    await release_dependents(harness)
    for build_id in (await queued(harness)).values():
        await finish_build(harness, build_id, None)
    view = await look(harness, campaign)
    assert row(view, "tagged")["would_work"] == {
        "version": "1.2",
        "evidence": f"upstream has tagged-1.2-{native(NEW)}.whl",
    }
    assert row(view, "claimed")["would_work"]["version"] == "1.1"
    assert "Programming Language :: Python :: 3.13" in row(view, "claimed")["would_work"]["evidence"]
    assert row(view, "hopeless")["would_work"] is None


async def test_file_is_built_as_it_is_pinned(harness: ApiHarness) -> None:
    harness.resolver.add("pyyaml", "6.0.2")
    campaign = await begin(harness, file="requirements.txt", files={"requirements.txt": "pyyaml==6.0.2\n"})
    view = await look(harness, campaign)
    assert (view["source"], [(one["project"], one["version"]) for one in view["rows"]]) == (
        "requirements.txt",
        [("pyyaml", "6.0.2")],
    )
    assert list(await queued(harness)) == [canonicalize_name("pyyaml")]


async def test_stopped_campaign_starts_nothing_more_and_the_next_one_is_new(harness: ApiHarness) -> None:
    publish(harness, "compiled", native(OLD))
    campaign = await begin(harness)
    await release_dependents(harness)
    stopped = (await harness.client.post(f"{campaign['url']}/stop")).json()
    assert (stopped["stopped"], await queued(harness)) == (True, {})
    assert (await begin(harness))["id"] != campaign["id"]
    entries = await harness.services.audit.list_entries(AuditFilter(object=campaign["id"]))
    assert [entry.change.action for entry in entries] == ["request.cancelled", "request.made"]
    assert entries[1].change.details["campaign"] == "index"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"python": "3.6"}, 422, "unknown-target"),
        ({"python": "nonsense"}, 422, "unknown-target"),
        ({"python": NEW}, 422, "invalid-request"),
        ({"python": NEW, "unknown": 1}, 422, "invalid-request"),
    ],
)
async def test_campaign_that_cannot_be_had_is_refused(
    harness: ApiHarness, body: dict[str, object], status: int, code: str
) -> None:
    assert_problem(await harness.client.post("/v1/campaigns", json=body), status, code)


async def test_campaign_of_too_many_projects_is_refused(harness: ApiHarness) -> None:
    for number in range(3):
        publish(harness, f"p{number}", native(OLD))
    object.__setattr__(harness.services.campaigns, "most_projects", 2)
    problem = assert_problem(await harness.client.post("/v1/campaigns", json=INDEX), 422, "invalid-request")
    assert "at most 2 projects" in problem["detail"]


async def test_requests_and_what_is_not_there_are_no_campaigns(harness: ApiHarness) -> None:
    harness.resolver.add("pyyaml", "6.0.3")
    request = (await harness.client.post("/v1/requests", json={"requirements": ["pyyaml"]})).json()
    for name in (request["id"], "0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11", "nonsense"):
        assert_problem(await harness.client.get(f"/v1/campaigns/{name}"), 404, "not-found")
        assert_problem(await harness.client.post(f"/v1/campaigns/{name}/stop"), 404, "not-found")


async def test_reading_needs_no_right_to_request(harness: ApiHarness) -> None:
    publish(harness, "compiled", native(OLD))
    campaign = await begin(harness)
    _, secret = await harness.services.tokens.create(name="reader", scope=Scope.READ, created_by="tests")
    assert secret.startswith(PREFIX)
    assert SECRET
    assert (await harness.client.get(campaign["url"])).is_success


async def test_campaign_rests_while_upstream_is_away(harness: ApiHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(harness, "compiled", native(OLD))
    campaign = await begin(harness)
    asked = list[str]()

    async def away(project: str) -> None:
        asked.append(project)
        raise IndexUnavailableError(index="upstream", reason="it is away")

    monkeypatch.setattr(harness.source, "project", away)
    advance = harness.services.prebuilds.advance
    moved = [await advance.once() for _ in range(6)]
    assert moved == [False] * 6
    rest = list[float]()
    save = advance.store.save

    async def noting(turn: PrebuildTurn, *, pause_seconds: float = 0.0) -> bool:
        rest.append(pause_seconds)
        return await save(turn, pause_seconds=pause_seconds)

    monkeypatch.setattr(advance.store, "save", noting)
    object.__setattr__(advance.campaigns, "quiet_seconds", 15.0)
    await advance.once()
    assert rest == [15.0]
    monkeypatch.undo()
    object.__setattr__(advance.campaigns, "quiet_seconds", 0.0)
    assert states(await look(harness, campaign)) == {"compiled": "waiting"}
    assert set(asked) == {"compiled"}


async def test_file_at_an_address_gets_no_advice_about_an_index(harness: ApiHarness) -> None:
    harness.source.add(f"addressed-1.2-{native(NEW)}.whl", b"wheel")
    origin = FileOrigin(
        address="https://files.test/addressed-1.0.tar.gz", name="addressed-1.0.tar.gz", sha256="ab" * 32, version="1.0"
    )
    item = Item(
        project=canonicalize_name("addressed"),
        version="1.0.dev0+fabababababab",
        target=Target.parse(python=NEW, platform="manylinux_2_36_x86_64"),
        origin=Origin(file="requirements.txt"),
        status=ItemStatus.FAILED,
        file=origin,
    )
    advise = harness.services.prebuilds.advance.campaigns.advise
    assert await advise(item, is_refused=False) is None
    assert await advise(replace(item, file=None, version="1.0"), is_refused=False) is not None
