"""The whole way of builds that wait for others, with uv and its pages, and fakes of everything heavy.

Agents play containers: they ask for what a project requires, and make a wheel of it if they are given that.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.contract.samples import TARGET
from tests.contract.stores import DEFAULT, LANE, LEASE_SECONDS, ROOM
from tests.fakes.builds import MemoryAttempts, MemoryBuilds
from tests.fakes.dependencies import MemoryMissingReleases
from tests.fakes.engine import ContainerExitError, MemoryEngine, ScriptedAgent
from tests.fakes.images import MemoryRecipes
from tests.fakes.parsers import InlineParsers
from tests.fakes.queue import MemoryQueue
from tests.fakes.records import MemoryState
from tests.fakes.wheels import MemoryWheels
from tests.integration.loopback_index import Shop, open_shop
from tests.integration.resolver_harness import simple_sdist
from tests.unit.pipeline_harness import REPAIR_REPORT, make_harness, make_wheel

from wheelyard.adapters.host.disk import disk_full_error
from wheelyard.adapters.resolver.own_projects import OwnNames
from wheelyard.adapters.resolver.own_wheels import MixedSource, OwnWheels
from wheelyard.adapters.resolver.pages import ResolverPages
from wheelyard.adapters.resolver.uv import UvResolverOptions
from wheelyard.adapters.resolver.wheels import UvWheelResolver
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.adapters.upstream.index import SimpleSourceIndex, SourceIndexOptions
from wheelyard.domain.builds.build import Build, Stage, Status
from wheelyard.domain.builds.queue import Allocation
from wheelyard.domain.builds.records import BuildFilter, Submission
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.resources import data_path
from wheelyard.usecases.order_dependencies import OrderDependencies
from wheelyard.usecases.request_build import BuilderFacts, BuildRequest, RequestBuild
from wheelyard.usecases.run_build import AttemptOptions, RunBuild


@dataclass(kw_only=True)
class Projects:
    """What projects require; each is played by the containers that are given its sdist or its wheel."""

    requires: dict[str, list[str]] = field(default_factory=dict)
    """What has to be there for the build."""
    needs: dict[str, list[str]] = field(default_factory=dict)
    """What has to be there to run."""
    broken: set[str] = field(default_factory=set)

    async def __call__(self, agent: ScriptedAgent) -> None:
        """Play any of an attempt's containers."""
        message = await agent.receive()
        project = str(message.get("sdist") or message["wheel"]).partition("-")[0]
        if message["kind"] == "build":
            await self._build(agent, project)
        elif message["kind"] == "repair":
            name = f"{project}-1.0-1.bookworm-py3-none-any.whl"
            agent.send_file(name, self._wheel(name, project))
            agent.send("report", wheel=name, **REPAIR_REPORT)
        else:
            agent.send("report", imported=["demo"], skipped={}, remarks=[])

    async def _build(self, agent: ScriptedAgent, project: str) -> None:
        agent.send("need", requirements=self.requires.get(project, []))
        await agent.receive()
        if project in self.broken:
            raise ContainerExitError(1)
        name = f"{project}-1.0-py3-none-any.whl"
        agent.send_file(name, self._wheel(name, project))
        agent.send("report", wheel=name, epoch=315532800, sources=[])

    def _wheel(self, filename: str, project: str) -> bytes:
        return make_wheel(filename, name=project, requires=self.needs.get(project, []))


class Harness:
    """An index with sdists only, and one worker."""

    def __init__(self, folder: Path, shop: Shop) -> None:
        self._shop = shop
        self.projects = Projects()
        state = MemoryState(clock=lambda: datetime.now(UTC))
        pipeline = make_harness(folder)
        self._builds, self._attempts, self._queue = MemoryBuilds(state), MemoryAttempts(state), MemoryQueue(state)
        options = SourceIndexOptions(cache_dir=folder / "f", index_url=shop.url, disk_floor_bytes=0, page_seconds=0)
        source = SimpleSourceIndex(options)
        cache = ContentCache(root=folder / "own", floor_bytes=0)
        own = OwnWheels(store=MemoryWheels(state), storage=pipeline.index, cache=cache)
        pages = ResolverPages(source=source, own=own, names=OwnNames(OwnProjects()), parsers=InlineParsers())
        uv = UvResolverOptions(cache_dir=folder / "uv-cache", environment=os.environ, index_url=shop.url)
        tools = replace(
            pipeline.tools,
            source=MixedSource(source, own),
            resolver=UvWheelResolver(uv, pages),
            engine=MemoryEngine(self.projects),
        )
        attempt = AttemptOptions(
            worker="worker-1",
            folder=folder / "a",
            lease_seconds=60,
            log_bytes=1 << 20,
            log_ceiling_bytes=1 << 20,
            log_bytes_per_second=1 << 20,
            disk_full=disk_full_error,
        )
        self._run = RunBuild(store=self._attempts, steps=pipeline.steps, tools=tools, options=attempt)
        self._request = RequestBuild(source=source, store=self._builds, recipes=MemoryRecipes(), facts=_facts())
        self._supply = OrderDependencies(store=MemoryMissingReleases(state), request_build=self._request)
        self.order: list[str] = []
        """Projects in the order in which their attempts began."""

    def add(self, project: str, *, requires: list[str] | None = None, needs: list[str] | None = None) -> None:
        self._shop.projects.add(project)
        self._shop.add(f"{project}-1.0.tar.gz", simple_sdist(project, "1.0", *(needs or [])))
        self.projects.requires[project], self.projects.needs[project] = requires or [], needs or []

    async def built(self, *projects: str) -> list[Build]:
        """Ask for the last one, and work until there is nothing to do; give their builds."""
        await self._ask(projects[-1])
        offer = Allocation(
            worker="worker-1", lease_seconds=LEASE_SECONDS, lanes=(LANE,), total=ROOM, free=ROOM, default=DEFAULT
        )
        while (claim := await self._queue.claim_next(offer)) is not None:
            self.order.append(claim.order.project)
            await self._run.run(claim)
            await self._supply.once()
        return [await self._newest(project) for project in projects]

    async def _ask(self, project: str) -> Submission:
        request = BuildRequest(
            requirement=project, python=TARGET.python, platform=TARGET.platform, requested_by="tests"
        )
        return await self._request(request)

    async def _newest(self, project: str) -> Build:
        listed = (await self._builds.list_builds(BuildFilter(project=project))).builds
        return await self._builds.get(listed[0].id)


def _facts() -> BuilderFacts:
    catalogue = parse_catalogue((data_path("builders") / "builders.toml").read_text(encoding="utf-8"))
    return BuilderFacts(
        catalogue=catalogue,
        definitions={(one.policy.architecture, one.suite, one.python): "d" for one in catalogue.builders()},
        agent_digest="a",
        build_number=1,
    )


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    with open_shop() as shop:
        shop.projects = set()
        yield Harness(tmp_path, shop)


async def test_each_is_built_before_what_requires_it_and_given_to_it(harness: Harness) -> None:
    harness.add("deepest")
    harness.add("middle", requires=["deepest"])
    harness.add("topmost", requires=["middle>=1"])
    deepest, middle, topmost = await harness.built("deepest", "middle", "topmost")
    assert harness.order == ["topmost", "middle", "deepest", "middle", "topmost"]
    assert [build.status for build in (deepest, middle, topmost)] == [Status.SUCCEEDED] * 3
    assert topmost.wheel is not None
    given = {one.filename: one.sha256 for one in topmost.wheel.build_requirements}
    assert middle.wheel is not None
    assert given == {middle.wheel.filename: middle.wheel.sha256}
    assert [attempt.failure.code for attempt in topmost.attempts if attempt.failure] == ["wheels-missing"]


async def test_what_a_wheel_needs_to_run_is_built_before_it_is_verified(harness: Harness) -> None:
    harness.add("deeper")
    harness.add("needed", needs=["deeper"])
    harness.add("runner", needs=["needed"])
    needed, runner = await harness.built("needed", "runner")
    assert [build.status for build in (needed, runner)] == [Status.SUCCEEDED] * 2
    stages = [attempt.failure.stage for attempt in runner.attempts if attempt.failure]
    assert stages == [Stage.VERIFY], "the sdists say what they need, so everything was found at once"


async def test_failure_is_named_to_whoever_waits(harness: Harness) -> None:
    harness.add("unbuildable")
    harness.add("between", requires=["unbuildable"])
    harness.add("wanting", requires=["between"])
    harness.projects.broken.add("unbuildable")
    (wanting,) = await harness.built("wanting")
    failure = wanting.failure
    assert failure is not None
    assert failure.code == "requirement-build-failed"
    assert failure.summary.startswith("wanting 1.0 needs between 1.0, which needs unbuildable 1.0, whose build failed:")


async def test_circles_are_named_for_builds_and_for_wheels(harness: Harness) -> None:
    harness.add("egg", requires=["chicken"])
    harness.add("chicken", requires=["egg"])
    harness.add("left", needs=["right"])
    harness.add("right", needs=["left"])
    for project, other in (("egg", "chicken"), ("left", "right")):
        failures = [build.failure for build in await harness.built(other, project)]
        codes = {failure.code for failure in failures if failure}
        assert "requirement-cycle" in codes
        assert all(failure and f"{other} 1.0 needs {project} 1.0" in failure.summary for failure in failures)
