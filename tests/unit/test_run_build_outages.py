"""An attempt while the database is away: a moment costs nothing, a longer absence leaves the build to others."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.contract.samples import sample_wheel
from tests.unit.pipeline_stand import PipelineStand
from tests.unit.run_build_stand import Endless, RunStand, pass_through, running

from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Claim
from wheelyard.errors import DatabaseUnavailableError
from wheelyard.pipeline.job import Job, Tools


@pytest.fixture
def stand(pipeline: PipelineStand, tmp_path: Path) -> RunStand:
    return RunStand(pipeline=pipeline, folder=tmp_path / "attempts")


async def finding(job: Job, tools: Tools) -> Job:
    del tools
    return job.knowing(wheel=sample_wheel())


async def test_database_away_between_two_stages_does_not_cost_the_work(stand: RunStand) -> None:
    stand.attempts.failing_writes = 2
    assert (await stand.run(pass_through, finding)).status is Status.SUCCEEDED


async def test_database_away_at_the_end_does_not_cost_the_wheel(stand: RunStand) -> None:
    async def lose_database(job: Job, tools: Tools) -> Job:
        stand.attempts.failing_writes = 3
        return await finding(job, tools)

    build = await stand.run(lose_database)
    assert (build.status, build.wheel, len(stand.attempts.finished)) == (Status.SUCCEEDED, sample_wheel(), 1)


async def test_database_away_for_good_at_the_end_leaves_the_build_to_the_next_worker(stand: RunStand) -> None:
    async def lose_database(job: Job, tools: Tools) -> Job:
        stand.attempts.failing_writes = 1000
        return await finding(job, tools)

    with pytest.raises(DatabaseUnavailableError):
        await stand.run(lose_database)
    assert (await stand.build()).status is Status.RUNNING


@dataclass
class Keeper:
    """A LeaseKeeper that extends leases for a while."""

    stand: RunStand
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
        return self.stand.attempts.elapsed if self.beats > 0 else 0.0


@pytest.mark.parametrize(("beats", "lost"), [(0, True), (40, False)])
async def test_lease_that_the_keeper_extends_is_not_given_up(stand: RunStand, beats: int, *, lost: bool) -> None:
    """Ten beats that fail take two and a half leases."""
    stand.keeper = keeper = Keeper(stand, beats)
    stand.attempts.failing_beats = set(range(1, 11))
    stage = Endless()
    async with running(stand, stage) as attempt:
        async with asyncio.timeout(10):
            while not (attempt.done() or stand.attempts.beats > 12):  # noqa: ASYNC110 - the attempt keeps its own time
                await asyncio.sleep(0.002)
        assert attempt.done() is lost
        assert bool(keeper.held) is not lost
        await stand.builds.request_cancel((await stand.build()).id, requested_by="tests")
    assert keeper.held == []
