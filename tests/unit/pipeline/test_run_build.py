"""One attempt at a build: how it ends is recorded, by its lease's holder alone, and it leaves nothing behind."""

import asyncio
import errno
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.contract.samples import BEGINNING, sample_wheel
from tests.fakes.parsers import InlineParsers
from tests.fakes.queue import MemoryQueue
from tests.unit.pipeline_harness import LIMITS, PipelineHarness
from tests.unit.run_build_harness import LEASE_SECONDS, Endless, RunHarness, pass_through, running

from wheelyard.domain.builds.build import Stage, StageTiming, Status
from wheelyard.domain.catalogue.archive_files import FileKind
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import (
    BuildFailedError,
    EngineUnavailableError,
    ExtensionMissingError,
    ImageBuildFailedError,
    IndexUnavailableError,
    InvalidSdistError,
    ParsersBusyError,
    UntrustedOutputError,
    VerifyFailedError,
    WheelClaimsFalseError,
    WheelLie,
    WheelsMissingError,
)
from wheelyard.interfaces import ContainerSpec
from wheelyard.pipeline.container_job import labels_of
from wheelyard.pipeline.job import Job, StageFunction, Tools, known

SPEC = ContainerSpec(image="image", command=("agent",), limits=LIMITS, labels={}, env={})


@pytest.fixture
def harness(pipeline: PipelineHarness, tmp_path: Path) -> RunHarness:
    return RunHarness(pipeline=pipeline, folder=tmp_path / "attempts")


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


async def test_wheel_of_a_succeeded_build_is_recorded(harness: RunHarness) -> None:
    build = await harness.run(pass_through, finding)
    assert (build.status, build.wheel, build.failure) == (Status.SUCCEEDED, sample_wheel(), None)
    assert [(one.number, one.worker, one.status) for one in build.attempts] == [(1, "worker-1", Status.SUCCEEDED)]


async def test_next_attempt_removes_what_the_former_one_left_and_nothing_else(harness: RunHarness) -> None:
    left: list[list[int]] = []

    async def look(job: Job, tools: Tools) -> Job:
        del tools
        left.append(sorted(harness.pipeline.engine.running))
        return job

    build_id = await harness.queued()
    await harness.attempts.claim(build_id, worker="frozen", lease_seconds=1)
    harness.clock.advance(2)
    for number, build in enumerate((build_id, "another")):
        spec = replace(SPEC, labels=labels_of(replace(harness.pipeline.job.claim, build_id=build)))
        harness.pipeline.engine.running[number] = spec
    await harness.runner(look)(build_id)
    assert left == [[1]]


async def test_next_attempt_does_not_begin_while_nobody_knows_what_the_former_one_left(harness: RunHarness) -> None:
    build_id, stage = await harness.queued(), Endless()
    await harness.attempts.claim(build_id, worker="frozen", lease_seconds=1)
    harness.clock.advance(2)
    harness.pipeline.engine.switch_off()
    await asyncio.wait_for(harness.runner(stage)(build_id), 10)
    failure = (await harness.build()).attempts[-1].failure
    assert failure is not None
    assert (failure.code, failure.retryable, stage.begun.is_set()) == ("engine-unavailable", True, False)


async def test_disk_that_fills_up_under_an_attempt_is_tried_again(harness: RunHarness) -> None:
    build = await harness.run(pass_through, failing(OSError(errno.ENOSPC, "No space left on device")))
    (attempt,) = build.attempts
    assert attempt.failure is not None
    assert (build.status, attempt.failure.code, attempt.failure.retryable) == (Status.QUEUED, "disk-full", True)


async def test_first_attempt_looks_for_no_leftovers(harness: RunHarness) -> None:
    harness.pipeline.engine.running[0] = replace(SPEC, labels=labels_of(harness.pipeline.job.claim))
    await harness.run(finding)
    assert sorted(harness.pipeline.engine.running) == [0]


async def test_log_names_each_stage_in_order(harness: RunHarness) -> None:
    await harness.run(pass_through, finding)
    assert await harness.log() == "==> stage resolve\n==> stage fetch\n"


async def test_each_stage_sees_what_the_former_ones_found(harness: RunHarness) -> None:
    seen: list[Job] = []

    async def look(job: Job, tools: Tools) -> Job:
        assert tools.build_number == 1
        seen.append(job)
        return job

    await harness.run(look, finding, look)
    assert [job.wheel for job in seen] == [None, sample_wheel()]


async def test_timings_are_recorded_in_order(harness: RunHarness) -> None:
    harness.lease_seconds = 60  # no heartbeat moves the clock in between

    async def take_time(job: Job, tools: Tools) -> Job:
        del tools
        harness.clock.advance(2)
        harness.attempts.elapsed += 2
        return job

    build = await harness.run(take_time, failing(ValueError("no")), pass_through)
    first, second = build.attempts[0].timings
    assert first == StageTiming(stage=Stage.RESOLVE, started_at=BEGINNING, seconds=2)
    assert (second.stage, (second.started_at - BEGINNING).total_seconds()) == (Stage.FETCH, 2)


async def test_typed_error_becomes_a_failure_of_its_stage(harness: RunHarness) -> None:
    error = InvalidSdistError(file="demo-1.0.tar.gz", reason="it is empty")
    build = await harness.run(pass_through, failing(error, b"looking into it\n"), finding)
    assert (build.status, build.wheel) == (Status.FAILED, None)
    assert build.failure is not None
    assert (build.failure.stage, build.failure.code) == (Stage.FETCH, "invalid-sdist")
    assert (build.failure.summary, build.failure.hint) == (error.summary, error.hint)
    assert "looking into it" in build.failure.log_excerpt
    assert "==> fetch failed: demo-1.0.tar.gz is not a usable sdist" in await harness.log()


async def test_failure_of_a_brought_wheel_has_what_repair_changed_and_how_each_proof_ended(
    harness: RunHarness,
) -> None:
    repaired = replace(known(harness.pipeline.repaired().repaired), changes=("Its tag was corrected.",))

    async def repair(job: Job, tools: Tools) -> Job:
        del tools
        return job.knowing(repaired=repaired)

    error = VerifyFailedError(wheel="demo 1.0", problems=["it cannot be imported"])
    error.proofs = [("bookworm with Python 3.13", ""), ("trixie with Python 3.13", "no\0" + "x" * 5_000)]
    failure = (await harness.run(repair, failing(error))).failure
    assert failure is not None
    assert failure.changes == ("Its tag was corrected.",)
    passed, failed = failure.proofs
    assert (passed.place, passed.failure) == ("bookworm with Python 3.13", "")
    assert failed.failure.startswith("no\N{REPLACEMENT CHARACTER}x")
    assert len(failed.failure) == 500


async def test_unexpected_exception_has_a_reference_and_shows_nothing_of_our_inside(
    harness: RunHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    build = await harness.run(failing(ZeroDivisionError("the secret is 42")))
    failure = build.failure
    assert failure is not None
    assert (failure.code, failure.stage, build.status) == ("internal-error", Stage.RESOLVE, Status.FAILED)
    shown = repr(failure) + await harness.log()
    assert not any(word in shown for word in ("Traceback", "ZeroDivisionError", "secret"))
    reference = failure.summary.partition("(reference ")[2].partition(")")[0]
    assert len(reference) == 12
    assert reference in capsys.readouterr().out


async def test_attempt_that_cannot_have_its_folder_is_recorded_as_failed(harness: RunHarness) -> None:
    harness.folder.write_text("a file is in the way")
    build = await harness.run(pass_through)
    assert build.failure is not None
    assert (build.status, build.failure.code, build.failure.stage) == (Status.FAILED, "internal-error", None)


async def test_attempts_folder_is_its_own_and_removed(harness: RunHarness) -> None:
    async def leave_files(job: Job, tools: Tools) -> Job:
        del tools
        assert list(job.folder.iterdir()) == []
        (job.folder / "below").mkdir()
        (job.folder / "below" / "file").touch()
        return job

    await harness.run(leave_files)
    assert list(harness.folder.iterdir()) == []


async def test_build_that_somebody_else_holds_is_left_alone(harness: RunHarness) -> None:
    build_id = await harness.queued()
    assert await harness.attempts.claim(build_id, worker="worker-2", lease_seconds=60)
    await harness.runner(failing(ValueError("never run")))(build_id)
    build = await harness.build()
    assert (build.status, len(build.attempts), build.attempts[0].worker) == (Status.RUNNING, 1, "worker-2")
    assert (harness.attempts.finished, harness.folder.exists()) == ([], False)


async def test_build_that_is_over_or_unknown_is_left_alone(harness: RunHarness) -> None:
    build = await harness.run(finding)
    await harness.runner(failing(ValueError("never run")))(build.id)
    await harness.runner(failing(ValueError("never run")))("no such build")
    assert await harness.build() == build


async def test_cancelled_build_stops_and_is_recorded_as_cancelled(harness: RunHarness) -> None:
    stage = Endless()
    async with running(harness, stage):
        await harness.builds.request_cancel((await harness.build()).id, requested_by="tests")
    build = await harness.build()
    assert (build.status, build.failure, build.wheel, stage.stopped) == (Status.CANCELLED, None, None, True)
    assert [timing.stage for timing in build.attempts[0].timings] == [Stage.RESOLVE]
    assert list(harness.folder.iterdir()) == []


async def test_lease_that_somebody_else_took_over_ends_the_work_and_nothing_is_recorded(harness: RunHarness) -> None:
    stage = Endless()
    async with running(harness, stage):
        harness.clock.advance(LEASE_SECONDS + 1)
        assert await harness.attempts.claim((await harness.build()).id, worker="worker-2", lease_seconds=60)
    build = await harness.build()
    assert (build.status, stage.stopped, harness.attempts.finished) == (Status.RUNNING, True, [])
    lost, taken = build.attempts
    assert lost.failure is not None
    assert (lost.failure.code, taken.worker, taken.finished_at) == ("worker-lost", "worker-2", None)
    assert await harness.log(attempt=2) == ""


async def test_lease_found_lost_between_two_stages_ends_the_work(harness: RunHarness) -> None:
    async def lose_lease(job: Job, tools: Tools) -> Job:
        del tools
        harness.clock.advance(LEASE_SECONDS + 1)
        assert await harness.attempts.claim(job.claim.build_id, worker="worker-2", lease_seconds=60)
        return job

    build = await harness.run(lose_lease, failing(ValueError("never run")))
    assert (build.status, harness.attempts.finished, build.attempts[-1].worker) == (Status.RUNNING, [], "worker-2")


async def test_database_away_for_three_quarters_of_the_lease_stops_the_work(harness: RunHarness) -> None:
    stage = Endless()
    async with running(harness, stage):
        before = harness.attempts.beats
        harness.attempts.failing_beats = set(range(before + 2, before + 100))
    assert (stage.stopped, harness.attempts.finished) == (True, [])
    heard = harness.attempts.beats - before
    assert heard == 3, "one was heard; after two that failed, three quarters were over since it was sent"
    assert (await harness.build()).status is Status.RUNNING


async def test_database_away_for_a_moment_does_not_disturb_the_work(harness: RunHarness) -> None:
    harness.attempts.failing_beats = {1, 2, 4, 6, 8}

    async def outlast(job: Job, tools: Tools) -> Job:
        while harness.attempts.beats < 9:  # noqa: ASYNC110 - beats are counted, not announced
            await asyncio.sleep(LEASE_SECONDS / 4)
        return await finding(job, tools)

    assert (await harness.run(outlast)).status is Status.SUCCEEDED


async def test_stopped_worker_hands_the_build_back_at_once(harness: RunHarness) -> None:
    stage = Endless()
    with pytest.raises(asyncio.CancelledError):
        async with running(harness, stage) as attempt:
            attempt.cancel()
    build = await harness.build()
    (handed_back,) = build.attempts
    assert (stage.stopped, build.status, build.not_before) == (True, Status.QUEUED, None)
    assert handed_back.failure is not None
    assert (handed_back.status, handed_back.failure.code) == (Status.CANCELLED, "worker-stopped")
    assert list(harness.folder.iterdir()) == []


async def test_stopped_worker_without_a_database_leaves_the_build_to_its_lease(harness: RunHarness) -> None:
    stage = Endless()
    attempt = asyncio.create_task(harness.runner(stage)(await harness.queued()))
    await asyncio.wait_for(stage.begun.wait(), 10)
    harness.attempts.failing_writes = 1000
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(attempt, 10)
    assert (stage.stopped, (await harness.build()).status) == (True, Status.RUNNING)


async def test_failure_that_may_pass_is_tried_again_after_longer_and_longer_pauses(harness: RunHarness) -> None:
    error = IndexUnavailableError(index="upstream", reason="it is down")
    waited = []
    build = await harness.run(failing(error))
    while build.status is Status.QUEUED:
        assert build.not_before is not None
        waited.append((build.not_before - harness.clock()).total_seconds())
        harness.clock.advance(waited[-1])
        await MemoryQueue(harness.state).sweep()
        await harness.runner(failing(error))(build.id)
        build = await harness.build()
    assert waited == [15, 30]
    assert build.failure is not None
    assert (build.status, build.failure.code, len(build.attempts)) == (Status.FAILED, "index-unavailable", 3)


async def test_failure_that_may_pass_ends_in_the_wheel_once_it_has_passed(harness: RunHarness) -> None:
    build = await harness.run(failing(EngineUnavailableError(engine="docker", reason="it is away")))
    harness.clock.advance(15)
    await MemoryQueue(harness.state).sweep()
    await harness.runner(finding)(build.id)
    assert ((await harness.build()).status, (await harness.build()).wheel) == (Status.SUCCEEDED, sample_wheel())


MISSING = WheelsMissingError(releases=[("needed", "2.0"), ("also", "1.0"), ("needed", "2.0")], target="the target")


async def test_build_that_misses_wheels_waits_for_their_builds(harness: RunHarness) -> None:
    build = await harness.run(pass_through, failing(MISSING))
    assert (build.status, [str(one.release) for one in build.waits_for]) == (
        Status.QUEUED,
        ["also 1.0", "needed 2.0"],
    )
    (attempt,) = build.attempts
    assert attempt.failure is not None
    assert (attempt.status, attempt.failure.code) == (Status.CANCELLED, "wheels-missing")
    assert "==> fetch stops: These requirements have no wheel for the target yet: needed 2.0" in await harness.log()
    assert list(harness.folder.iterdir()) == []


async def test_build_that_misses_wheels_fails_where_nobody_would_build_them(harness: RunHarness) -> None:
    harness.may_wait = False
    build = await harness.run(failing(MISSING))
    assert build.failure is not None
    assert (build.status, build.failure.code, build.waits_for) == (Status.FAILED, "wheels-missing", ())


async def test_projects_own_failure_is_final_at_once(harness: RunHarness) -> None:
    build = await harness.run(failing_build(b"error\n"))
    assert (build.status, build.not_before, len(build.attempts)) == (Status.FAILED, None, 1)


async def test_wish_to_cancel_is_heard_without_waiting_for_a_heartbeat(harness: RunHarness) -> None:
    stage = Endless()
    harness.lease_seconds = 3600.0
    begun = time.monotonic()
    async with running(harness, stage):
        await harness.builds.request_cancel((await harness.build()).id, requested_by="tests")
    assert ((await harness.build()).status, stage.stopped) == (Status.CANCELLED, True)
    assert time.monotonic() - begun < 900, "a heartbeat is due after a quarter of an hour"


async def test_wish_to_cancel_whose_signal_was_missed_is_found_by_a_heartbeat(harness: RunHarness) -> None:
    stage = Endless()
    async with running(harness, stage):
        harness.state.find((await harness.build()).id).change(cancel_requested=True)
    assert ((await harness.build()).status, stage.stopped) == (Status.CANCELLED, True)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError("no route"), TimeoutError()])
async def test_heartbeat_that_fails_in_a_way_that_nobody_expected_counts_as_unheard(
    harness: RunHarness, error: Exception
) -> None:
    stage = Endless()
    harness.attempts.beat_error = error
    async with running(harness, stage):
        before = harness.attempts.beats
        harness.attempts.failing_beats = set(range(before + 2, before + 100))
    assert (stage.stopped, harness.attempts.finished, harness.attempts.beats) == (True, [], before + 3)


async def test_beat_without_an_answer_does_not_keep_the_work_beyond_its_lease(harness: RunHarness) -> None:
    stage = Endless()
    try:
        async with running(harness, stage):
            harness.attempts.is_deaf = True
    finally:
        harness.attempts.is_deaf = False  # or the beat, which cannot be broken off, would hold up the end of the tests
    assert (stage.stopped, harness.attempts.finished) == (True, [])


async def test_keeper_of_the_lease_that_fails_stops_the_work(
    harness: RunHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(build_id: str) -> AbstractAsyncContextManager[asyncio.Event]:
        raise KeyError(build_id)

    monkeypatch.setattr(harness.attempts, "cancel_asked", fail)
    outcome = asyncio.create_task(harness.run(Endless()))
    assert (await asyncio.wait_for(outcome, 10)).status is Status.RUNNING, "another worker takes it over"
    assert harness.attempts.finished == []


async def test_log_is_cut_at_its_limit_with_a_note(harness: RunHarness) -> None:
    harness.log_bytes = 100
    build = await harness.run(failing_build(b"x" * 300 + b"\nthe last words\n"))
    log = await harness.log()
    assert log.startswith("==> stage resolve\n| xxx")
    note = "==> the log was cut here, at its limit of 100 bytes (WHEELYARD_LIMIT_LOG_BYTES, limits.log)\n"
    assert f"x\n{note}==> resolve failed: " in log, "our own notes are not cut"
    assert build.attempts[0].log_truncated
    assert build.failure is not None
    assert "the last words" in build.failure.log_excerpt, "what matters is kept though it is beyond the limit"


async def test_excerpt_is_the_end_of_the_log_and_at_most_forty_lines(harness: RunHarness) -> None:
    build = await harness.run(failing_build("\n".join(f"line {number}" for number in range(500)).encode() + b"\n"))
    assert build.failure is not None
    lines = build.failure.log_excerpt.splitlines()
    assert (len(lines), "line 499" in lines, "line 400" in lines) == (40, True, False)


async def test_what_the_log_shows_replaces_the_cause(harness: RunHarness) -> None:
    build = await harness.run(failing_build(b"ext/a.c:2:10: fatal error: yaml.h: No such file or directory\n"))
    assert build.failure is not None
    assert build.failure.summary == "demo 1.0 did not build: the C header yaml.h is missing."
    assert 'apt = ["libyaml-dev"]' in build.failure.hint


async def test_failure_under_emulation_says_that_it_was_emulated(harness: RunHarness) -> None:
    crash = failing_build(b"qemu: uncaught target signal 11 (Segmentation fault) - core dumped\n")
    harness.pipeline.emulated = frozenset({"x86_64"})
    build = await harness.run(crash)
    assert build.failure is not None
    assert build.failure.summary == (
        "demo 1.0 did not build: a program crashed in the emulator, with qemu's uncaught target signal 11 "
        "(Segmentation fault)."
    )
    assert "It ran emulated (qemu-user, x86_64), which is slower" in build.failure.hint


async def test_outage_under_emulation_is_no_fault_of_the_emulator(harness: RunHarness) -> None:
    harness.pipeline.emulated = frozenset({"x86_64"})
    build = await harness.run(failing(IndexUnavailableError(index="upstream", reason="it is down")))
    assert "emulated" not in str(build.attempts[-1].failure)


async def test_failure_has_all_findings_of_the_log_wherever_they_stand_in_it(harness: RunHarness) -> None:
    early = b"a.c:2:10: fatal error: yaml.h: No such file or directory\n" + b"building\n" * (40 << 10)
    build = await harness.run(failing_build(early + b"/usr/bin/ld: cannot find -lmecab: No such file or directory\n"))
    assert build.failure is not None
    assert [(one.kind.value, one.name) for one in build.failure.findings] == [
        ("header-missing", "yaml.h"),
        ("library-missing", "mecab"),
    ]


async def test_stages_that_healing_concerns_run_once_more_and_no_stage_twice(harness: RunHarness) -> None:
    harness.pipeline.archives.packages[FileKind.HEADER, "yaml.h"] = ("libyaml-dev",)
    ran: list[str] = []

    def noting(name: str, *, fails_without: str = "") -> StageFunction:
        async def act(job: Job, tools: Tools) -> Job:
            ran.append(name)
            if fails_without and fails_without not in job.claim.order.recipe.apt:
                return await failing_build(b"a.c:2:10: fatal error: yaml.h: No such file or directory\n")(job, tools)
            return job

        return act

    build = await harness.run(
        *map(noting, ("resolve", "fetch", "prepare")),
        noting("build", fails_without="libyaml-dev"),
        *map(noting, ("repair", "verify")),
    )

    assert build.status is Status.SUCCEEDED
    assert ran == ["resolve", "fetch", "prepare", "build", "prepare", "build", "repair", "verify"]
    healing = build.attempts[-1].healing
    assert healing is not None
    assert [one.value for one in healing.added] == ["libyaml-dev"]


async def test_what_cannot_be_installed_leaves_the_failure_that_asked_for_it(harness: RunHarness) -> None:
    harness.pipeline.archives.packages[FileKind.HEADER, "yaml.h"] = ("libyaml-dev",)

    async def prepare(job: Job, tools: Tools) -> Job:
        del tools
        if "libyaml-dev" in job.claim.order.recipe.apt:
            raise ImageBuildFailedError(image="environment", excerpt="E: Packages need to be removed")
        return job

    failing = failing_build(b"a.c:2:10: fatal error: yaml.h: No such file or directory\n")
    build = await harness.run(pass_through, pass_through, prepare, failing)

    assert build.status is Status.FAILED
    assert build.failure is not None
    assert (build.failure.stage, build.failure.code) == (Stage.BUILD, "build-failed")


async def test_failure_after_a_guess_that_did_not_help_is_the_one_before_it(harness: RunHarness) -> None:
    source, order = harness.pipeline.source, harness.pipeline.order
    sdist = source.add(order.sdist.filename, b"the sdist", upload_time=datetime(2020, 5, 1, tzinfo=UTC))
    harness.pipeline.order = replace(order, sdist=replace(order.sdist, sha256=sdist.sha256))
    for version, year in (("46.0", 2020), ("80.0", 2025)):
        source.add(f"setuptools-{version}-py3-none-any.whl", upload_time=datetime(year, 3, 1, tzinfo=UTC))
    error = BuildFailedError(
        release="demo 1.0", exit_reason="it ended", requirements=["setuptools-80.0-py3-none-any.whl"]
    )

    async def build(job: Job, tools: Tools) -> Job:
        guessed = bool(job.claim.order.recipe.build_constraints)
        said = b"error: it is too old\n" if guessed else b"error: no LICENSE file\n"
        return await failing(error, said)(job, tools)

    ended = await harness.run(pass_through, pass_through, pass_through, build)

    assert ended.failure is not None
    assert "no LICENSE file" in ended.failure.summary
    assert ended.attempts[-1].healing is not None
    assert ended.attempts[-1].healing.added[0].value == "setuptools<=46.0"


async def test_index_that_is_away_while_healing_leaves_the_failure(harness: RunHarness) -> None:
    harness.pipeline.source.project_fault = IndexUnavailableError(index="the index", reason="it is away")
    drift = failing(
        BuildFailedError(release="demo 1.0", exit_reason="it ended", requirements=["setuptools-80.0-py3-none-any.whl"]),
        b"error in demo setup command: use_2to3 is invalid.\n",
    )

    build = await harness.run(drift)

    assert build.failure is not None
    assert build.failure.code == "build-failed"
    assert "what would mend it is not known" in await harness.log()


async def test_lost_extension_is_a_finding_after_what_the_log_says(harness: RunHarness) -> None:
    log = b"a.c:2:10: fatal error: yaml.h: No such file or directory\n"
    build = await harness.run(failing(ExtensionMissingError(wheel="demo 1.0", missing=["demo._c"]), log))
    assert build.failure is not None
    assert [(one.kind.value, one.name) for one in build.failure.findings] == [
        ("header-missing", "yaml.h"),
        ("extension-lost", "demo._c"),
    ]


async def test_false_claims_are_findings_with_a_remedy(harness: RunHarness) -> None:
    lies = [
        WheelLie(kind="abi3-violated", subject="demo/_c.abi3.so", detail="it needs PyUnicode_AsUTF8"),
        WheelLie(kind="abi3-violated", subject="demo/_c.abi3.so", detail="it needs PyUnicode_AsUTF8"),
        WheelLie(kind="no-such-kind", subject="demo/_c.abi3.so", detail="x"),
    ]
    build = await harness.run(failing(WheelClaimsFalseError(wheel="demo 1.0", lies=lies), b""))
    assert build.failure is not None
    assert build.failure.code == "wheel-claims-false"
    (finding,) = build.failure.findings
    assert (finding.kind, finding.name) == ("abi3-violated", "demo/_c.abi3.so")
    assert finding.cause == "demo/_c.abi3.so: it needs PyUnicode_AsUTF8"
    assert build.failure.summary.startswith("demo 1.0 claims what is not so: demo/_c.abi3.so: it needs")
    assert build.failure.hint.startswith("It was not published. Define Py_LIMITED_API as the oldest Python")


async def test_refused_wheel_is_a_finding(harness: RunHarness) -> None:
    lie = WheelLie(kind="record-mismatch", subject="demo.whl", detail="its RECORD does not list 'x'")
    error = UntrustedOutputError(stage="repair", reason=lie.detail, lies=[lie])
    build = await harness.run(failing(error, b""))
    assert build.failure is not None
    assert [(one.kind.value, one.name) for one in build.failure.findings] == [("record-mismatch", "demo.whl")]
    assert build.failure.hint.startswith("Do not change a wheel after it is packed")


async def test_problems_of_the_proof_are_findings(harness: RunHarness) -> None:
    error = VerifyFailedError(
        wheel="demo.whl", problems=["ImportError: libexpat.so.1: cannot open shared object file: No such file"]
    )
    build = await harness.run(failing(error, b""))
    assert build.failure is not None
    assert [(one.kind.value, one.name) for one in build.failure.findings] == [("host-library-missing", "libexpat.so.1")]


async def test_log_that_explains_nothing_leaves_the_cause_as_it_was(harness: RunHarness) -> None:
    build = await harness.run(failing_build(b"something went wrong\n"))
    assert build.failure is not None
    assert build.failure.summary == "demo 1.0 did not build: the build backend ended with exit code 1."


async def test_log_of_an_error_outside_the_build_is_not_searched_for_causes(harness: RunHarness) -> None:
    error = InvalidSdistError(file="demo-1.0.tar.gz", reason="it is empty")
    build = await harness.run(failing(error, b"fatal error: yaml.h: No such file or directory\n"))
    assert build.failure is not None
    assert build.failure.summary == error.summary


@pytest.mark.parametrize("refusal", [RefusedTextError("the log took 11 s"), ParsersBusyError(waiting=9)])
async def test_log_that_cannot_be_explained_in_time_leaves_the_failure_as_it_is(
    harness: RunHarness, refusal: Exception
) -> None:
    class Refusing(InlineParsers):
        async def run(self, *_: object, **__: object) -> Any:  # noqa: ANN401  as the parser's result
            raise refusal

    harness.pipeline.parsers = Refusing()
    build = await harness.run(failing_build(b"a.c:1:10: fatal error: yaml.h: No such file or directory\n"))
    assert build.failure is not None
    assert (build.status, build.failure.code) == (Status.FAILED, "build-failed")
    assert build.failure.summary == "demo 1.0 did not build: the build backend ended with exit code 1."
    assert "yaml.h" in build.failure.log_excerpt


async def test_log_is_explained_apart_from_the_worker(harness: RunHarness) -> None:
    await harness.run(failing_build(b"whatever"))
    assert harness.pipeline.parsers.read == ["the log of demo 1.0"]
