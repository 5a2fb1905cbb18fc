"""One attempt at a build: how it ends is recorded, by its lease's holder alone, and it leaves nothing behind."""

import asyncio
from pathlib import Path

import pytest
from tests.contract.samples import BEGINNING, sample_wheel
from tests.unit.pipeline_stand import PipelineStand
from tests.unit.run_build_stand import LEASE_SECONDS, Endless, RunStand, pass_through, running

from wheelyard.domain.build import Stage, StageTiming, Status
from wheelyard.errors import BuildFailedError, InvalidSdistError
from wheelyard.pipeline.job import Job, StageFunction, Tools


@pytest.fixture
def stand(pipeline: PipelineStand, tmp_path: Path) -> RunStand:
    return RunStand(pipeline=pipeline, folder=tmp_path / "attempts")


def failing(error: Exception, log: bytes = b"") -> StageFunction:
    async def act(job: Job, tools: Tools) -> Job:
        del tools
        await job.log.write(log)
        raise error

    return act


def failing_build(log: bytes) -> StageFunction:
    return failing(BuildFailedError(release="demo 1.0", exit_reason="the build backend ended with exit code 1"), log)


async def finding(job: Job, tools: Tools) -> Job:
    del tools
    return job.knowing(wheel=sample_wheel())


async def test_wheel_of_a_succeeded_build_is_recorded(stand: RunStand) -> None:
    build = await stand.run(pass_through, finding)
    assert (build.status, build.wheel, build.failure) == (Status.SUCCEEDED, sample_wheel(), None)
    assert [(one.number, one.worker, one.status) for one in build.attempts] == [(1, "worker-1", Status.SUCCEEDED)]


async def test_log_names_each_stage_in_order(stand: RunStand) -> None:
    await stand.run(pass_through, finding)
    assert await stand.log() == "==> stage resolve\n==> stage fetch\n"


async def test_each_stage_sees_what_the_former_ones_found(stand: RunStand) -> None:
    seen: list[Job] = []

    async def look(job: Job, tools: Tools) -> Job:
        assert tools.build_number == 1
        seen.append(job)
        return job

    await stand.run(look, finding, look)
    assert [job.wheel for job in seen] == [None, sample_wheel()]


async def test_timings_are_recorded_in_order(stand: RunStand) -> None:
    async def take_time(job: Job, tools: Tools) -> Job:
        del tools
        stand.clock.advance(2)
        stand.attempts.elapsed += 2
        return job

    build = await stand.run(take_time, failing(ValueError("no")), pass_through)
    first, second = build.attempts[0].timings
    assert first == StageTiming(stage=Stage.RESOLVE, started_at=BEGINNING, seconds=2)
    assert (second.stage, (second.started_at - BEGINNING).total_seconds()) == (Stage.FETCH, 2)


async def test_typed_error_becomes_a_failure_of_its_stage(stand: RunStand) -> None:
    error = InvalidSdistError(file="demo-1.0.tar.gz", reason="it is empty")
    build = await stand.run(pass_through, failing(error, b"looking into it\n"), finding)
    assert (build.status, build.wheel) == (Status.FAILED, None)
    assert build.failure is not None
    assert (build.failure.stage, build.failure.code) == (Stage.FETCH, "invalid-sdist")
    assert (build.failure.summary, build.failure.hint) == (error.summary, error.hint)
    assert "looking into it" in build.failure.log_excerpt
    assert "==> fetch failed: demo-1.0.tar.gz is not a usable sdist" in await stand.log()


async def test_unexpected_exception_has_a_reference_and_shows_nothing_of_our_inside(
    stand: RunStand, capsys: pytest.CaptureFixture[str]
) -> None:
    build = await stand.run(failing(ZeroDivisionError("the secret is 42")))
    failure = build.failure
    assert failure is not None
    assert (failure.code, failure.stage, build.status) == ("internal-error", Stage.RESOLVE, Status.FAILED)
    shown = repr(failure) + await stand.log()
    assert not any(word in shown for word in ("Traceback", "ZeroDivisionError", "secret"))
    reference = failure.summary.partition("(reference ")[2].partition(")")[0]
    assert len(reference) == 12
    assert reference in capsys.readouterr().out


async def test_attempt_that_cannot_have_its_folder_is_recorded_as_failed(stand: RunStand) -> None:
    stand.folder.write_text("a file is in the way")
    build = await stand.run(pass_through)
    assert build.failure is not None
    assert (build.status, build.failure.code, build.failure.stage) == (Status.FAILED, "internal-error", None)


async def test_attempts_folder_is_its_own_and_removed(stand: RunStand) -> None:
    async def leave_files(job: Job, tools: Tools) -> Job:
        del tools
        assert list(job.folder.iterdir()) == []
        (job.folder / "below").mkdir()
        (job.folder / "below" / "file").touch()
        return job

    await stand.run(leave_files)
    assert list(stand.folder.iterdir()) == []


async def test_build_that_somebody_else_holds_is_left_alone(stand: RunStand) -> None:
    build_id = await stand.queued()
    assert await stand.attempts.claim(build_id, worker="worker-2", lease_seconds=60)
    await stand.runner(failing(ValueError("never run")))(build_id)
    build = await stand.build()
    assert (build.status, len(build.attempts), build.attempts[0].worker) == (Status.RUNNING, 1, "worker-2")
    assert (stand.attempts.finished, stand.folder.exists()) == ([], False)


async def test_build_that_is_over_or_unknown_is_left_alone(stand: RunStand) -> None:
    build = await stand.run(finding)
    await stand.runner(failing(ValueError("never run")))(build.id)
    await stand.runner(failing(ValueError("never run")))("no such build")
    assert await stand.build() == build


async def test_cancelled_build_stops_and_is_recorded_as_cancelled(stand: RunStand) -> None:
    stage = Endless()
    async with running(stand, stage):
        await stand.builds.request_cancel((await stand.build()).id)
    build = await stand.build()
    assert (build.status, build.failure, build.wheel, stage.stopped) == (Status.CANCELLED, None, None, True)
    assert [timing.stage for timing in build.attempts[0].timings] == [Stage.RESOLVE]
    assert list(stand.folder.iterdir()) == []


async def test_lease_that_somebody_else_took_over_ends_the_work_and_nothing_is_recorded(stand: RunStand) -> None:
    stage = Endless()
    async with running(stand, stage):
        stand.clock.advance(LEASE_SECONDS + 1)
        assert await stand.attempts.claim((await stand.build()).id, worker="worker-2", lease_seconds=60)
    build = await stand.build()
    assert (build.status, stage.stopped, stand.attempts.finished) == (Status.RUNNING, True, [])
    lost, taken = build.attempts
    assert lost.failure is not None
    assert (lost.failure.code, taken.worker, taken.finished_at) == ("worker-lost", "worker-2", None)
    assert await stand.log(attempt=2) == ""


async def test_lease_found_lost_between_two_stages_ends_the_work(stand: RunStand) -> None:
    async def lose_lease(job: Job, tools: Tools) -> Job:
        del tools
        stand.clock.advance(LEASE_SECONDS + 1)
        assert await stand.attempts.claim(job.claim.build_id, worker="worker-2", lease_seconds=60)
        return job

    build = await stand.run(lose_lease, failing(ValueError("never run")))
    assert (build.status, stand.attempts.finished, build.attempts[-1].worker) == (Status.RUNNING, [], "worker-2")


async def test_database_away_for_three_quarters_of_the_lease_stops_the_work(stand: RunStand) -> None:
    stage = Endless()
    stand.attempts.failing_beats = set(range(2, 100))
    async with running(stand, stage):
        pass
    assert (stage.stopped, stand.attempts.finished) == (True, [])
    assert stand.attempts.beats == 4, "one was heard, two failed within the time, the third was too late"
    assert (await stand.build()).status is Status.RUNNING


async def test_database_away_for_a_moment_does_not_disturb_the_work(stand: RunStand) -> None:
    stand.attempts.failing_beats = {1, 2, 4, 5, 7, 8}

    async def outlast(job: Job, tools: Tools) -> Job:
        while stand.attempts.beats < 9:  # noqa: ASYNC110 - beats are counted, not announced
            await asyncio.sleep(LEASE_SECONDS / 4)
        return await finding(job, tools)

    assert (await stand.run(outlast)).status is Status.SUCCEEDED


async def test_stopped_worker_leaves_the_build_to_the_next_one(stand: RunStand) -> None:
    stage = Endless()
    with pytest.raises(asyncio.CancelledError):
        async with running(stand, stage) as attempt:
            attempt.cancel()
    assert (stage.stopped, stand.attempts.finished) == (True, [])
    assert ((await stand.build()).status, list(stand.folder.iterdir())) == (Status.RUNNING, [])


async def test_log_is_cut_at_its_limit_with_a_note(stand: RunStand) -> None:
    stand.log_bytes = 100
    build = await stand.run(failing_build(b"x" * 300 + b"\nthe last words\n"))
    log = await stand.log()
    assert log.startswith("==> stage resolve\nxxx")
    assert log.endswith("x\n==> the log was cut here, at its limit of 100 bytes\n")
    assert build.attempts[0].log_truncated
    assert build.failure is not None
    assert "the last words" in build.failure.log_excerpt, "what matters is kept though it is beyond the limit"


async def test_excerpt_is_the_end_of_the_log_and_at_most_forty_lines(stand: RunStand) -> None:
    build = await stand.run(failing_build("\n".join(f"line {number}" for number in range(500)).encode() + b"\n"))
    assert build.failure is not None
    lines = build.failure.log_excerpt.splitlines()
    assert (len(lines), "line 499" in lines, "line 400" in lines) == (40, True, False)


async def test_what_the_log_shows_replaces_the_cause(stand: RunStand) -> None:
    build = await stand.run(failing_build(b"ext/a.c:2:10: fatal error: yaml.h: No such file or directory\n"))
    assert build.failure is not None
    assert build.failure.summary == "demo 1.0 did not build: the C header yaml.h is missing."
    assert "apt-file search yaml.h" in build.failure.hint


async def test_log_that_explains_nothing_leaves_the_cause_as_it_was(stand: RunStand) -> None:
    build = await stand.run(failing_build(b"something went wrong\n"))
    assert build.failure is not None
    assert build.failure.summary == "demo 1.0 did not build: the build backend ended with exit code 1."


async def test_log_of_an_error_outside_the_build_is_not_searched_for_causes(stand: RunStand) -> None:
    error = InvalidSdistError(file="demo-1.0.tar.gz", reason="it is empty")
    build = await stand.run(failing(error, b"fatal error: yaml.h: No such file or directory\n"))
    assert build.failure is not None
    assert build.failure.summary == error.summary
