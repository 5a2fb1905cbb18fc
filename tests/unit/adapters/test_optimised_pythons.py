"""A host compiles its Pythons with a profile while it is idle, once, and its images get them without new packages."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.adapters.test_image_upkeep import BUILDERS, CATALOGUE, PYTHON, SUITE, FakeEngine, FakeImages

from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.optimise import Effort
from wheelyard.adapters.images.optimised import OptimisationFile, OptimisedPythons
from wheelyard.adapters.images.prune import ImagePruning
from wheelyard.adapters.images.refresh import ImageUpkeep
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.catalogue.optimisation import IDLE, INTERRUPTIONS
from wheelyard.domain.catalogue.upkeep import PruneRules
from wheelyard.errors import EngineUnavailableError, ImageBuildFailedError

NOW = datetime(2026, 12, 3, tzinfo=UTC)


class Images(FakeImages):
    """Compiles by naming, or ends as a test wants."""

    end: Callable[[], Awaitable[None]] | None = None
    efforts: list[Effort]

    async def optimise(self, suite: str, python: str, *, effort: Effort) -> ImageRecord:
        self.efforts.append(effort)
        if self.end is not None:
            await self.end()
        name = (await self.plan(suite)).optimised_name(python)
        engine = self.run.engine
        assert isinstance(engine, FakeEngine)
        engine.add(name.tag, f"sha256:optimised-{suite}-{python}", definition=name.definition, role="python")
        return await self._expect(name.tag)


class Host:
    """An engine with a quick Python, a builder and a runtime."""

    def __init__(self, folder: Path) -> None:
        self.engine, self.now, self.folder = FakeEngine(), NOW, folder / "images"
        options = ImageOptions(lock_dir=folder, architecture="x86_64")
        self.images = Images(
            engine=self.engine, catalogue=CATALOGUE, builders_dir=BUILDERS, cache_dir=folder, options=options
        )
        self.images.efforts = []
        self.file = OptimisationFile(self.folder)
        self.pythons = self.start()

    def start(self) -> OptimisedPythons:
        """Give the state of a worker that has just started."""
        rules = PruneRules(budget_bytes=0, longest_build=timedelta(hours=3))

        async def current() -> dict[str, str]:
            return await self.images.definitions_of([SUITE])

        pruning = ImagePruning(engine=self.engine, folder=self.folder, rules=rules, current=current)
        upkeep = ImageUpkeep(images=self.images, folder=self.folder, pruning=pruning, clock=lambda: self.now)
        return OptimisedPythons(
            images=self.images, upkeep=upkeep, suites=[SUITE], folder=self.folder, clock=lambda: self.now
        )

    async def fill(self) -> None:
        plan = await self.images.plan(SUITE)
        for role, name in (
            ("base", plan.base().name),
            ("python", plan.python_name(PYTHON)),
            ("builder", plan.builder_name(PYTHON)),
            ("runtime", plan.runtime_name(PYTHON)),
        ):
            self.engine.add(
                name.tag, f"sha256:old-{role}", definition=name.definition, suite=SUITE, role=role, python=PYTHON
            )

    async def idle(self) -> bool:
        """Be idle long enough, and return whether it compiled."""
        await self.pythons.run_if_idle(is_idle=True)
        self.now += IDLE
        return await self.pythons.run_if_idle(is_idle=True)

    def ids(self) -> set[object]:
        return {image["Id"] for image in self.engine.images.values()}


@pytest.fixture
async def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    await made.fill()
    return made


async def test_idle_host_compiles_at_the_lowest_priority_and_its_images_get_the_result(host: Host) -> None:
    assert await host.idle()
    [effort] = host.images.efforts
    assert {"--cpu-shares", "2", "--memory"} <= set(effort.arguments())
    assert {"new-builder-bookworm-3.13", "new-runtime-bookworm-3.13"} <= host.ids()
    assert not {"sha256:old-builder", "sha256:old-runtime"} & host.ids()
    assert host.file.read() == ()
    assert not await host.idle()


async def test_busy_host_compiles_nothing_until_it_was_idle_for_some_time(host: Host) -> None:
    for _ in range(3):
        host.now += IDLE
        assert not await host.pythons.run_if_idle(is_idle=False)
    host.now += IDLE / 2
    assert not await host.pythons.run_if_idle(is_idle=True)
    assert host.images.efforts == []
    host.now += IDLE / 2
    assert await host.pythons.run_if_idle(is_idle=True)


async def test_failed_compilation_leaves_the_images_and_is_not_repeated(host: Host) -> None:
    async def fail() -> None:
        raise ImageBuildFailedError(image="optimised", excerpt="optimised: test_re fails")

    host.images.end = fail
    before = host.ids()
    assert await host.idle()
    assert host.ids() == before
    [record] = host.file.read()
    assert record.is_over
    assert record.reason
    host.pythons = host.start()
    assert not await host.idle()
    assert len(host.images.efforts) == 1
    host.images.end = None
    await host.pythons.run_now(SUITE, PYTHON)
    assert host.file.read() == ()
    assert "new-runtime-bookworm-3.13" in host.ids()


async def test_compilation_whose_process_is_killed_is_tried_three_times(host: Host) -> None:
    class Killed(BaseException):
        """As if the process ended here."""

    async def die() -> None:
        raise Killed

    host.images.end = die
    for _ in range(INTERRUPTIONS):
        with pytest.raises(Killed):
            await host.idle()
        host.pythons = host.start()
    assert not await host.idle()
    [record] = host.file.read()
    assert "interrupted 3 times" in record.reason


async def test_worker_that_is_stopped_in_order_and_an_engine_that_is_down_count_nothing(host: Host) -> None:
    async def stop() -> None:
        raise asyncio.CancelledError

    async def fall_silent() -> None:
        raise EngineUnavailableError(engine="docker", reason="it is down")

    host.images.end = stop
    with pytest.raises(asyncio.CancelledError):
        await host.idle()
    host.images.end = fall_silent
    with pytest.raises(EngineUnavailableError):
        await host.idle()
    assert host.file.read() == ()


async def test_images_that_lag_after_a_crash_get_the_python_that_is_there(host: Host) -> None:
    await host.images.optimise(SUITE, PYTHON, effort=Effort())
    assert not await host.idle()
    assert "new-builder-bookworm-3.13" in host.ids()
    assert len(host.images.efforts) == 1


async def test_exchange_that_fails_is_not_repeated_in_every_round(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    await host.images.optimise(SUITE, PYTHON, effort=Effort())
    host.images.fails = True
    looks = list[str]()
    adopt = ImageUpkeep.adopt

    async def note(upkeep: ImageUpkeep, suite: str) -> tuple[str, ...]:
        looks.append(suite)
        return await adopt(upkeep, suite)

    monkeypatch.setattr(ImageUpkeep, "adopt", note)
    assert not await host.idle()
    for _ in range(3):
        assert not await host.pythons.run_if_idle(is_idle=True)
    assert looks == [SUITE]
    host.images.fails = False
    host.now += timedelta(hours=1)
    assert not await host.pythons.run_if_idle(is_idle=True)
    assert "new-runtime-bookworm-3.13" in host.ids()


async def test_another_worker_of_the_host_or_a_refresh_goes_first(host: Host) -> None:
    host.folder.mkdir()
    for name in ("optimise.lock", "last-refresh.lock"):
        with FileLock(host.folder / name):
            assert not await host.idle()
    assert host.images.efforts == []


async def test_successors_keep_the_packages_of_a_refresh(host: Host) -> None:
    plan = await host.images.revised("20261203T000000", kept="20261201T000000").plan(SUITE)
    assert plan.base().name.tag == (await host.images.plan(SUITE)).base().name.tag
    assert plan.runtime_name(PYTHON).tag.endswith("-20261203T000000")
