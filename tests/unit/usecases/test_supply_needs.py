"""What builds wait for is ordered as a request would be, and refused as one would be."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.contract.samples import TARGET, sample_order
from tests.fakes.builds import MemoryAttempts, MemoryBuilds
from tests.fakes.dependencies import MemoryMissingReleases
from tests.fakes.images import MemoryRecipes
from tests.fakes.records import MemoryState
from tests.fakes.sources import MemorySourceIndex
from tests.unit.recipe_texts import HEAD, parse_recipe

from wheelyard.domain.builds.build import Build, MissingRelease, Status
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.errors import DatabaseUnavailableError, IndexUnavailableError
from wheelyard.resources import data_path
from wheelyard.usecases.order_dependencies import OrderDependencies
from wheelyard.usecases.request_build import BuilderFacts, BuildRequest, RequestBuild


@dataclass(frozen=True, kw_only=True)
class Harness:
    """A build that waits for ``needed``, whose recipe is known here."""

    state: MemoryState
    source: MemorySourceIndex
    request: RequestBuild
    supply: OrderDependencies

    async def waits_for(self, version: str) -> str:
        order = sample_order(project="top")
        submission = await MemoryBuilds(self.state).submit(order, requested_by="alice", priority=Priority.BATCH)
        claim = await MemoryAttempts(self.state).claim(submission.build.id, worker="w", lease_seconds=20)
        assert claim is not None
        needs = (MissingRelease(project="needed", version=version),)
        assert await MemoryAttempts(self.state).finish(claim, Outcome(status=Status.QUEUED, counts=False, needs=needs))
        return submission.build.id

    async def build(self, build_id: str) -> Build:
        return await MemoryBuilds(self.state).get(build_id)


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    catalogue = parse_catalogue((data_path("builders") / "builders.toml").read_text(encoding="utf-8"))
    source = MemorySourceIndex(tmp_path)
    for version in ("1.0", "2.0"):
        source.add(f"needed-{version}.tar.gz", version.encode())
    state = MemoryState(clock=lambda: datetime.now(UTC))
    facts = BuilderFacts(
        catalogue=catalogue,
        definitions={(one.policy.architecture, one.suite, one.python): "d" for one in catalogue.builders()},
        agent_digest="a",
        build_number=1,
    )
    text = HEAD.replace("demo", "needed")
    rules = "[[rule]]\napt = ['libneeded-dev']\n[[rule]]\nwhen.version = '>=2'\nunsupported = 'it is too new'\n"
    recipes = MemoryRecipes(parse_recipe(text + rules, source="needed.toml", files={}))
    request = RequestBuild(source=source, store=MemoryBuilds(state), recipes=recipes, facts=facts)
    supply = OrderDependencies(store=MemoryMissingReleases(state), request_build=request)
    return Harness(state=state, source=source, request=request, supply=supply)


async def test_needed_release_is_ordered_with_its_recipe_for_the_same_target(harness: Harness) -> None:
    waiting = await harness.waits_for("1.0")
    await harness.supply.once()
    (awaited,) = (await harness.build(waiting)).waits_for
    needed = await harness.build(awaited.build_id or "")
    assert (needed.order.project, needed.order.version, needed.order.target) == ("needed", "1.0", TARGET)
    assert (needed.order.recipe.apt, needed.priority) == (("libneeded-dev",), Priority.BATCH)
    request = BuildRequest(
        requirement="needed<2", python=TARGET.python, platform=TARGET.platform, requested_by="somebody"
    )
    assert (await harness.request(request)).build.id == needed.id, "a request for the same joins it"


async def test_release_that_would_be_refused_fails_who_waits_for_it(harness: Harness) -> None:
    waiting = await harness.waits_for("2.0")
    await harness.supply.once()
    build = await harness.build(waiting)
    assert build.failure is not None
    assert (build.status, build.failure.code) == (Status.FAILED, "requirement-build-failed")
    assert "needs needed 2.0, which cannot be built here: " in build.failure.summary
    assert "it is too new" in build.failure.summary


async def test_index_that_is_away_puts_it_off(harness: Harness) -> None:
    waiting = await harness.waits_for("1.0")
    harness.source.project_fault = IndexUnavailableError(index="upstream", reason="it is down")
    await harness.supply.once()
    assert [one.build_id for one in (await harness.build(waiting)).waits_for] == [None]
    harness.source.project_fault = None
    await harness.supply.once()
    assert all(one.build_id for one in (await harness.build(waiting)).waits_for)


async def test_database_that_is_away_is_no_reason_to_give_up(harness: Harness) -> None:
    waiting = await harness.waits_for("1.0")
    harness.source.project_fault = DatabaseUnavailableError(reason="it is away")
    with pytest.raises(DatabaseUnavailableError):
        await harness.supply.once()
    assert (await harness.build(waiting)).status is Status.QUEUED


async def test_fault_of_our_own_fails_who_waits_and_nobody_else(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await harness.waits_for("1.0")

    async def crash(request: BuildRequest) -> None:
        raise RuntimeError(f"no idea what {request.requirement} is")

    monkeypatch.setattr(harness.request, "decide", crash)
    await harness.supply.once()
    failure = (await harness.build(waiting)).failure
    assert failure is not None
    assert failure.code == "requirement-build-failed"
    assert "no idea" not in failure.summary
