"""A brought sdist becomes wheels for all targets, with as few builds as their tags allow."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.contract.samples import TARGET, sample_wheel
from tests.fakes.builds import MemoryAttempts, MemoryBuilds
from tests.fakes.own_projects import own_source
from tests.fakes.queue import MemoryFleet
from tests.fakes.sources import MemoryReleaseResolver, MemorySourceIndex
from tests.unit.api_harness import ApiParts, prebuild_harness
from tests.unit.recipe_texts import HEAD, parse_recipe
from tests.unit.wheel_harness import METADATA, WheelHarness

from wheelyard.domain.builds.build import Build, Status
from wheelyard.domain.builds.queue import Capacity, Lane, WorkerRegistration, WorkerState
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.index.index import Level, PublishedFile
from wheelyard.domain.index.sdists import BroughtSdist
from wheelyard.domain.index.wheels import WheelOrigin
from wheelyard.domain.packaging.coverage import serves
from wheelyard.domain.packaging.release import allows_python
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import ItemStatus, Prebuild
from wheelyard.domain.prebuilds.sdists import NamedTargets
from wheelyard.errors import NoTargetFitsError, UnknownTargetError
from wheelyard.usecases.prebuild import Prebuilds

SDIST = "demo-1.0.tar.gz"
Name = Callable[[Target], str]


def pure(target: Target) -> str:
    del target
    return "demo-1.0-1-py3-none-any.whl"


def abi3(target: Target) -> str:
    return f"demo-1.0-1-cp{''.join(target.python.split('.'))}-abi3-{target.platform}.whl"


def native(target: Target) -> str:
    tag = f"cp{''.join(target.python.split('.'))}"
    return f"demo-1.0-1-{tag}-{tag}-{target.platform}.whl"


@dataclass(frozen=True, kw_only=True)
class Harness:
    """The use cases over stores in memory, and a worker that builds at once."""

    index: WheelHarness
    parts: ApiParts
    prebuilds: Prebuilds

    @property
    def targets(self) -> tuple[Target, ...]:
        """Those that are built for where nobody names any."""
        return tuple(one for one in self.prebuilds.advance.request_build.targets() if not one.is_free_threaded)

    async def order(self, sdist: BroughtSdist, *targets: Target) -> Prebuild:
        """Store an sdist, and the request for its wheels on some targets; without any, on all."""
        named = NamedTargets(
            pythons=tuple(one.python for one in targets), platforms=tuple(one.platform for one in targets)
        )
        request = await self.prebuilds.wheels_of(sdist, named=named)
        self.index.state.sdists[sdist.filename] = replace(sdist, request_id=request.id)
        await self.prebuilds.store.create(request)
        return request

    async def run(self, prebuild: Prebuild, name: Name) -> tuple[Prebuild, list[Target]]:
        """Advance to the end; return the prebuild and the targets that were built, in their order."""
        built: list[Target] = []
        while True:
            await self.prebuilds.advance.once()
            queued = [one.build for one in self.index.state.records.values() if one.build.status is Status.QUEUED]
            if not queued:
                return await self.prebuilds.get(prebuild.id), built
            for build in queued:
                built.append(build.order.target)
                await self._build(build, name(build.order.target))

    async def _build(self, build: Build, filename: str) -> None:
        attempts = MemoryAttempts(self.index.state)
        claim = await attempts.claim(build.id, worker="w", lease_seconds=20)
        assert claim is not None
        wheel = replace(
            sample_wheel(), filename=filename, sha256="ab" * 32, tag=filename, url="memory:", level=Level.PROD
        )
        published = PublishedFile(
            filename=filename,
            url=f"memory:demo/{filename}",
            index_url="memory:",
            sha256="ab" * 32,
            size_bytes=1,
            uploaded=True,
            metadata=METADATA + b"Requires-Dist: something\n",
        )
        assert await attempts.finish(claim, Outcome(status=Status.SUCCEEDED, wheel=wheel, published=published))


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    index = WheelHarness()
    source = own_source(index.state, tmp_path)
    parts = ApiParts(
        state=index.state,
        builds=MemoryBuilds(index.state),
        logs=None,  # type: ignore[arg-type]  # nothing here reads a log
        source=MemorySourceIndex(tmp_path),
        cache_dir=tmp_path,
    )
    request = parts.order()
    request._source = source
    prebuilds = prebuild_harness(
        index.state, source=source, resolver=MemoryReleaseResolver(), index=index.prod, request_build=request
    )
    return Harness(index=index, parts=parts, prebuilds=prebuilds)


def brought(metadata: bytes = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n") -> BroughtSdist:
    sdist = WheelHarness().bring(SDIST, metadata=metadata)
    return replace(sdist, request_id=None)


async def test_pure_project_is_built_once_for_all_targets(harness: Harness) -> None:
    done, built = await harness.run(await harness.order(brought()), pure)
    assert len(built) == 1
    assert {item.target for item in done.items} == set(harness.targets)
    assert {item.status for item in done.items} == {ItemStatus.PRESENT}
    assert done.finished_at is not None


async def test_abi3_project_is_built_once_for_each_architecture(harness: Harness) -> None:
    done, built = await harness.run(await harness.order(brought()), abi3)
    architectures = {target.policy.architecture for target in harness.targets}
    assert sorted(target.policy.architecture for target in built) == sorted(architectures)
    assert {item.status for item in done.items} == {ItemStatus.PRESENT}


async def test_native_project_is_built_once_for_each_python_on_the_oldest_suite_that_has_it(harness: Harness) -> None:
    done, built = await harness.run(await harness.order(brought()), native)
    assert {item.status for item in done.items} == {ItemStatus.PRESENT}
    lanes = [(target.policy.architecture, target.python) for target in built]
    assert len(set(lanes)) == len(lanes)
    assert set(lanes) == {(target.policy.architecture, target.python) for target in harness.targets}
    for target in harness.targets:
        assert any(serves(native(one), target) for one in built)


async def test_targets_are_those_that_requires_python_and_the_recipe_leave(harness: Harness) -> None:
    rule = "[[rule]]\nwhen.suite = ['bullseye']\nunsupported = 'its libraries are too old'\n"
    recipe = parse_recipe(HEAD + rule, source="demo.toml", files={})
    harness.parts.recipes.recipes[recipe.name] = recipe
    order = await harness.order(brought(b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nRequires-Python: >=3.12\n"))
    plan = harness.prebuilds.advance.request_build
    wanted = {
        target
        for target in harness.targets
        if allows_python(">=3.12", target.python) and plan.suite_for(target) != "bullseye"
    }
    assert set(order.targets) == wanted != set(harness.targets)
    assert order.targets == tuple(item.target for item in order.items)


async def test_named_targets_alone_are_ordered(harness: Harness) -> None:
    done, built = await harness.run(await harness.order(brought(), TARGET), native)
    assert (done.targets, built) == ((TARGET,), [TARGET])


async def test_sdist_that_no_target_can_use_is_refused_and_its_name_stays_free(harness: Harness) -> None:
    with pytest.raises(NoTargetFitsError, match="Requires-Python: <3"):
        await harness.order(brought(b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\nRequires-Python: <3\n"))
    assert harness.index.state.sdists == {}


@pytest.mark.parametrize(
    ("named", "says"),
    [
        (NamedTargets(pythons=("3.4",)), "Python 3.4 on manylinux"),
        (NamedTargets(platforms=("manylinux_2_5_x86_64",)), "on manylinux_2_5_x86_64"),
        (NamedTargets(pythons=("3.13", "no Python" * 1000)), "no Python"),
    ],
)
async def test_target_that_there_is_not_is_refused(harness: Harness, named: NamedTargets, says: str) -> None:
    with pytest.raises(UnknownTargetError, match=says) as caught:
        await harness.prebuilds.wheels_of(brought(), named=named)
    assert len(caught.value.summary) < 300


async def test_free_threaded_python_is_built_for_if_it_is_named(harness: Harness) -> None:
    prebuild = await harness.prebuilds.wheels_of(brought(), named=NamedTargets(pythons=("3.13t",)))
    assert {target.python for target in prebuild.targets} == {"3.13t"}


async def test_python_alone_names_all_platforms_that_have_it(harness: Harness) -> None:
    request = await harness.prebuilds.wheels_of(brought(), named=NamedTargets(pythons=("3.13",)))
    assert set(request.targets) == {target for target in harness.targets if target.python == "3.13"}


async def test_wheel_that_was_brought_beside_it_is_not_built(harness: Harness) -> None:
    harness.index.put("demo-1.0-py3-none-any.whl", origin=WheelOrigin.BROUGHT)
    done, built = await harness.run(await harness.order(brought()), pure)
    assert built == []
    assert {item.filename for item in done.items} == {"demo-1.0-py3-none-any.whl"}


async def test_mirrored_wheel_of_a_stranger_serves_no_target_of_a_brought_sdist(harness: Harness) -> None:
    harness.index.put("demo-1.0-py3-none-any.whl", origin=WheelOrigin.MIRRORED)
    done, built = await harness.run(await harness.order(brought()), pure)
    assert len(built) == 1
    assert {item.filename for item in done.items} == {pure(TARGET)}


async def test_architecture_without_a_worker_is_not_waited_for(harness: Harness) -> None:
    for name, architecture, state in (
        ("one", "x86_64", WorkerState.ACTIVE),
        ("other", "aarch64", WorkerState.STOPPED),
    ):
        lane = Lane(architecture=architecture, suite="bookworm", python="3.13")
        registration = WorkerRegistration(
            name=name, host="h", lanes=(lane,), capacity=Capacity(slots=1, cpus=1.0, memory_bytes=1 << 30), state=state
        )
        await MemoryFleet(harness.index.state).report_worker(registration)
    order = await harness.order(brought())
    assert {target.policy.architecture for target in order.targets} == {"x86_64"}
    assert set(order.targets) == {target for target in harness.targets if target.policy.architecture == "x86_64"}
