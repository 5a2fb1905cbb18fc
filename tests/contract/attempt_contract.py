"""What every AttemptStore must keep: claims, takeovers, fences."""

import asyncio
from dataclasses import replace

import pytest
from tests.contract.samples import commit_order, commit_origin, sample_order
from tests.contract.stores import FAILURE, LEASE_SECONDS, MAX_ATTEMPTS, NOWHERE, SUCCESS, Stores

from wheelyard.domain.builds.build import SdistSource, SourceKind, Stage, Status
from wheelyard.domain.builds.records import BuildFilter, Claim, Outcome


class ClaimContract:
    async def test_claim_begins_the_first_attempt(self, stores: Stores) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        build = await stores.builds.get(build_id)
        assert claim == Claim(build_id=build_id, attempt=1, worker="worker-1", order=sample_order())
        assert (build.status, build.stage) == (Status.RUNNING, None)
        assert [(one.number, one.worker, one.status) for one in build.attempts] == [(1, "worker-1", Status.RUNNING)]
        assert build.started_at is not None

    async def test_held_build_cannot_be_claimed(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.claimed(build_id)
        assert await stores.attempts.claim(build_id, worker="worker-2", lease_seconds=LEASE_SECONDS) is None

    async def test_only_one_of_many_workers_gets_the_claim(self, stores: Stores) -> None:
        build_id = await stores.queued()
        claims = await asyncio.gather(
            *(stores.attempts.claim(build_id, worker=f"worker-{n}", lease_seconds=LEASE_SECONDS) for n in range(6))
        )
        assert len([claim for claim in claims if claim is not None]) == 1

    async def test_finished_build_cannot_be_claimed(self, stores: Stores) -> None:
        build_id = await stores.finished(SUCCESS)
        await stores.expire_leases()
        assert await stores.attempts.claim(build_id, worker="worker-2", lease_seconds=LEASE_SECONDS) is None

    async def test_unknown_build_cannot_be_claimed(self, stores: Stores) -> None:
        assert await stores.attempts.claim(NOWHERE, worker="worker-1", lease_seconds=LEASE_SECONDS) is None

    async def test_lost_build_is_taken_over_by_the_next_attempt(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.claimed(build_id)
        began = (await stores.builds.get(build_id)).started_at
        await stores.expire_leases()
        assert (await stores.claimed(build_id, "worker-2")).attempt == 2
        build = await stores.builds.get(build_id)
        lost, current = build.attempts
        assert (lost.status, current.status) == (Status.FAILED, Status.RUNNING)
        assert lost.finished_at is not None
        assert lost.failure is not None
        assert (lost.failure.code, lost.failure.stage) == ("worker-lost", None)
        assert "worker-1" in lost.failure.summary
        assert (build.started_at, build.failure) == (began, None)

    async def test_version_and_sdist_of_a_commit_are_known_once_its_attempt_has_ended(self, stores: Stores) -> None:
        order = commit_order()
        build_id = (await stores.builds.submit(order, requested_by="a")).build.id
        claim = await stores.claimed(build_id)
        origin = replace(commit_origin(), version="1.2")
        sdist = SdistSource(
            filename="demo-1.2.tar.gz", url="", sha256="ab" * 32, size_bytes=7, kind=SourceKind.GIT, git=origin
        )
        learnt = replace(order, version="1.2.dev0+g1", sdist=sdist)

        await stores.attempts.finish(claim, replace(FAILURE, order=learnt))

        found = (await stores.builds.get(build_id)).order
        assert (found.version, found.sdist, found.key) == ("1.2.dev0+g1", sdist, order.key)

    async def test_commit_of_a_tag_is_that_of_its_newest_build(self, stores: Stores) -> None:
        former, newer = "ab" * 20, "cd" * 20
        for number, commit in enumerate((former, newer)):
            await stores.builds.submit(commit_order(key=f"c{number}", commit=commit), requested_by="a")
        other = replace(commit_origin(), tag=None, ref="main", commit="ef" * 20)
        await stores.builds.submit(commit_order(key="branch", origin=other), requested_by="a")

        url = other.url
        assert await stores.builds.find_commit(url, tag="v1.2") == newer
        assert await stores.builds.find_commit(url, tag="main") is None
        assert await stores.builds.find_commit("https://other.example/x", tag="v1.2") is None

    async def test_a_beat_keeps_others_out(self, stores: Stores) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        await stores.expire_leases()
        beat = await stores.attempts.beat(claim, lease_seconds=LEASE_SECONDS)
        assert beat.holds_lease
        assert await stores.attempts.claim(build_id, worker="worker-2", lease_seconds=LEASE_SECONDS) is None

    async def test_build_is_given_up_after_its_last_attempt(self, stores: Stores) -> None:
        build_id = await stores.queued()
        for number in range(1, MAX_ATTEMPTS + 1):
            assert (await stores.claimed(build_id, f"worker-{number}")).attempt == number
            await stores.expire_leases()
        assert await stores.attempts.claim(build_id, worker="worker-4", lease_seconds=LEASE_SECONDS) is None
        await stores.sweep()
        build = await stores.builds.get(build_id)
        assert build.status is Status.FAILED
        assert build.failure is not None
        assert build.failure.code == "attempts-exhausted"
        assert [one.failure and one.failure.code for one in build.attempts] == ["worker-lost"] * MAX_ATTEMPTS

    async def test_cancelled_build_whose_worker_is_lost_ends_cancelled(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.claimed(build_id)
        await stores.builds.request_cancel(build_id, requested_by="tests")
        await stores.expire_leases()
        assert await stores.attempts.claim(build_id, worker="worker-2", lease_seconds=LEASE_SECONDS) is None
        await stores.sweep()
        build = await stores.builds.get(build_id)
        assert (build.status, build.failure) == (Status.CANCELLED, None)
        assert build.attempts[-1].finished_at is not None

    async def test_sweep_leaves_a_held_build_alone(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.claimed(build_id)
        before = await stores.builds.get(build_id)
        await stores.sweep()
        assert await stores.builds.get(build_id) == before


class FenceContract:
    async def test_stage_is_shown_while_it_runs(self, stores: Stores) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        assert await stores.attempts.enter_stage(claim, Stage.REPAIR)
        assert (await stores.builds.get(build_id)).stage is Stage.REPAIR
        assert (await stores.builds.list_builds(BuildFilter())).builds[0].stage is Stage.REPAIR

    @pytest.mark.parametrize("outcome", [SUCCESS, FAILURE], ids=["succeeded", "failed"])
    async def test_outcome_is_kept_whole(self, stores: Stores, outcome: Outcome) -> None:
        build = await stores.builds.get(await stores.finished(outcome))
        (attempt,) = build.attempts
        assert (build.status, build.stage) == (outcome.status, None)
        assert (build.wheel, build.failure) == (outcome.wheel, outcome.failure)
        assert (attempt.status, attempt.failure, attempt.timings) == (outcome.status, outcome.failure, outcome.timings)
        assert attempt.log_truncated is outcome.log_truncated
        assert build.finished_at is not None
        assert attempt.finished_at is not None

    async def test_lost_claim_changes_nothing(self, stores: Stores) -> None:
        build_id = await stores.queued()
        lost = await stores.claimed(build_id)
        await stores.expire_leases()
        await stores.claimed(build_id, "worker-2")
        before = await stores.builds.get(build_id)
        assert not (await stores.attempts.beat(lost, lease_seconds=LEASE_SECONDS)).holds_lease
        assert not await stores.attempts.enter_stage(lost, Stage.PUBLISH)
        assert not await stores.attempts.append_log(lost, b"from the grave")
        assert not await stores.attempts.finish(lost, SUCCESS)
        assert await stores.builds.get(build_id) == before
        assert await stores.whole_log(build_id, 1) == b""
        assert await stores.whole_log(build_id, 2) == b""

    async def test_ended_attempt_takes_no_more_writes(self, stores: Stores) -> None:
        build_id = await stores.queued()
        claim = await stores.claimed(build_id)
        assert await stores.attempts.finish(claim, FAILURE)
        before = await stores.builds.get(build_id)
        assert not (await stores.attempts.beat(claim, lease_seconds=LEASE_SECONDS)).holds_lease
        assert not await stores.attempts.enter_stage(claim, Stage.PUBLISH)
        assert not await stores.attempts.append_log(claim, b"late")
        assert not await stores.attempts.finish(claim, SUCCESS)
        assert await stores.builds.get(build_id) == before
