"""What every store must keep that shows the queue, names and prebuilds to people."""

import pytest
from tests.contract.prebuild_contract import sample_prebuild
from tests.contract.samples import sample_order
from tests.contract.stores import LANE, NOWHERE, SUCCESS, Stores
from tests.contract.waits_contract import waiting

from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import IdRange
from wheelyard.domain.prebuilds.lists import PrebuildFilter, PrebuildState
from wheelyard.domain.prebuilds.prebuild import ItemStatus
from wheelyard.errors import NotFoundError


class BrowseContract:
    """The queue, names, lists of prebuilds."""

    async def test_line_is_in_the_order_in_which_builds_are_taken(self, stores: Stores) -> None:
        running = await stores.queued(sample_order(key="running"))
        await stores.claimed(running)
        batch = (
            await stores.builds.submit(sample_order(key="batch"), requested_by="ci", priority=Priority.BATCH)
        ).build.id
        mine = [await stores.queued(sample_order(key=f"mine-{number}")) for number in range(2)]
        other = (await stores.builds.submit(sample_order(key="other"), requested_by="other")).build.id
        line = await stores.queue.read(limit=3)
        assert [one.build.id for one in line.running] == [running]
        assert line.running[0].started_at is not None
        assert (line.total, line.waiting[0].lane) == (4, LANE)
        whole = [one.build.id for one in (await stores.queue.read(limit=10)).waiting]
        assert [one.build.id for one in line.waiting] == whole[:3]
        assert whole[-1] == batch
        taken = [await stores.taken() for _ in range(4)]
        assert taken == whole
        assert set(whole) == {*mine, other, batch}

    async def test_build_that_waits_for_another_is_in_no_line(self, stores: Stores) -> None:
        await waiting(stores, "top", "needed")
        line = await stores.queue.read(limit=10)
        assert ([one.build.project for one in line.waiting], line.total, line.blocked) == (["needed"], 1, 1)

    async def test_names_are_those_of_wheels_and_builds_that_begin_so(self, stores: Stores) -> None:
        for project in ("pyyaml", "pyzmq", "lxml", "py"):
            await stores.finished(SUCCESS, sample_order(key=project, project=project))
        assert await stores.wheels.known_projects("py", limit=10) == ("py", "pyyaml", "pyzmq")
        assert await stores.wheels.known_projects("pyz", limit=10) == ("pyzmq",)
        assert await stores.wheels.known_projects("", limit=2) == ("lxml", "py")
        assert await stores.wheels.known_projects("%", limit=10) == ()

    async def test_prebuilds_are_listed_by_state_with_their_progress(self, stores: Stores) -> None:
        for number in (1, 2, 3):
            await stores.prebuilds.create(sample_prebuild(number))
        await stores.prebuilds.cancel(sample_prebuild(2).id, cancelled_by="tests")
        first = await stores.prebuilds.page(PrebuildFilter(limit=2))
        assert [one.id for one in first.prebuilds] == [sample_prebuild(3).id, sample_prebuild(2).id]
        rest = await stores.prebuilds.page(PrebuildFilter(before=first.next_before))
        assert ([one.id for one in rest.prebuilds], rest.next_before) == ([sample_prebuild(1).id], None)
        (cancelled,) = (await stores.prebuilds.page(PrebuildFilter(state=PrebuildState.CANCELLED))).prebuilds
        assert (cancelled.id, cancelled.state) == (sample_prebuild(2).id, PrebuildState.CANCELLED)
        (item,) = sample_prebuild(1).items
        assert (dict(rest.prebuilds[0].counts), rest.prebuilds[0].total) == ({ItemStatus(item.status): 1}, 1)
        assert rest.prebuilds[0].targets == len(sample_prebuild(1).targets)
        beginning = IdRange.of(sample_prebuild(2).id[:35])
        fitting = await stores.prebuilds.page(PrebuildFilter(ids=beginning))
        assert [one.id for one in fitting.prebuilds] == [
            sample_prebuild(number).id for number in (3, 2, 1) if sample_prebuild(number).id in beginning
        ]

    async def test_page_of_prebuilds_after_none_is_not_found(self, stores: Stores) -> None:
        with pytest.raises(NotFoundError):
            await stores.prebuilds.page(PrebuildFilter(before="no id"))
        assert (await stores.prebuilds.page(PrebuildFilter(before=NOWHERE))).prebuilds == ()
