"""How much unfinished work one token may have, however many callers add to it at the same time."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace

import pytest
from tests.contract.prebuild_contract import ITEM, sample_prebuild
from tests.contract.samples import sample_order
from tests.contract.stores import FAILURE, Stores

from wheelyard.domain.access import OpenLimits
from wheelyard.domain.builds.build import Status
from wheelyard.domain.prebuilds.prebuild import ItemStatus, Prebuild
from wheelyard.errors import TooMuchOpenError


async def refused(work: Sequence[Awaitable[object]]) -> int:
    """Run all calls at the same time, and count the refused ones."""
    ended = await asyncio.gather(*work, return_exceptions=True)
    faults = [one for one in ended if isinstance(one, BaseException)]
    assert {type(one) for one in faults} <= {TooMuchOpenError}
    return len(faults)


def numbered(number: int, *, items: int = 1, requested_by: str = "tests") -> Prebuild:
    prebuild = sample_prebuild()
    return replace(
        prebuild,
        id=f"{prebuild.id[:-2]}{number:02}",
        requested_by=requested_by,
        items=tuple(replace(ITEM, version=f"{n}.0") for n in range(items)),
    )


class LimitContract:
    async def test_only_so_many_builds_of_one_are_queued_however_many_come_at_once(self, stores: Stores) -> None:
        stores.limit(OpenLimits(builds=3))
        orders = [sample_order(key=f"k{number}") for number in range(12)]
        work = [stores.builds.submit(order, requested_by="tests") for order in orders]
        assert await refused(work) == 9
        assert await refused([stores.builds.submit(sample_order(key="k99"), requested_by="other")]) == 0

    async def test_refused_build_leaves_nothing_behind_and_has_room_later(self, stores: Stores) -> None:
        stores.limit(OpenLimits(builds=1))
        first = await stores.queued(sample_order(key="k1"))
        with pytest.raises(TooMuchOpenError) as caught:
            await stores.queued(sample_order(key="k2"))
        assert (caught.value.limit, caught.value.setting) == (1, "WHEELYARD_QUEUED_BUILDS_PER_TOKEN")
        assert await stores.builds.find_equal("k2") is None
        await stores.claimed(first)
        await stores.queued(sample_order(key="k2"))

    async def test_build_that_is_there_can_be_joined_beyond_the_limit(self, stores: Stores) -> None:
        stores.limit(OpenLimits(builds=1))
        await stores.builds.submit(sample_order(key="k1"), requested_by="other")
        await stores.queued(sample_order(key="k2"))
        assert (await stores.builds.submit(sample_order(key="k1"), requested_by="tests")).joined

    async def test_prebuilds_leave_a_quarter_of_the_queue_to_single_wheels(self, stores: Stores) -> None:
        stores.limit(OpenLimits(builds=4))
        prebuild = numbered(1)
        await stores.prebuilds.create(prebuild)
        orders = [sample_order(key=f"k{number}") for number in range(6)]
        work = [stores.builds.submit(order, requested_by="tests", prebuild_id=prebuild.id) for order in orders]
        assert await refused(work) == 3
        await stores.queued(sample_order(key="single"))
        with pytest.raises(TooMuchOpenError):
            await stores.queued(sample_order(key="another"))

    async def test_build_that_is_tried_again_counts(self, stores: Stores) -> None:
        failed = await stores.finished(FAILURE)
        stores.limit(OpenLimits(builds=1))
        await stores.queued(sample_order(key="k2"))
        with pytest.raises(TooMuchOpenError):
            await stores.builds.retry(failed, requested_by="tests")
        assert (await stores.builds.get(failed)).status is Status.FAILED

    async def test_build_that_was_left_counts_for_who_stays(self, stores: Stores) -> None:
        stores.limit(OpenLimits(builds=1))
        build_id = await stores.queued(sample_order(key="k1"))
        await stores.builds.submit(sample_order(key="k1"), requested_by="other")
        await stores.builds.leave(build_id, requested_by="tests")
        await stores.queued(sample_order(key="k2"))
        with pytest.raises(TooMuchOpenError):
            await stores.builds.submit(sample_order(key="k3"), requested_by="other")

    async def test_only_so_many_requests_of_one_are_open_however_many_come_at_once(self, stores: Stores) -> None:
        stores.limit(OpenLimits(requests=2))
        assert await refused([stores.prebuilds.create(numbered(number)) for number in range(8)]) == 6
        assert await refused([stores.prebuilds.create(numbered(20, requested_by="other"))]) == 0

    async def test_request_that_is_over_makes_room(self, stores: Stores) -> None:
        stores.limit(OpenLimits(requests=1))
        await stores.prebuilds.create(numbered(1))
        with pytest.raises(TooMuchOpenError) as caught:
            await stores.prebuilds.create(numbered(2))
        assert caught.value.setting == "WHEELYARD_OPEN_REQUESTS_PER_TOKEN"
        await stores.prebuilds.cancel(numbered(1).id, cancelled_by="tests")
        await stores.prebuilds.create(numbered(2))

    async def test_only_unfinished_items_count(self, stores: Stores) -> None:
        stores.limit(OpenLimits(items=5))
        first = numbered(1, items=3)
        await stores.prebuilds.create(first)
        assert await refused([stores.prebuilds.create(numbered(number, items=2)) for number in (2, 3, 4)]) == 2
        done = tuple(replace(item, status=ItemStatus.PRESENT) for item in first.items[:2])
        while not (await stores.prebuilds.get(first.id)).items[0].status.is_final:
            await save_items(stores, first.id, (*done, *first.items[2:]))
        await stores.prebuilds.create(numbered(5, items=2))
        with pytest.raises(TooMuchOpenError) as caught:
            await stores.prebuilds.create(numbered(6, items=1))
        assert caught.value.setting == "WHEELYARD_OPEN_ITEMS_PER_TOKEN"

    async def test_request_that_is_over_at_once_is_not_open(self, stores: Stores) -> None:
        stores.limit(OpenLimits(requests=1))
        await stores.prebuilds.create(numbered(1))
        over = numbered(2)
        await stores.prebuilds.create(replace(over, finished_at=over.created_at))


async def save_items(stores: Stores, prebuild_id: str, items: tuple[object, ...]) -> None:
    """Claim a prebuild, and change the items if it is this one."""
    turn = await stores.prebuilds.claim(lease_seconds=60)
    assert turn is not None
    if turn.prebuild.id == prebuild_id:
        turn = replace(turn, prebuild=replace(turn.prebuild, items=items))  # type: ignore[arg-type]
    await stores.prebuilds.save(turn)
