"""An attempt while the database is away: a moment costs nothing, a longer absence leaves the build to others."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.contract.samples import sample_wheel
from tests.unit.pipeline_harness import PipelineHarness
from tests.unit.run_build_harness import Endless, RunHarness, pass_through, running

from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Claim
from wheelyard.errors import DatabaseUnavailableError
from wheelyard.pipeline.job import Job, Tools


@pytest.fixture
def harness(pipeline: PipelineHarness, tmp_path: Path) -> RunHarness:
    return RunHarness(pipeline=pipeline, folder=tmp_path / "attempts")


async def finding(job: Job, tools: Tools) -> Job:
    del tools
    return job.knowing(wheel=sample_wheel())


async def test_database_away_between_two_stages_does_not_cost_the_work(harness: RunHarness) -> None:
    harness.attempts.failing_writes = 2
    assert (await harness.run(pass_through, finding)).status is Status.SUCCEEDED


async def test_database_away_at_the_end_does_not_cost_the_wheel(harness: RunHarness) -> None:
    async def lose_database(job: Job, tools: Tools) -> Job:
        harness.attempts.failing_writes = 3
        return await finding(job, tools)

    build = await harness.run(lose_database)
    assert (build.status, build.wheel, len(harness.attempts.finished)) == (Status.SUCCEEDED, sample_wheel(), 1)


async def test_database_away_for_good_at_the_end_leaves_the_build_to_the_next_worker(harness: RunHarness) -> None:
    async def lose_database(job: Job, tools: Tools) -> Job:
        harness.attempts.failing_writes = 1000
        return await finding(job, tools)

    with pytest.raises(DatabaseUnavailableError):
        await harness.run(lose_database)
    assert (await harness.build()).status is Status.RUNNING


@dataclass
class Keeper:
    """A LeaseKeeper that extends leases for a while."""

    harness: RunHarness
    beats: int
    held: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def holding(self, claim: Claim) -> Iterator[None]:
        self.held.append(claim.build_id)
        try:
            yield
        finally:
            self.held.remove(claim.build_id)

    def last_beat(self, claim: Claim) -> float:
        assert claim.build_id in self.held
        self.beats -= 1
        return self.harness.attempts.elapsed if self.beats > 0 else 0.0


@pytest.mark.parametrize(("beats", "lost"), [(0, True), (40, False)])
async def test_lease_that_the_keeper_extends_is_not_given_up(harness: RunHarness, beats: int, *, lost: bool) -> None:
    """Ten beats that fail take two and a half leases."""
    harness.keeper = keeper = Keeper(harness, beats)
    harness.attempts.failing_beats = set(range(1, 11))
    stage = Endless()
    async with running(harness, stage) as attempt:
        async with asyncio.timeout(10):
            while not (attempt.done() or harness.attempts.beats > 12):  # noqa: ASYNC110 - the attempt keeps its own time
                await asyncio.sleep(0.002)
        assert attempt.done() is lost
        assert bool(keeper.held) is not lost
        await harness.builds.request_cancel((await harness.build()).id, requested_by="tests")
    assert keeper.held == []
