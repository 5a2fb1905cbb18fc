"""What stores must keep of builds that wait for other builds (MissingReleaseStore, and every end of a build)."""

from dataclasses import replace

import pytest
from tests.contract.prebuild_contract import sample_prebuild
from tests.contract.samples import sample_order
from tests.contract.stores import FAILURE, MAX_ATTEMPTS, SUCCESS, Stores

from wheelyard.domain.access import AuditFilter
from wheelyard.domain.builds.build import AwaitedBuild, Build, BuildOrder, Failure, MissingRelease, Status
from wheelyard.domain.builds.graph import MAX_CHAIN, MAX_NEEDS, Need
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import BuildFilter, Outcome
from wheelyard.errors import NotYoursError, ReleaseUnsupportedError, WheelsMissingError

CANCELLED = Outcome(status=Status.CANCELLED)
UNSUPPORTED = ReleaseUnsupportedError(
    release="needed 6.0.3", target="the target", suite="bookworm", reason="it is too old", others=[]
)


def order_of(project: str) -> BuildOrder:
    return sample_order(key=project, project=project)


def release_of(project: str) -> MissingRelease:
    return MissingRelease(project=project, version=order_of(project).version)


def needing_outcome(*projects: str) -> Outcome:
    error = WheelsMissingError(releases=[(project, "6.0.3") for project in projects], target="the target")
    failure = Failure.of(error, stage=None)
    return Outcome(
        status=Status.QUEUED, failure=failure, counts=False, needs=tuple(release_of(project) for project in projects)
    )


async def needing(
    stores: Stores, project: str, *needed: str, priority: Priority = Priority.INTERACTIVE, by: str = "alice"
) -> str:
    """Let a build find missing releases; nothing has requested them yet."""
    build_id = (await stores.builds.submit(order_of(project), requested_by=by, priority=priority)).build.id
    assert await stores.attempts.finish(await stores.claimed(build_id), needing_outcome(*needed))
    return build_id


async def supplied(stores: Stores) -> None:
    """Request every missing release."""
    for need in await stores.needs.open_dependencies():
        await stores.needs.supply(need, order_of(need.release.project))


async def waiting(stores: Stores, project: str, *needed: str) -> str:
    """Let a build wait for builds that are requested."""
    build_id = await needing(stores, project, *needed)
    await supplied(stores)
    return build_id


async def awaited(stores: Stores, build_id: str) -> dict[str, str]:
    """Return the builds that a build waits for, by project."""
    build = await stores.builds.get(build_id)
    return {one.release.project: one.build_id or "" for one in build.waits_for}


async def ended(stores: Stores, build_id: str, outcome: Outcome) -> None:
    assert await stores.attempts.finish(await stores.claimed(build_id), outcome)


async def failure_of(stores: Stores, build_id: str) -> tuple[str, str]:
    build: Build = await stores.builds.get(build_id)
    assert build.status is Status.FAILED
    assert build.failure is not None
    assert build.finished_at is not None
    assert build.waits_for == ()
    return build.failure.code, build.failure.summary


class DependencyContract:
    async def test_build_that_needs_a_wheel_waits_and_its_attempt_does_not_count(self, stores: Stores) -> None:
        build_id = await needing(stores, "top", "needed", priority=Priority.BATCH)
        build = await stores.builds.get(build_id)
        assert (build.status, build.failure, build.finished_at) == (Status.QUEUED, None, None)
        assert build.waits_for == (AwaitedBuild(release=release_of("needed"), build_id=None),)
        assert build.attempts[0].status is Status.CANCELLED
        assert build.attempts[0].failure is not None
        assert build.attempts[0].failure.code == "wheels-missing"
        (need,) = await stores.needs.open_dependencies()
        assert need == Need(
            build_id=build_id,
            release=release_of("needed"),
            target=build.order.target,
            priority=Priority.BATCH,
            requested_by="alice",
        )
        assert [one.waits for one in (await stores.builds.list_builds(BuildFilter())).builds] == [True]
        assert await stores.taken() is None
        assert await stores.attempts.claim(build_id, worker="w", lease_seconds=20) is None
        assert await stores.sweep() == 0

    async def test_needed_build_is_taken_first_with_the_priority_of_what_waits(self, stores: Stores) -> None:
        build_id = await needing(stores, "top", "needed")
        await supplied(stores)
        assert await stores.needs.open_dependencies() == ()
        needed = (await awaited(stores, build_id))["needed"]
        assert (await stores.builds.get(needed)).priority is Priority.INTERACTIVE
        assert [await stores.taken(), await stores.taken()] == [needed, None]
        entries = await stores.audit.list_entries(AuditFilter(object=needed))
        assert [entry.change.actor for entry in entries] == ["alice"]

    async def test_supplying_twice_is_no_harm(self, stores: Stores) -> None:
        build_id = await needing(stores, "top", "needed")
        (need,) = await stores.needs.open_dependencies()
        for _ in range(2):
            await stores.needs.supply(need, order_of("needed"))
        await stores.needs.give_up(need, UNSUPPORTED)
        assert (await awaited(stores, build_id)).keys() == {"needed"}
        assert [await stores.taken() is None, await stores.taken()] == [False, None]

    async def test_build_goes_on_once_everything_is_there(self, stores: Stores) -> None:
        build_id = await waiting(stores, "top", "first", "second")
        needed = await awaited(stores, build_id)
        await ended(stores, needed["second"], SUCCESS)
        assert (await awaited(stores, build_id)).keys() == {"first"}
        assert await stores.taken() == needed["first"]
        await stores.expire_leases()
        await ended(stores, needed["first"], SUCCESS)
        assert await stores.taken() == build_id
        assert (await stores.builds.get(build_id)).waits_for == ()
        assert not any(one.waits for one in (await stores.builds.list_builds(BuildFilter())).builds)

    async def test_waits_do_not_use_up_the_allowed_attempts(self, stores: Stores) -> None:
        build_id = await stores.queued(order_of("top"))
        for number in range(MAX_ATTEMPTS + 2):
            claim = await stores.claimed(build_id)
            assert claim.tries == 1
            assert await stores.attempts.finish(claim, needing_outcome(f"needed-{number}"))
            await supplied(stores)
            await ended(stores, (await awaited(stores, build_id))[f"needed-{number}"], SUCCESS)

    async def test_wheel_that_was_built_meanwhile_is_not_waited_for(self, stores: Stores) -> None:
        build_id = await needing(stores, "top", "needed")
        await stores.finished(SUCCESS, order_of("needed"))
        await supplied(stores)
        assert await stores.taken() == build_id

    async def test_running_build_is_joined_and_waited_for(self, stores: Stores) -> None:
        running = await stores.queued(order_of("needed"))
        claim = await stores.claimed(running)
        build_id = await waiting(stores, "top", "needed")
        assert await awaited(stores, build_id) == {"needed": running}
        assert await stores.attempts.finish(claim, SUCCESS)
        assert await stores.taken() == build_id

    async def test_failure_names_the_whole_chain(self, stores: Stores) -> None:
        top = await waiting(stores, "top", "middle")
        middle = (await awaited(stores, top))["middle"]
        await stores.attempts.finish(await stores.claimed(middle), needing_outcome("deepest"))
        await supplied(stores)
        deepest = (await awaited(stores, middle))["deepest"]
        await ended(stores, deepest, FAILURE)
        code, summary = await failure_of(stores, top)
        assert code == "requirement-build-failed"
        assert summary.startswith("top 6.0.3 needs middle 6.0.3, which needs deepest 6.0.3, whose build failed: ")
        assert "yaml.h is missing" in summary
        failure = (await stores.builds.get(top)).failure
        assert failure is not None
        assert (failure.retryable, deepest in failure.hint) == (False, True)
        assert (await failure_of(stores, middle))[1].startswith("middle 6.0.3 needs deepest 6.0.3, whose build failed")
        assert await stores.taken() is None

    async def test_attempt_that_is_tried_again_fails_nobody_who_waits(self, stores: Stores) -> None:
        build_id = await waiting(stores, "top", "needed")
        needed = (await awaited(stores, build_id))["needed"]
        await ended(stores, needed, replace(FAILURE, status=Status.QUEUED, wait_seconds=60))
        assert await awaited(stores, build_id) == {"needed": needed}

    async def test_cancelled_requirement_fails_who_waits(self, stores: Stores) -> None:
        queued, running = await waiting(stores, "one", "queued"), await waiting(stores, "two", "running")
        needed = {**await awaited(stores, queued), **await awaited(stores, running)}
        claim = await stores.claimed(needed["running"])
        for one in needed.values():
            await stores.builds.request_cancel(one, requested_by="bob")
        assert await failure_of(stores, queued) == (
            "requirement-build-failed",
            "one 6.0.3 needs queued 6.0.3, whose build was cancelled.",
        )
        assert (await stores.builds.get(running)).status is Status.QUEUED
        assert await stores.attempts.finish(claim, CANCELLED)
        assert "whose build was cancelled" in (await failure_of(stores, running))[1]

    async def test_requirement_that_is_given_up_fails_who_waits(self, stores: Stores) -> None:
        build_id = await waiting(stores, "top", "needed")
        for _ in range(MAX_ATTEMPTS):
            await stores.claimed((await awaited(stores, build_id))["needed"])
            await stores.expire_leases()
            await stores.sweep()
        assert "was given up after" in (await failure_of(stores, build_id))[1]

    async def test_requirement_that_cannot_be_ordered_fails_who_waits(self, stores: Stores) -> None:
        build_id = await needing(stores, "top", "needed")
        (need,) = await stores.needs.open_dependencies()
        above = await needing(stores, "above", "top")
        await stores.needs.supply((await stores.needs.open_dependencies())[1], order_of("top"))
        await stores.needs.give_up(need, UNSUPPORTED)
        code, summary = await failure_of(stores, build_id)
        assert code == "requirement-build-failed"
        assert summary.startswith("top 6.0.3 needs needed 6.0.3, which cannot be built here: ")
        assert "it is too old" in summary
        assert (await failure_of(stores, above))[0] == "requirement-build-failed"

    async def test_cancelling_takes_along_what_only_this_build_needs(self, stores: Stores) -> None:
        build_id = await waiting(stores, "top", "middle", "joined", "shared", "asked")
        needed = await awaited(stores, build_id)
        await stores.attempts.finish(await stores.claimed(needed["middle"]), needing_outcome("deepest"))
        await supplied(stores)
        deepest = (await awaited(stores, needed["middle"]))["deepest"]
        other = await waiting(stores, "other", "shared")
        await stores.queued(order_of("asked"))
        build = await stores.builds.request_cancel(build_id, requested_by="bob")
        assert (build.status, build.waits_for) == (Status.CANCELLED, ())
        statuses = {name: (await stores.builds.get(one)).status for name, one in needed.items()}
        assert statuses == {
            "middle": Status.CANCELLED,
            "joined": Status.CANCELLED,
            "shared": Status.QUEUED,
            "asked": Status.QUEUED,
        }
        assert (await stores.builds.get(deepest)).status is Status.CANCELLED
        assert (await awaited(stores, other)).keys() == {"shared"}
        assert await stores.needs.open_dependencies() == ()

    async def test_end_of_a_prebuild_takes_along_what_its_builds_need_and_leaves_what_others_wait_for(
        self, stores: Stores
    ) -> None:
        prebuild = sample_prebuild()
        await stores.prebuilds.create(prebuild)
        wanted = {}
        for project in ("top", "shared"):
            order = order_of(project)
            wanted[project] = (await stores.builds.submit(order, requested_by="ci", prebuild_id=prebuild.id)).build.id
        other = await waiting(stores, "other", "shared")
        assert await awaited(stores, other) == {"shared": wanted["shared"]}
        await ended(stores, wanted["top"], needing_outcome("alone"))
        await supplied(stores)
        alone = (await awaited(stores, wanted["top"]))["alone"]
        await stores.prebuilds.cancel(prebuild.id, cancelled_by="bob")
        statuses = [(await stores.builds.get(one)).status for one in (wanted["top"], alone, wanted["shared"], other)]
        assert statuses == [Status.CANCELLED, Status.CANCELLED, Status.QUEUED, Status.QUEUED]

    async def test_build_that_another_waits_for_goes_on_when_who_asked_for_it_leaves(self, stores: Stores) -> None:
        other = await waiting(stores, "other", "shared")
        shared = (await awaited(stores, other))["shared"]
        with pytest.raises(NotYoursError):
            await stores.builds.leave(shared, requested_by="bob")
        await stores.builds.submit(order_of("shared"), requested_by="bob")
        assert (await stores.builds.leave(shared, requested_by="bob")).status is Status.QUEUED

    async def test_cancelled_build_orders_nothing_any_more(self, stores: Stores) -> None:
        build_id = await needing(stores, "top", "needed")
        (need,) = await stores.needs.open_dependencies()
        await stores.builds.request_cancel(build_id, requested_by="bob")
        await stores.needs.supply(need, order_of("needed"))
        assert (await stores.needs.open_dependencies(), await stores.taken()) == ((), None)

    async def test_build_whose_end_was_asked_for_does_not_begin_to_wait(self, stores: Stores) -> None:
        build_id = await stores.queued(order_of("top"))
        claim = await stores.claimed(build_id)
        await stores.builds.request_cancel(build_id, requested_by="bob")
        assert await stores.attempts.finish(claim, needing_outcome("needed"))
        build = await stores.builds.get(build_id)
        assert (build.status, build.waits_for) == (Status.CANCELLED, ())
        assert await stores.needs.open_dependencies() == ()

    async def test_builds_that_need_each_other_are_named(self, stores: Stores) -> None:
        left = await waiting(stores, "left", "right")
        right = (await awaited(stores, left))["right"]
        await stores.attempts.finish(await stores.claimed(right), needing_outcome("left"))
        await supplied(stores)
        code, summary = await failure_of(stores, right)
        assert code == "requirement-cycle"
        assert summary.startswith("right 6.0.3 needs left 6.0.3 needs right 6.0.3: ")
        code, summary = await failure_of(stores, left)
        assert code == "requirement-build-failed"
        assert "right 6.0.3 needs left 6.0.3 needs right 6.0.3" in summary

    async def test_build_that_needs_itself_is_named(self, stores: Stores) -> None:
        build_id = await waiting(stores, "self", "self")
        code, summary = await failure_of(stores, build_id)
        assert code == "requirement-cycle"
        assert summary.startswith("self 6.0.3 needs self 6.0.3: ")

    async def test_line_of_waiting_builds_has_a_limit(self, stores: Stores) -> None:
        first = await waiting(stores, "p0", "p1")
        for number in range(1, MAX_CHAIN - 1):
            build_id = await stores.queued(order_of(f"p{number}"))
            await ended(stores, build_id, needing_outcome(f"p{number + 1}"))
            await supplied(stores)
        assert (await stores.builds.get(first)).status is Status.QUEUED
        await ended(stores, await stores.queued(order_of(f"p{MAX_CHAIN - 1}")), needing_outcome("too-deep"))
        assert (await failure_of(stores, build_id))[0] == "requirement-build-failed"
        assert "would wait for more builds than are allowed" in (await failure_of(stores, first))[1]
        assert await stores.needs.open_dependencies() == ()

    async def test_number_of_needed_builds_has_a_limit(self, stores: Stores) -> None:
        build_id = await needing(stores, "top", *(f"p{number}" for number in range(MAX_NEEDS + 1)))
        code, summary = await failure_of(stores, build_id)
        assert (code, f"the limit is {MAX_NEEDS}" in summary) == ("requirement-chain", True)

    async def test_wheel_that_does_not_help_is_not_asked_for_again(self, stores: Stores) -> None:
        build_id = await waiting(stores, "top", "needed")
        await ended(stores, (await awaited(stores, build_id))["needed"], SUCCESS)
        await stores.attempts.finish(await stores.claimed(build_id), needing_outcome("needed"))
        code, summary = await failure_of(stores, build_id)
        assert (code, "needed 6.0.3" in summary) == ("requirement-unusable", True)

    async def test_retry_waits_anew(self, stores: Stores) -> None:
        build_id = await waiting(stores, "top", "made", "broken")
        needed = await awaited(stores, build_id)
        await ended(stores, needed["made"], SUCCESS)
        await ended(stores, needed["broken"], FAILURE)
        await failure_of(stores, build_id)
        await stores.builds.retry(build_id, requested_by="bob")
        assert await stores.taken() == build_id
        await stores.expire_leases()
        await stores.attempts.finish(await stores.claimed(build_id), needing_outcome("made", "broken"))
        await supplied(stores)
        again = await awaited(stores, build_id)
        assert again.keys() == {"broken"}
        assert again["broken"] != needed["broken"]
        await ended(stores, again["broken"], SUCCESS)
        assert await stores.taken() == build_id

    async def test_who_waits_for_a_person_hurries_what_it_needs(self, stores: Stores) -> None:
        build_id = await needing(stores, "top", "needed", priority=Priority.BATCH)
        await supplied(stores)
        needed = (await awaited(stores, build_id))["needed"]
        await stores.builds.submit(order_of("top"), requested_by="bob")
        assert (await stores.builds.get(needed)).priority is Priority.INTERACTIVE

    async def test_who_waits_holds_up_nobody_and_keeps_its_turn(self, stores: Stores) -> None:
        build_id = await waiting(stores, "top", "needed")
        needed = (await awaited(stores, build_id))["needed"]
        others = [await stores.queued(order_of(f"other-{number}")) for number in range(2)]
        await ended(stores, needed, SUCCESS)
        assert [await stores.taken(), *sorted([await stores.taken() or "", await stores.taken() or ""])] == [
            build_id,
            *sorted(others),
        ]
