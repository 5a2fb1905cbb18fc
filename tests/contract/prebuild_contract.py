"""What every PrebuildStore promises."""

from dataclasses import replace
from datetime import timedelta

import pytest
from packaging.utils import canonicalize_name
from tests.contract.samples import BEGINNING, TARGET, sample_order
from tests.contract.stores import FAILURE, NOWHERE, Stores

from wheelyard.domain.access import AuditFilter
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.git_source import GitOrigin
from wheelyard.domain.dependencies.files import Origin, Skipped
from wheelyard.domain.prebuilds.lists import PrebuildFilter
from wheelyard.domain.prebuilds.prebuild import Campaign, Item, ItemStatus, Prebuild, Prefer, Started
from wheelyard.errors import NotFoundError, RequestCancelledError

PROJECT = canonicalize_name("pyyaml")
ITEM = Item(
    project=PROJECT,
    version="6.0.3",
    target=TARGET,
    origin=Origin(file="requirements.txt", line=3),
    hashes=frozenset({"sha256:aa"}),
    commit=GitOrigin(url="https://git.example/acme/pyyaml", ref="v6", commit="0123456789" * 4, tag="v6"),
)


def sample_prebuild(number: int = 1) -> Prebuild:
    return Prebuild(
        id=f"00000000-0000-4000-8000-00000000000{number}",
        requested_by="tests",
        created_at=BEGINNING + timedelta(seconds=number),
        finished_at=None,
        cancelled=False,
        targets=(TARGET,),
        prefer=Prefer.OWN,
        items=(ITEM,),
        skipped=(Skipped(origin=Origin(file="requirements.txt", line=1), text="-e .", reason="it is editable"),),
        allow_skipped=True,
    )


def started(build_id: str | None, *, reason: str = "", status: Status = Status.QUEUED) -> Started:
    return Started(
        project=PROJECT, version="6.0.3", target=TARGET, build_id=build_id, status=status, reason=reason, joined=True
    )


async def save(stores: Stores, **changes: object) -> bool:
    """Claim a prebuild, change it and save it."""
    turn = await stores.prebuilds.claim(lease_seconds=60)
    assert turn is not None
    prebuild = replace(turn.prebuild, **changes)  # type: ignore[arg-type]
    return await stores.prebuilds.save(replace(turn, prebuild=prebuild))


async def submit(stores: Stores, prebuild_id: str | None, key: str = "k1") -> str:
    order = sample_order(key=key)
    return (await stores.builds.submit(order, requested_by="tests", prebuild_id=prebuild_id)).build.id


async def status_of(stores: Stores, build_id: str) -> Status:
    return (await stores.builds.get(build_id)).status


def sample_campaign(number: int = 1, *, key: str = "k", projects: tuple[str, ...] = ("pyyaml",)) -> Prebuild:
    """Make a campaign for everything on the index."""
    items = tuple(
        Item(project=canonicalize_name(one), version="1.0", target=TARGET, origin=Origin(file="index"))
        for one in projects
    )
    campaign = Campaign(source="index", key=key)
    return replace(sample_prebuild(number), items=items, skipped=(), campaign=campaign)


class PrebuildContract:
    """Tests of a store; ``stores`` gives an empty one."""

    async def test_campaign_is_read_as_it_was_begun(self, stores: Stores) -> None:
        assert await stores.prebuilds.begin_campaign(sample_campaign()) == (sample_campaign().id, False)
        assert await stores.prebuilds.get(sample_campaign().id) == sample_campaign()

    async def test_equal_campaign_is_joined_and_gets_the_projects_that_it_lacks(self, stores: Stores) -> None:
        await stores.prebuilds.begin_campaign(sample_campaign())
        turn = await stores.prebuilds.claim(lease_seconds=60)
        assert turn is not None
        again = sample_campaign(2, projects=("pyyaml", "lxml"))
        assert await stores.prebuilds.begin_campaign(again) == (sample_campaign().id, True)
        joined = await stores.prebuilds.get(sample_campaign().id)
        assert [item.project for item in joined.items] == ["pyyaml", "lxml"]
        # A turn that does not know them must not end the campaign.
        assert not await stores.prebuilds.save(replace(turn, prebuild=replace(turn.prebuild, finished_at=BEGINNING)))
        assert await stores.prebuilds.claim(lease_seconds=60) is not None
        entries = await stores.audit.list_entries(AuditFilter(object=sample_campaign().id))
        assert [entry.change.details.get("added") for entry in entries] == ["1", None]

    async def test_campaign_that_is_over_or_another_one_is_not_joined(self, stores: Stores) -> None:
        await stores.prebuilds.begin_campaign(sample_campaign())
        assert await stores.prebuilds.begin_campaign(sample_campaign(2, key="other")) == (sample_campaign(2).id, False)
        await stores.prebuilds.cancel(sample_campaign().id, cancelled_by="tests")
        assert await stores.prebuilds.begin_campaign(sample_campaign(3)) == (sample_campaign(3).id, False)

    async def test_campaigns_and_requests_are_listed_apart(self, stores: Stores) -> None:
        await stores.prebuilds.create(sample_prebuild(1))
        await stores.prebuilds.begin_campaign(sample_campaign(2))
        requests = await stores.prebuilds.page(PrebuildFilter())
        (campaign,) = (await stores.prebuilds.page(PrebuildFilter(campaigns=True))).prebuilds
        assert [one.id for one in requests.prebuilds] == [sample_prebuild(1).id]
        assert (campaign.id, campaign.campaign_source, campaign.target) == (sample_campaign(2).id, "index", TARGET)

    async def test_campaign_rests_for_the_pause(self, stores: Stores) -> None:
        await stores.prebuilds.begin_campaign(sample_campaign())
        turn = await stores.prebuilds.claim(lease_seconds=60)
        assert turn is not None
        assert await stores.prebuilds.save(turn, pause_seconds=60)
        assert await stores.prebuilds.claim(lease_seconds=60) is None

    async def test_build_of_a_campaign_gives_way_to_the_next_one(self, stores: Stores) -> None:
        await stores.prebuilds.begin_campaign(sample_campaign())
        first, second = await stores.queued(), await submit(stores, None, key="k2")
        one = replace(started(first), version="1.0")
        await save(stores, started=(one,))
        await stores.attempts.finish(await stores.claimed(first), FAILURE)
        (failed,) = (await stores.prebuilds.get(sample_campaign().id)).started
        assert FAILURE.failure is not None
        assert (failed.status, failed.code) == (Status.FAILED, FAILURE.failure.code)
        await save(stores, started=(replace(one, build_id=second),))
        (now,) = (await stores.prebuilds.get(sample_campaign().id)).started
        assert (now.build_id, now.status) == (second, Status.QUEUED)
        await save(stores, started=())
        assert (await stores.prebuilds.get(sample_campaign().id)).started == ()

    async def test_refusal_keeps_its_code(self, stores: Stores) -> None:
        await stores.prebuilds.begin_campaign(sample_campaign())
        refused = started(None, reason="there is no sdist", status=Status.FAILED)
        await save(stores, started=(replace(refused, version="1.0", code="no-sdist"),))
        (one,) = (await stores.prebuilds.get(sample_campaign().id)).started
        assert one.code == "no-sdist"

    async def test_prebuild_is_read_as_it_was_created(self, stores: Stores) -> None:
        await stores.prebuilds.create(sample_prebuild())
        assert await stores.prebuilds.get(sample_prebuild().id) == sample_prebuild()

    @pytest.mark.parametrize("name", [NOWHERE, "no-id"])
    async def test_prebuild_that_is_not_there_is_not_found(self, stores: Stores, name: str) -> None:
        with pytest.raises(NotFoundError):
            await stores.prebuilds.get(name)

    async def test_started_builds_show_their_status_as_it_is_now(self, stores: Stores) -> None:
        prebuild = sample_prebuild()
        build_id = await stores.queued()
        await stores.prebuilds.create(prebuild)
        await save(stores, started=(started(build_id),))
        assert (await stores.prebuilds.get(prebuild.id)).started[0].status is Status.QUEUED
        await stores.attempts.finish(await stores.claimed(build_id), FAILURE)
        (one,) = (await stores.prebuilds.get(prebuild.id)).started
        assert (one.status, one.joined) == (Status.FAILED, True)
        assert FAILURE.failure is not None
        assert (one.reason, one.hint) == (FAILURE.failure.summary, FAILURE.failure.hint)

    async def test_refused_build_keeps_its_reason(self, stores: Stores) -> None:
        prebuild = sample_prebuild()
        await stores.prebuilds.create(prebuild)
        refused = started(None, reason="there is no sdist", status=Status.FAILED)
        await save(stores, started=(refused,))
        (one,) = (await stores.prebuilds.get(prebuild.id)).started
        assert (one.build_id, one.status, one.reason) == (None, Status.FAILED, "there is no sdist")

    async def test_saved_items_are_read_back(self, stores: Stores) -> None:
        prebuild = sample_prebuild()
        await stores.prebuilds.create(prebuild)
        changed = replace(ITEM, status=ItemStatus.PRESENT, filename="a.whl", sha256="ab", waits_for=TARGET)
        await save(stores, items=(changed,))
        assert (await stores.prebuilds.get(prebuild.id)).items == (changed,)

    async def test_claimed_prebuild_is_nobody_elses_until_it_is_saved(self, stores: Stores) -> None:
        await stores.prebuilds.create(sample_prebuild())
        turn = await stores.prebuilds.claim(lease_seconds=60)
        assert turn is not None
        assert turn.prebuild == sample_prebuild()
        assert await stores.prebuilds.claim(lease_seconds=60) is None
        assert await stores.prebuilds.save(turn)
        assert await stores.prebuilds.claim(lease_seconds=60) is not None

    async def test_turn_that_was_lost_changes_nothing_any_more(self, stores: Stores) -> None:
        await stores.prebuilds.create(sample_prebuild())
        build_id = await submit(stores, sample_prebuild().id)
        lost = await stores.prebuilds.claim(lease_seconds=0)
        current = await stores.prebuilds.claim(lease_seconds=60)
        assert lost is not None
        assert current is not None
        assert not await stores.prebuilds.renew(lost, lease_seconds=60)
        assert await stores.prebuilds.withdraw(lost, [build_id]) == ()
        ended = replace(lost.prebuild, finished_at=BEGINNING, items=())
        assert not await stores.prebuilds.save(replace(lost, prebuild=ended))
        assert await stores.prebuilds.get(sample_prebuild().id) == sample_prebuild()
        assert await stores.prebuilds.renew(current, lease_seconds=60)
        assert await stores.prebuilds.save(current)

    async def test_renewed_turn_is_kept(self, stores: Stores) -> None:
        await stores.prebuilds.create(sample_prebuild())
        turn = await stores.prebuilds.claim(lease_seconds=0)
        assert turn is not None
        assert await stores.prebuilds.renew(turn, lease_seconds=60)
        assert await stores.prebuilds.claim(lease_seconds=60) is None

    async def test_prebuilds_take_turns(self, stores: Stores) -> None:
        for number in (1, 2):
            await stores.prebuilds.create(sample_prebuild(number))
        seen = []
        for _ in range(4):
            turn = await stores.prebuilds.claim(lease_seconds=60)
            assert turn is not None
            seen.append(turn.prebuild.id)
            await stores.prebuilds.save(turn)
        assert seen[:2] == seen[2:]
        assert len(set(seen)) == 2

    async def test_finished_prebuild_is_not_claimed_and_stays_finished(self, stores: Stores) -> None:
        prebuild = sample_prebuild()
        await stores.prebuilds.create(prebuild)
        turn = await stores.prebuilds.claim(lease_seconds=60)
        assert turn is not None
        await stores.prebuilds.save(replace(turn, prebuild=replace(prebuild, finished_at=BEGINNING)))
        assert not await stores.prebuilds.save(turn)
        kept = await stores.prebuilds.get(prebuild.id)
        assert (kept.cancelled, kept.finished_at) == (False, BEGINNING)
        assert await stores.prebuilds.claim(lease_seconds=60) is None
        assert await stores.prebuilds.cancel(prebuild.id, cancelled_by="tests") == kept

    async def test_cancelled_prebuild_ends_at_once_even_while_somebody_is_at_it(self, stores: Stores) -> None:
        prebuild = sample_prebuild()
        await stores.prebuilds.create(prebuild)
        turn = await stores.prebuilds.claim(lease_seconds=60)
        assert turn is not None
        cancelled = await stores.prebuilds.cancel(prebuild.id, cancelled_by="tests")
        assert cancelled.cancelled
        assert cancelled.finished_at is not None
        assert not await stores.prebuilds.save(turn)
        with pytest.raises(RequestCancelledError):
            await submit(stores, prebuild.id)
        assert await stores.prebuilds.claim(lease_seconds=60) is None

    async def test_cancelled_prebuild_takes_along_what_waits_for_it_alone(self, stores: Stores) -> None:
        for number in (1, 2):
            await stores.prebuilds.create(sample_prebuild(number))
        first, second = sample_prebuild(1).id, sample_prebuild(2).id
        own, joined_by_prebuild, joined_by_caller, running = [
            await submit(stores, first, key) for key in ("own", "prebuild", "caller", "running")
        ]
        await submit(stores, second, "prebuild")
        await submit(stores, None, "caller")
        await stores.claimed(running)
        await stores.prebuilds.cancel(first, cancelled_by="tests")
        assert await status_of(stores, own) is Status.CANCELLED
        assert await status_of(stores, joined_by_prebuild) is Status.QUEUED
        assert await status_of(stores, joined_by_caller) is Status.QUEUED
        assert await status_of(stores, running) is Status.RUNNING
        await stores.prebuilds.cancel(second, cancelled_by="tests")
        assert await status_of(stores, joined_by_prebuild) is Status.CANCELLED

    async def test_builds_that_nobody_else_wants_are_withdrawn_queued_or_running(self, stores: Stores) -> None:
        await stores.prebuilds.create(sample_prebuild())
        queued, running, shared = [await submit(stores, sample_prebuild().id, key) for key in ("a", "b", "c")]
        await submit(stores, None, "c")
        claim = await stores.claimed(running)
        turn = await stores.prebuilds.claim(lease_seconds=60)
        assert turn is not None
        assert set(await stores.prebuilds.withdraw(turn, [queued, running, shared])) == {queued, running}
        assert await status_of(stores, queued) is Status.CANCELLED
        assert (await stores.attempts.beat(claim, lease_seconds=60)).cancel_requested
        assert await status_of(stores, shared) is Status.QUEUED

    async def test_list_has_the_newest_first_without_items(self, stores: Stores) -> None:
        for number in (1, 2, 3):
            await stores.prebuilds.create(sample_prebuild(number))
        listed = await stores.prebuilds.list_prebuilds(limit=2)
        assert [one.id for one in listed] == [sample_prebuild(3).id, sample_prebuild(2).id]
        assert listed[0].items == ()

    async def test_order_and_its_end_are_in_the_audit_log(self, stores: Stores) -> None:
        prebuild = sample_prebuild()
        await stores.prebuilds.create(prebuild)
        await save(stores)
        await stores.prebuilds.cancel(prebuild.id, cancelled_by="somebody")
        end, order = (entry.change for entry in await stores.audit.list_entries(AuditFilter(object=prebuild.id)))
        assert (order.actor, order.action, order.details["releases"]) == ("tests", "request.made", "1")
        assert (end.actor, end.action) == ("somebody", "request.cancelled")
