"""An attempt while the database is away: a moment costs nothing, a longer absence leaves the build to others."""

from pathlib import Path

import pytest
from tests.contract.samples import sample_wheel
from tests.unit.pipeline_stand import PipelineStand
from tests.unit.run_build_stand import RunStand, pass_through

from wheelyard.domain.build import Status
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
