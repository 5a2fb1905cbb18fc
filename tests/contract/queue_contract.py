"""What every WorkQueue, FleetStore and PeriodicStore must keep, and every BuildStore about retries."""

import asyncio
from dataclasses import replace

import pytest
from tests.contract.samples import sample_order
from tests.contract.stores import FAILURE, LANE, MAX_ATTEMPTS, NOWHERE, ROOM, SUCCESS, Stores

from wheelyard.domain.builds.build import BuildOrder, Failure, Status
from wheelyard.domain.builds.queue import Capacity, Lane, Priority, ResourceRequest, WorkerRegistration, WorkerState
from wheelyard.domain.builds.records import BuildFilter, Outcome
from wheelyard.domain.packaging.target import Policy
from wheelyard.errors import IndexUnavailableError, NotFoundError, WorkerStoppedError

DOWN = Failure.of(IndexUnavailableError(index="upstream", reason="it is down"), stage=None)
AGAIN = Outcome(status=Status.QUEUED, failure=DOWN, wait_seconds=60)
STOPPED = Failure.of(WorkerStoppedError(worker="worker-1"), stage=None)
HANDED_BACK = Outcome(status=Status.QUEUED, failure=STOPPED, counts=False)
TRIXIE = replace(LANE, suite="trixie")
GIB = 1 << 30


async def submitted(
    stores: Stores,
    key: str,
    by: str = "alice",
    priority: Priority = Priority.INTERACTIVE,
    order: BuildOrder | None = None,
) -> str:
    wanted = order or sample_order(key=key)
    return (await stores.builds.submit(wanted, requested_by=by, priority=priority)).build.id


async def all_taken(stores: Stores) -> list[str]:
    taken = []
    while (build_id := await stores.taken()) is not None:
        taken.append(build_id)
    return taken


class OrderContract:
    async def test_nothing_is_taken_from_an_empty_queue(self, stores: Stores) -> None:
        assert await stores.taken() is None

    async def test_builds_of_one_requester_are_taken_as_they_came(self, stores: Stores) -> None:
        ids = [await submitted(stores, f"k{n}") for n in range(4)]
        assert await all_taken(stores) == ids

    async def test_taken_build_is_claimed(self, stores: Stores) -> None:
        build_id = await submitted(stores, "k")
        assert await stores.taken(worker="worker-7") == build_id
        build = await stores.builds.get(build_id)
        assert (build.status, build.attempts[0].worker) == (Status.RUNNING, "worker-7")
        assert await stores.taken() is None

    async def test_interactive_builds_go_before_batches(self, stores: Stores) -> None:
        batch = [await submitted(stores, f"b{n}", priority=Priority.BATCH) for n in range(2)]
        person = await submitted(stores, "p", "bob")
        assert await all_taken(stores) == [person, *batch]

    async def test_long_batch_of_one_requester_does_not_hold_up_another(self, stores: Stores) -> None:
        batch = [await submitted(stores, f"b{n}") for n in range(20)]
        assert [await stores.taken() for _ in range(5)] == batch[:5]
        single = await submitted(stores, "s", "bob")
        pair = [await submitted(stores, f"c{n}", "carol") for n in range(2)]
        assert await all_taken(stores) == [batch[5], single, pair[0], batch[6], pair[1], *batch[7:]]

    async def test_requester_whose_builds_are_done_gets_no_turns_in_advance(self, stores: Stores) -> None:
        batch = [await submitted(stores, f"b{n}") for n in range(6)]
        for number in range(3):
            single = await submitted(stores, f"s{number}", "bob")
            assert [await stores.taken(), await stores.taken()] == [batch[number], single]

    async def test_joining_somebody_who_waits_brings_a_batch_build_forward(self, stores: Stores) -> None:
        batch = [await submitted(stores, f"b{n}", priority=Priority.BATCH) for n in range(4)]
        assert await submitted(stores, "b3", "bob") == batch[3]
        assert (await stores.builds.get(batch[3])).priority is Priority.INTERACTIVE
        assert await all_taken(stores) == [batch[3], *batch[:3]]

    async def test_joining_never_puts_a_build_back(self, stores: Stores) -> None:
        first = await submitted(stores, "k0")
        second = await submitted(stores, "k1")
        assert await submitted(stores, "k0", priority=Priority.BATCH) == first
        assert await submitted(stores, "k0") == first
        assert (await stores.builds.get(first)).priority is Priority.INTERACTIVE
        assert await all_taken(stores) == [first, second]

    async def test_priority_is_shown(self, stores: Stores) -> None:
        build_id = await submitted(stores, "k", priority=Priority.BATCH)
        assert (await stores.builds.get(build_id)).priority is Priority.BATCH
        assert (await stores.builds.list_builds(BuildFilter())).builds[0].priority is Priority.BATCH

    async def test_build_goes_only_where_it_can_run(self, stores: Stores) -> None:
        build_id = await submitted(stores, "t", order=sample_order(key="t", builder="trixie"))
        arm = replace(TRIXIE, architecture="aarch64")
        older = replace(TRIXIE, python="3.11")
        assert await stores.taken(lanes=(LANE, arm, older)) is None
        assert await stores.taken(lanes=()) is None
        assert await stores.taken(lanes=(LANE, TRIXIE)) == build_id

    async def test_emulated_build_waits_for_a_native_worker_if_there_is_one(self, stores: Stores) -> None:
        arm = replace(TRIXIE, architecture="aarch64")
        target = replace(sample_order().target, policy=Policy.parse("manylinux_2_41_aarch64"))
        order = replace(sample_order(key="arm", builder="trixie"), target=target)
        build_id = await submitted(stores, "arm", order=order)
        native = replace(CARD, name="native", lanes=(arm,))
        assert await stores.taken() is None
        await stores.fleet.report_worker(native)
        assert await stores.taken(emulated=(arm,)) is None
        await stores.fleet.report_worker(replace(native, state=WorkerState.DRAINING))
        assert await stores.taken(emulated=(replace(arm, python="3.11"),)) is None
        assert await stores.taken(emulated=(arm,)) == build_id

    async def test_native_worker_that_is_silent_keeps_no_build_from_emulation(self, stores: Stores) -> None:
        target = replace(sample_order().target, policy=Policy.parse("manylinux_2_41_aarch64"))
        build_id = await submitted(
            stores, "arm", order=replace(sample_order(key="arm", builder="trixie"), target=target)
        )
        arm = replace(TRIXIE, architecture="aarch64")
        await stores.fleet.report_worker(replace(CARD, name="native", lanes=(arm,)))
        await stores.fleet.report_worker(replace(CARD, name="emulating", emulated=(arm,)))
        await stores.pass_time(31)
        await stores.fleet.report_worker(replace(CARD, name="emulating", emulated=(arm,)))
        assert await stores.taken(emulated=(arm,)) == build_id

    async def test_first_in_line_of_all_lanes_is_taken(self, stores: Stores) -> None:
        ids = [
            await submitted(stores, f"k{n}", f"user {n}", order=sample_order(key=f"k{n}", builder=suite))
            for n, suite in enumerate(("trixie", "bookworm", "trixie", "bookworm"))
        ]
        lanes = (LANE, TRIXIE)
        assert [await stores.taken(lanes=lanes) for _ in range(4)] == ids

    async def test_build_that_needs_more_memory_than_a_worker_has_is_left_to_another(self, stores: Stores) -> None:
        large = sample_order(key="large", demand=ResourceRequest(memory_bytes=16 * GIB))
        first = await submitted(stores, "large", order=large)
        second = await submitted(stores, "small")
        more = replace(ROOM, memory_bytes=32 * GIB)
        assert await stores.taken() == second
        assert await stores.taken(total=more, free=more) == first

    @pytest.mark.parametrize(
        "free", [replace(ROOM, slots=0), replace(ROOM, cpus=1.5), replace(ROOM, memory_bytes=3 * GIB)]
    )
    async def test_first_in_line_waits_for_its_room_and_nobody_overtakes_it(
        self, stores: Stores, free: Capacity
    ) -> None:
        demand = ResourceRequest(cpus=2.0, memory_bytes=4 * GIB)
        first = await submitted(stores, "k", order=sample_order(key="k", demand=demand))
        await submitted(stores, "small")
        assert await stores.taken(free=free) is None
        assert await stores.taken(free=replace(ROOM, slots=1, cpus=2.0, memory_bytes=4 * GIB)) == first

    async def test_build_that_says_nothing_takes_the_default(self, stores: Stores) -> None:
        build_id = await submitted(stores, "k")
        assert await stores.taken(free=replace(ROOM, cpus=0.5)) is None
        assert await stores.taken(free=replace(ROOM, cpus=1.0)) == build_id

    async def test_build_that_wants_all_processors_of_a_larger_machine_gets_all_of_this(self, stores: Stores) -> None:
        build_id = await submitted(stores, "k", order=sample_order(key="k", demand=ResourceRequest(cpus=64.0)))
        assert await stores.taken(free=replace(ROOM, cpus=3.0)) is None
        assert await stores.taken() == build_id

    async def test_demand_is_kept_with_the_order(self, stores: Stores) -> None:
        order = sample_order(demand=ResourceRequest(cpus=1.5, memory_bytes=5 * GIB))
        assert (await stores.builds.get(await stores.queued(order))).order == order


class RetryContract:
    async def test_attempt_that_may_be_tried_again_waits_and_goes_on(self, stores: Stores) -> None:
        build_id = await stores.finished(AGAIN)
        build = await stores.builds.get(build_id)
        assert (build.status, build.failure, build.finished_at, build.stage) == (Status.QUEUED, None, None, None)
        assert build.not_before is not None
        assert (build.attempts[0].status, build.attempts[0].failure) == (Status.FAILED, DOWN)
        assert (await stores.builds.list_builds(BuildFilter())).builds[0].not_before == build.not_before
        await stores.pass_time(30)
        assert (await stores.sweep(), await stores.taken()) == (0, None)
        await stores.pass_time(31)
        assert (await stores.sweep(), await stores.taken()) == (1, build_id)
        again = await stores.builds.get(build_id)
        assert (again.status, again.not_before, len(again.attempts)) == (Status.RUNNING, None, 2)

    async def test_build_that_waits_holds_up_nobody(self, stores: Stores) -> None:
        await stores.finished(AGAIN)
        other = await submitted(stores, "other")
        assert await stores.taken() == other

    async def test_last_allowed_attempt_is_the_builds_failure(self, stores: Stores) -> None:
        build_id = await stores.queued()
        for tries in range(1, MAX_ATTEMPTS + 1):
            claim = await stores.claimed(build_id)
            assert claim.tries == tries
            assert await stores.attempts.finish(claim, replace(AGAIN, wait_seconds=0))
        build = await stores.builds.get(build_id)
        assert (build.status, build.failure, build.not_before) == (Status.FAILED, DOWN, None)
        assert build.finished_at is not None

    async def test_build_that_waits_is_joined_and_can_be_cancelled(self, stores: Stores) -> None:
        build_id = await stores.finished(AGAIN)
        assert await stores.queued() == build_id
        build = await stores.builds.request_cancel(build_id, requested_by="tests")
        assert (build.status, build.not_before) == (Status.CANCELLED, None)
        await stores.pass_time(100)
        assert (await stores.sweep(), await stores.taken()) == (0, None)

    @pytest.mark.parametrize("outcome", [AGAIN, HANDED_BACK], ids=["failed", "handed back"])
    async def test_build_whose_end_was_asked_for_is_not_tried_again(self, stores: Stores, outcome: Outcome) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        await stores.builds.request_cancel(build_id, requested_by="tests")
        assert await stores.attempts.finish(claim, outcome)
        build = await stores.builds.get(build_id)
        assert (build.status, build.not_before) == (Status.CANCELLED, None)
        assert build.finished_at is not None

    async def test_build_that_is_handed_back_can_be_taken_at_once_and_the_attempt_does_not_count(
        self, stores: Stores
    ) -> None:
        build_id = await stores.queued()
        for number in range(1, MAX_ATTEMPTS + 3):
            claim = await stores.claimed(build_id)
            assert (claim.attempt, claim.tries) == (number, 1)
            assert await stores.attempts.finish(claim, HANDED_BACK)
        build = await stores.builds.get(build_id)
        assert (build.status, build.not_before, build.failure) == (Status.QUEUED, None, None)
        assert {(one.status, one.failure) for one in build.attempts} == {(Status.CANCELLED, STOPPED)}

    @pytest.mark.parametrize("outcome", [FAILURE, Outcome(status=Status.CANCELLED)], ids=["failed", "cancelled"])
    async def test_retry_queues_a_build_anew_with_all_its_attempts(self, stores: Stores, outcome: Outcome) -> None:
        build_id = await stores.finished(outcome)
        submission = await stores.builds.retry(build_id, requested_by="bob")
        build = submission.build
        assert (submission.joined, build.id, build.status) == (False, build_id, Status.QUEUED)
        assert (build.failure, build.finished_at, build.cancel_requested, len(build.attempts)) == (None, None, False, 1)
        for number in range(MAX_ATTEMPTS):
            assert (await stores.claimed(build_id, f"w{number}")).tries == number + 1
            await stores.expire_leases()

    async def test_retry_ends_the_pause_of_a_build_that_waits(self, stores: Stores) -> None:
        build_id = await stores.finished(AGAIN)
        submission = await stores.builds.retry(build_id, requested_by="bob")
        assert (submission.joined, submission.build.not_before) == (False, None)
        assert await stores.taken() == build_id

    @pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.SUCCEEDED])
    async def test_retry_leaves_a_build_alone_that_has_not_failed(self, stores: Stores, status: Status) -> None:
        build_id = await stores.queued()
        if status is not Status.QUEUED:
            claim = await stores.claimed(build_id)
            if status is Status.SUCCEEDED:
                await stores.attempts.finish(claim, SUCCESS)
        before = await stores.builds.get(build_id)
        submission = await stores.builds.retry(build_id, requested_by="bob")
        assert (submission.joined, submission.build) == (True, before)

    async def test_retry_joins_the_equal_build_that_came_in_between(self, stores: Stores) -> None:
        failed = await stores.finished(FAILURE)
        other = await stores.queued()
        submission = await stores.builds.retry(failed, requested_by="bob")
        assert (submission.joined, submission.build.id) == (True, other)
        assert (await stores.builds.get(failed)).failure == FAILURE.failure

    async def test_many_retries_at_once_queue_a_build_once(self, stores: Stores) -> None:
        first = await stores.finished(FAILURE)
        second = await stores.finished(FAILURE)
        both = [first, second] * 4
        submissions = await asyncio.gather(*(stores.builds.retry(one, requested_by="bob") for one in both))
        assert len({submission.build.id for submission in submissions}) == 1
        assert [submission.joined for submission in submissions].count(False) == 1

    async def test_unknown_build_cannot_be_retried(self, stores: Stores) -> None:
        for build_id in (NOWHERE, "no-id-at-all"):
            with pytest.raises(NotFoundError):
                await stores.builds.retry(build_id, requested_by="bob")


class TakeoverContract:
    async def test_lost_build_goes_to_the_front_and_its_attempt_is_closed(self, stores: Stores) -> None:
        lost = await submitted(stores, "lost")
        await submitted(stores, "later")
        assert await stores.taken() == lost
        await stores.expire_leases()
        assert await stores.sweep() == 1
        build = await stores.builds.get(lost)
        assert (build.status, build.failure, build.attempts[0].status) == (Status.QUEUED, None, Status.FAILED)
        assert build.attempts[0].failure is not None
        assert build.attempts[0].failure.code == "worker-lost"
        assert await stores.taken(worker="worker-2") == lost

    async def test_worker_that_lost_its_lease_can_publish_nothing_even_before_another_takes_over(
        self, stores: Stores
    ) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        await stores.expire_leases()
        await stores.sweep()
        assert not (await stores.attempts.beat(claim, lease_seconds=20)).holds_lease
        assert not await stores.attempts.finish(claim, SUCCESS)
        assert not await stores.attempts.append_log(claim, b"late")
        assert (await stores.builds.get(build_id)).status is Status.QUEUED

    async def test_build_with_which_two_workers_died_is_given_to_no_third(self, stores: Stores) -> None:
        build_id = await submitted(stores, "poison")
        for worker in ("worker-1", "worker-2"):
            assert await stores.taken(worker=worker) == build_id
            assert await stores.queue.note_death(worker, seconds=60) == 1
            assert await stores.queue.note_death(worker, seconds=60) == 0
            await stores.expire_leases()
            await stores.sweep()
        build = await stores.builds.get(build_id)
        assert build.status is Status.FAILED
        assert build.failure is not None
        assert build.failure.code == "worker-killed"
        assert "worker-1, worker-2" in build.failure.summary
        summaries = [one.failure.summary for one in build.attempts if one.failure]
        assert ["killed or crashed" in summary for summary in summaries] == [True, True]
        assert await stores.taken() is None

    async def test_build_whose_workers_went_away_is_not_taken_for_their_killer(self, stores: Stores) -> None:
        build_id = await submitted(stores, "k")
        for worker in ("worker-1", "worker-2"):
            assert await stores.taken(worker=worker) == build_id
            await stores.queue.note_death("worker-3", seconds=60)
            await stores.expire_leases()
            await stores.sweep()
        assert (await stores.builds.get(build_id)).status is Status.QUEUED

    async def test_death_that_is_known_late_counts_too(self, stores: Stores) -> None:
        build_id = await submitted(stores, "poison")
        for worker in ("worker-1", "worker-2"):
            assert await stores.taken(worker=worker) == build_id
            await stores.expire_leases()
            await stores.sweep()
        assert await stores.queue.note_death("worker-1", seconds=60) == 1
        assert (await stores.builds.get(build_id)).status is Status.QUEUED
        assert await stores.queue.note_death("worker-2", seconds=60) == 1
        build = await stores.builds.get(build_id)
        assert (build.status, build.failure and build.failure.code) == (Status.FAILED, "worker-killed")
        assert await stores.taken() is None

    async def test_death_counts_for_nothing_that_ended_before(self, stores: Stores) -> None:
        failed = await stores.finished(FAILURE, sample_order(key="f"))
        done = await stores.finished(SUCCESS, sample_order(key="s"))
        again = await stores.finished(replace(AGAIN, wait_seconds=0), sample_order(key="a"))
        assert await stores.queue.note_death("worker-1", seconds=60) == 0
        assert [(await stores.builds.get(one)).status for one in (failed, done, again)] == [
            Status.FAILED,
            Status.SUCCEEDED,
            Status.QUEUED,
        ]

    async def test_build_with_which_a_worker_died_runs_alone_until_a_person_retries_it(self, stores: Stores) -> None:
        build_id = await submitted(stores, "poison")
        await stores.taken()
        await stores.queue.note_death("worker-1", seconds=60)
        await stores.expire_leases()
        await stores.sweep()
        assert await stores.taken(free=replace(ROOM, slots=ROOM.slots - 1)) is None
        claim = await stores.claimed(build_id)
        assert claim.alone
        await stores.attempts.finish(claim, FAILURE)
        await stores.builds.retry(build_id, requested_by="bob")
        assert await stores.taken(free=replace(ROOM, slots=1)) == build_id

    async def test_retry_by_a_person_forgets_deaths(self, stores: Stores) -> None:
        build_id = await submitted(stores, "poison")
        for worker in ("worker-1", "worker-2", "again", "worker-1", "worker-2"):
            if worker == "again":
                await stores.builds.retry(build_id, requested_by="bob")
                continue
            assert (await stores.builds.get(build_id)).status is Status.QUEUED
            await stores.claimed(build_id, worker)
            await stores.queue.note_death(worker, seconds=60)
            await stores.expire_leases()
            await stores.sweep()
        failure = (await stores.builds.get(build_id)).failure
        assert failure is not None
        assert (failure.code, failure.summary.count("worker-1")) == ("worker-killed", 1)

    async def test_cancelled_build_with_which_workers_died_is_cancelled(self, stores: Stores) -> None:
        build_id = await submitted(stores, "poison")
        for worker in ("worker-1", "worker-2"):
            await stores.claimed(build_id, worker)
            await stores.queue.note_death(worker, seconds=60)
            if worker == "worker-2":
                await stores.builds.request_cancel(build_id, requested_by="tests")
            await stores.expire_leases()
            await stores.sweep()
        assert (await stores.builds.get(build_id)).status is Status.CANCELLED

    async def test_wish_to_cancel_reaches_the_worker_without_a_heartbeat(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.claimed(build_id)

        async def wish_until_heard(asked: asyncio.Event) -> None:
            # A listener may still be connecting at the first time.
            while not asked.is_set():
                await stores.builds.request_cancel(build_id, requested_by="tests")
                await asyncio.sleep(0.05)

        async with asyncio.timeout(30), stores.attempts.cancel_asked(build_id) as asked:
            await wish_until_heard(asked)

    async def test_changes_of_a_build_are_no_wish_to_cancel_it(self, stores: Stores) -> None:
        build_id = await stores.queued()
        async with stores.attempts.cancel_asked(build_id) as asked:
            claim = await stores.claimed(build_id)
            await stores.attempts.append_log(claim, b"x")
            await asyncio.sleep(0.05)
            assert not asked.is_set()


CARD = WorkerRegistration(name="w1", host="host-1", lanes=(LANE, TRIXIE), capacity=ROOM, state=WorkerState.ACTIVE)


class WorkerContract:
    async def test_worker_is_listed_as_it_reports_itself(self, stores: Stores) -> None:
        await stores.fleet.report_worker(replace(CARD, name="w2"))
        await stores.fleet.report_worker(CARD)
        first, second = await stores.fleet.list_workers()
        assert (first.registration, second.registration) == (CARD, replace(CARD, name="w2"))
        assert first.builds == ()
        assert first.registration.architecture == "x86_64"

    async def test_emulated_builders_are_listed_too(self, stores: Stores) -> None:
        card = replace(CARD, emulated=(replace(LANE, architecture="aarch64"),))
        await stores.fleet.report_worker(card)
        (worker,) = await stores.fleet.list_workers()
        assert worker.registration == card
        assert worker.registration.served == (*card.lanes, *card.emulated)

    async def test_worker_that_reports_again_stays_the_same(self, stores: Stores) -> None:
        await stores.fleet.report_worker(CARD)
        (before,) = await stores.fleet.list_workers()
        await stores.pass_time(0.0)
        draining = replace(
            CARD, state=WorkerState.DRAINING, lanes=(Lane(architecture="x86_64", suite="a", python="3.9"),)
        )
        await stores.fleet.report_worker(draining)
        (after,) = await stores.fleet.list_workers()
        assert (after.registration, after.started_at) == (draining, before.started_at)
        assert after.seen_at >= before.seen_at

    async def test_silent_worker_is_lost_until_it_reports_again(self, stores: Stores) -> None:
        await stores.fleet.report_worker(CARD)
        await stores.pass_time(31)
        assert (await stores.fleet.list_workers())[0].registration.state is WorkerState.LOST
        await stores.fleet.report_worker(CARD)
        assert (await stores.fleet.list_workers())[0].registration.state is WorkerState.ACTIVE

    async def test_stopped_worker_is_not_lost_and_begins_anew(self, stores: Stores) -> None:
        await stores.fleet.report_worker(CARD)
        await stores.fleet.report_worker(replace(CARD, state=WorkerState.STOPPED))
        await stores.pass_time(100)
        (before,) = await stores.fleet.list_workers()
        assert before.registration.state is WorkerState.STOPPED
        await stores.fleet.report_worker(CARD)
        assert (await stores.fleet.list_workers())[0].started_at > before.started_at

    async def test_worker_shows_the_builds_that_it_holds(self, stores: Stores) -> None:
        await stores.fleet.report_worker(CARD)
        held = await submitted(stores, "held")
        assert await stores.taken(worker="w1") == held
        over = await submitted(stores, "over")
        await stores.attempts.finish(await stores.claimed(over, "w1"), SUCCESS)
        await stores.claimed(await submitted(stores, "other"), "w2")
        assert (await stores.fleet.list_workers())[0].builds == (held,)


class PeriodicContract:
    async def test_work_is_begun_once_an_interval_by_one_of_many(self, stores: Stores) -> None:
        begins = (stores.periodic.begin("tidy", interval_seconds=60) for _ in range(5))
        assert sorted(await asyncio.gather(*begins)) == [False] * 4 + [True]
        await stores.pass_time(30)
        assert not await stores.periodic.begin("tidy", interval_seconds=60)
        assert await stores.periodic.begin("other", interval_seconds=60)
        await stores.pass_time(31)
        assert await stores.periodic.begin("tidy", interval_seconds=60)

    async def test_work_that_a_clock_ahead_has_begun_is_begun_again_once_it_is_right(self, stores: Stores) -> None:
        assert await stores.periodic.begin("tidy", interval_seconds=60)
        await stores.pass_time(-365 * 86_400)
        begins = (stores.periodic.begin("tidy", interval_seconds=60) for _ in range(5))
        assert sorted(await asyncio.gather(*begins)) == [False] * 4 + [True]

    async def test_old_logs_are_dropped_with_a_note_and_once(self, stores: Stores) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        await stores.attempts.append_log(claim, b"what was said")
        await stores.attempts.finish(claim, SUCCESS)
        assert await stores.periodic.drop_logs(days=2) == 0
        await stores.pass_time(3 * 86_400)
        assert [await stores.periodic.drop_logs(days=2), await stores.periodic.drop_logs(days=2)] == [1, 0]
        assert b"removed then" in await stores.whole_log(build_id)
        assert (await stores.builds.get(build_id)).wheel == SUCCESS.wheel

    async def test_log_of_a_running_attempt_stays(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.attempts.append_log(await stores.claimed(build_id), b"at work")
        await stores.pass_time(3 * 86_400)
        assert await stores.periodic.drop_logs(days=1) == 0
        assert await stores.whole_log(build_id) == b"at work"

    async def test_old_builds_without_a_wheel_are_dropped_and_others_stay(self, stores: Stores) -> None:
        failed = await stores.finished(FAILURE, sample_order(key="f"))
        wheel = await stores.finished(SUCCESS, sample_order(key="s"))
        queued = await stores.queued(sample_order(key="q"))
        assert await stores.periodic.drop_builds(days=1) == 0
        await stores.pass_time(2 * 86_400)
        young = await stores.finished(FAILURE, sample_order(key="y", builder="trixie"))
        assert await stores.periodic.drop_builds(days=1) == 1
        assert {build.id for build in (await stores.builds.list_builds(BuildFilter())).builds} == {wheel, queued, young}
        with pytest.raises(NotFoundError):
            await stores.builds.get(failed)

    async def test_workers_that_are_gone_for_long_are_dropped(self, stores: Stores) -> None:
        await stores.fleet.report_worker(CARD)
        await stores.pass_time(2 * 86_400)
        await stores.fleet.report_worker(replace(CARD, name="w2"))
        assert await stores.periodic.drop_workers(days=1) == 1
        assert [worker.registration.name for worker in await stores.fleet.list_workers()] == ["w2"]
