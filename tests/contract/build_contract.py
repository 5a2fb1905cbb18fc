"""What every BuildStore must keep."""

import asyncio
from dataclasses import replace

import pytest
from tests.contract.samples import sample_order, sample_wheel
from tests.contract.stores import FAILURE, LEASE_SECONDS, NOWHERE, SUCCESS, Stores

from wheelyard.domain.access import AuditFilter
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import BuildFilter, IdRange, Outcome
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import NotFoundError, NotYoursError


class SubmitContract:
    async def test_new_order_is_a_queued_build(self, stores: Stores) -> None:
        submission = await stores.builds.submit(sample_order(), requested_by="tests")
        build = submission.build
        assert not submission.joined
        assert (build.status, build.stage, build.attempts, build.wheel) == (Status.QUEUED, None, (), None)
        assert build.order == sample_order()
        assert await stores.builds.get(build.id) == build

    @pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.SUCCEEDED])
    async def test_equal_order_joins_a_build_that_has_not_failed(self, stores: Stores, status: Status) -> None:
        build_id = await stores.queued()
        if status is not Status.QUEUED:
            claim = await stores.claimed(build_id)
            if status is Status.SUCCEEDED:
                await stores.attempts.finish(claim, SUCCESS)
        again = await stores.builds.submit(sample_order(), requested_by="somebody else")
        assert (again.joined, again.build.id, again.build.status) == (True, build_id, status)

    async def test_equal_order_after_a_failure_is_a_new_build(self, stores: Stores) -> None:
        failed = await stores.finished(FAILURE)
        again = await stores.builds.submit(sample_order(), requested_by="tests")
        assert not again.joined
        assert again.build.id != failed

    async def test_equal_order_after_a_cancel_is_a_new_build(self, stores: Stores) -> None:
        cancelled = await stores.queued()
        await stores.builds.request_cancel(cancelled, requested_by="tests")
        again = await stores.builds.submit(sample_order(), requested_by="tests")
        assert (again.joined, again.build.id == cancelled) == (False, False)

    async def test_equal_orders_at_once_are_one_build(self, stores: Stores) -> None:
        orders = (stores.builds.submit(sample_order(), requested_by=f"caller {n}") for n in range(8))
        submissions = await asyncio.gather(*orders)
        assert len({submission.build.id for submission in submissions}) == 1
        assert sorted(submission.joined for submission in submissions) == [False] + [True] * 7

    async def test_unknown_build_is_not_found(self, stores: Stores) -> None:
        for build_id in (NOWHERE, "no-id-at-all"):
            with pytest.raises(NotFoundError):
                await stores.builds.get(build_id)
            with pytest.raises(NotFoundError):
                await stores.builds.request_cancel(build_id, requested_by="tests")
            with pytest.raises(NotFoundError):
                await stores.logs.read(build_id)

    async def test_store_answers(self, stores: Stores) -> None:
        await stores.builds.ping()


class EqualContract:
    """Tests of what an order would join."""

    async def test_build_that_an_order_would_join_is_found_by_its_key(self, stores: Stores) -> None:
        order = sample_order()
        assert await stores.builds.find_equal(order.key) is None
        build_id = await stores.queued(order)
        found = await stores.builds.find_equal(order.key)
        assert found == await stores.builds.get(build_id)
        assert await stores.builds.find_equal(sample_order(key="another").key) is None

    @pytest.mark.parametrize(("outcome", "joined"), [(SUCCESS, True), (FAILURE, False)])
    async def test_only_what_is_not_in_vain_is_found(self, stores: Stores, outcome: Outcome, joined: bool) -> None:  # noqa: FBT001
        await stores.finished(outcome)
        assert (await stores.builds.find_equal(sample_order().key) is not None) is joined


class CancelContract:
    async def test_queued_build_is_cancelled_at_once(self, stores: Stores) -> None:
        build = await stores.builds.request_cancel(await stores.queued(), requested_by="tests")
        assert build.status is Status.CANCELLED
        assert build.finished_at is not None
        assert await stores.attempts.claim(build.id, worker="late", lease_seconds=LEASE_SECONDS) is None

    async def test_running_build_learns_of_the_cancel_by_its_next_beat(self, stores: Stores) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        before = await stores.attempts.beat(claim, lease_seconds=LEASE_SECONDS)
        build = await stores.builds.request_cancel(build_id, requested_by="tests")
        after = await stores.attempts.beat(claim, lease_seconds=LEASE_SECONDS)
        assert (build.status, build.cancel_requested) == (Status.RUNNING, True)
        assert [(beat.holds_lease, beat.cancel_requested) for beat in (before, after)] == [(True, False), (True, True)]

    async def test_worker_ends_a_cancelled_build(self, stores: Stores) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        await stores.builds.request_cancel(build_id, requested_by="tests")
        assert await stores.attempts.finish(claim, Outcome(status=Status.CANCELLED))
        build = await stores.builds.get(build_id)
        assert (build.status, build.attempts[-1].status) == (Status.CANCELLED, Status.CANCELLED)
        assert (build.failure, build.wheel) == (None, None)

    @pytest.mark.parametrize("outcome", [SUCCESS, FAILURE], ids=["succeeded", "failed"])
    async def test_finished_build_stays_as_it_is(self, stores: Stores, outcome: Outcome) -> None:
        build_id = await stores.finished(outcome)
        before = await stores.builds.get(build_id)
        assert await stores.builds.request_cancel(build_id, requested_by="tests") == before


class LeaveContract:
    async def test_build_that_only_one_wants_ends_when_that_one_leaves(self, stores: Stores) -> None:
        build_id = await stores.queued()
        assert await stores.builds.is_wanted_by(build_id, "tests")
        assert (await stores.builds.leave(build_id, requested_by="tests")).status is Status.CANCELLED
        assert not await stores.builds.is_wanted_by(build_id, "tests")

    async def test_build_that_several_want_goes_on_for_those_who_stay(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.builds.submit(sample_order(), requested_by="other")
        for _ in range(2):
            build = await stores.builds.leave(build_id, requested_by="tests")
            assert (build.status, build.cancel_requested) == (Status.QUEUED, False)
        assert await stores.builds.is_wanted_by(build_id, "other")
        assert (await stores.builds.leave(build_id, requested_by="other")).status is Status.CANCELLED
        entries = await stores.audit.list_entries(AuditFilter(object=build_id))
        done = [(entry.change.actor, entry.change.action) for entry in reversed(entries)]
        assert done == [
            ("tests", "build.requested"),
            ("other", "build.requested"),
            ("tests", "build.left"),
            ("other", "build.cancelled"),
        ]

    async def test_running_build_is_asked_to_stop_by_the_last_who_leaves(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.builds.submit(sample_order(), requested_by="other")
        claim = await stores.claimed(build_id)
        await stores.builds.leave(build_id, requested_by="other")
        assert not (await stores.attempts.beat(claim, lease_seconds=LEASE_SECONDS)).cancel_requested
        await stores.builds.leave(build_id, requested_by="tests")
        assert (await stores.attempts.beat(claim, lease_seconds=LEASE_SECONDS)).cancel_requested

    async def test_who_has_not_asked_cancels_nothing(self, stores: Stores) -> None:
        build_id = await stores.queued()
        with pytest.raises(NotYoursError):
            await stores.builds.leave(build_id, requested_by="stranger")
        assert (await stores.builds.get(build_id)).status is Status.QUEUED
        with pytest.raises(NotFoundError):
            await stores.builds.leave(NOWHERE, requested_by="tests")

    async def test_who_asks_again_wants_it_again(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.builds.submit(sample_order(), requested_by="other")
        await stores.builds.leave(build_id, requested_by="tests")
        await stores.builds.submit(sample_order(), requested_by="tests")
        assert (await stores.builds.leave(build_id, requested_by="other")).status is Status.QUEUED

    async def test_build_that_was_cancelled_for_all_is_wanted_by_who_tries_it_again_alone(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.builds.request_cancel(build_id, requested_by="operator")
        await stores.builds.retry(build_id, requested_by="other")
        assert not await stores.builds.is_wanted_by(build_id, "tests")
        assert (await stores.builds.leave(build_id, requested_by="other")).status is Status.CANCELLED

    async def test_finished_build_stays_as_it_is_when_somebody_leaves(self, stores: Stores) -> None:
        build_id = await stores.finished(FAILURE)
        before = await stores.builds.get(build_id)
        assert await stores.builds.leave(build_id, requested_by="tests") == before


class ListContract:
    async def test_builds_are_listed_newest_first(self, stores: Stores) -> None:
        ids = [await stores.queued(sample_order(key=f"k{n}")) for n in range(3)]
        page = await stores.builds.list_builds(BuildFilter())
        assert [build.id for build in page.builds] == ids[::-1]
        assert page.next_before is None

    async def test_pages_follow_each_other_without_gap_or_overlap(self, stores: Stores) -> None:
        ids = [await stores.queued(sample_order(key=f"k{n}")) for n in range(5)]
        seen: list[str] = []
        before: str | None = None
        for _ in range(3):
            page = await stores.builds.list_builds(BuildFilter(limit=2, before=before))
            seen += [build.id for build in page.builds]
            before = page.next_before
        assert seen == ids[::-1]
        assert before is None

    async def test_full_last_page_has_no_next(self, stores: Stores) -> None:
        for n in range(2):
            await stores.queued(sample_order(key=f"k{n}"))
        assert (await stores.builds.list_builds(BuildFilter(limit=2))).next_before is None

    async def test_lists_are_filtered_by_project_and_status(self, stores: Stores) -> None:
        wheel = await stores.finished(SUCCESS, sample_order(key="a", project="lxml"))
        failed = await stores.finished(FAILURE, sample_order(key="b", project="lxml"))
        other = await stores.queued(sample_order(key="c", project="pyyaml"))

        async def listed(wanted: BuildFilter) -> list[str]:
            return [build.id for build in (await stores.builds.list_builds(wanted)).builds]

        assert await listed(BuildFilter(project="lxml")) == [failed, wheel]
        assert await listed(BuildFilter(status=Status.QUEUED)) == [other]
        assert await listed(BuildFilter(project="lxml", status=Status.SUCCEEDED)) == [wheel]
        assert await listed(BuildFilter(project="numpy")) == []

    async def test_lists_are_filtered_by_cause_target_and_requester(self, stores: Stores) -> None:
        failed = await stores.finished(FAILURE, sample_order(key="a"))
        order = replace(sample_order(key="b"), target=Target.parse(python="3.11", platform="manylinux_2_31_x86_64"))
        other = (await stores.builds.submit(order, requested_by="ci (0e3c2b1a)")).build.id
        await stores.builds.submit(order, requested_by="ann (7f8ec1a6)")

        async def listed(wanted: BuildFilter) -> list[str]:
            return [build.id for build in (await stores.builds.list_builds(wanted)).builds]

        assert FAILURE.failure is not None
        assert await listed(BuildFilter(failure_code=FAILURE.failure.code)) == [failed]
        assert await listed(BuildFilter(failure_code="no-sdist")) == []
        assert await listed(BuildFilter(python="3.11")) == [other]
        assert await listed(BuildFilter(platform="manylinux_2_31_x86_64")) == [other]
        for by in ("ci", "ci (0e3c2b1a)", "ann"):
            assert await listed(BuildFilter(requested_by=by)) == [other]
        for by in ("c", "ci (7f8ec1a6)", "%", "c_"):
            assert await listed(BuildFilter(requested_by=by)) == []

    async def test_newest_build_of_each_release_and_target_can_be_told_from_the_others(self, stores: Stores) -> None:
        await stores.finished(FAILURE, sample_order(key="a"))
        newest = await stores.finished(FAILURE, sample_order(key="b"))
        other = await stores.finished(FAILURE, sample_order(key="c", project="lxml"))
        page = await stores.builds.list_builds(BuildFilter(status=Status.FAILED, is_newest=True))
        assert [build.id for build in page.builds] == [other, newest]

    async def test_newest_build_of_each_project_is_read_at_once(self, stores: Stores) -> None:
        await stores.finished(FAILURE, sample_order(key="a", project="lxml"))
        newest = await stores.finished(SUCCESS, sample_order(key="b", project="lxml"))
        other = await stores.queued(sample_order(key="c", project="pyyaml"))
        await stores.queued(sample_order(key="d", project="numpy"))
        found = await stores.builds.newest_of(["lxml", "pyyaml", "nothing"])
        assert {project: build.id for project, build in found.items()} == {"lxml": newest, "pyyaml": other}
        assert await stores.builds.newest_of([]) == {}
        assert list(await stores.builds.newest_of(["lxml", "pyyaml"], is_final=True)) == ["lxml"]

    async def test_lists_are_filtered_by_the_beginning_of_ids(self, stores: Stores) -> None:
        ids = [await stores.queued(sample_order(key=f"k{n}")) for n in range(8)]

        async def listed(beginning: str) -> list[str]:
            page = await stores.builds.list_builds(BuildFilter(ids=IdRange.of(beginning)))
            return [build.id for build in page.builds]

        for beginning in {ids[0], ids[0][:1], ids[0][:8], ids[0][:13], ids[0][:14], ids[0].upper(), ids[3][:2]}:
            assert await listed(beginning) == [one for one in ids[::-1] if one.startswith(beginning.lower())]
        assert await listed(ids[0].replace("-", "")) == ids[:1]
        assert await listed(NOWHERE[:12]) == []

    async def test_summaries_say_what_came_of_a_build(self, stores: Stores) -> None:
        await stores.finished(SUCCESS, sample_order(key="a"))
        await stores.finished(FAILURE, sample_order(key="b"))
        failed, wheel = (await stores.builds.list_builds(BuildFilter())).builds
        assert (wheel.wheel_filename, wheel.failure_code) == (sample_wheel().filename, None)
        assert (failed.wheel_filename, failed.failure_code) == (None, "build-failed")
        assert wheel.target == sample_order().target

    async def test_nothing_was_before_an_unknown_build(self, stores: Stores) -> None:
        await stores.queued()
        assert (await stores.builds.list_builds(BuildFilter(before=NOWHERE))).builds == ()
        with pytest.raises(NotFoundError):
            await stores.builds.list_builds(BuildFilter(before="no-id-at-all"))
