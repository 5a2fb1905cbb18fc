"""What every MetricStore must keep."""

from dataclasses import replace

from tests.contract.samples import sample_order, sample_wheel
from tests.contract.stores import FAILURE, SUCCESS, Stores

from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.builds.statistics import Statistics
from wheelyard.domain.index.index import PublishedFile


class StatisticsContract:
    """Statistics of what was built."""

    async def test_nothing_was_built(self, stores: Stores) -> None:
        empty = (0,) * 10
        found = await stores.figures.summarise(days=30)
        assert found == Statistics(days=(), waits=empty, durations=empty, slowest=(), requested=())

    async def test_builds_are_counted_by_how_they_ended(self, stores: Stores) -> None:
        good = await stores.finished(SUCCESS, sample_order(key="a"))
        await stores.finished(SUCCESS, sample_order(key="b"))
        bad = await stores.finished(FAILURE, sample_order(key="c", project="lxml"))
        cancelled = await stores.queued(sample_order(key="d"))
        await stores.builds.request_cancel(cancelled, requested_by="tests")
        await stores.queued(sample_order(key="e"))
        found = await stores.figures.summarise(days=30)
        (day,) = found.days
        assert (day.succeeded, day.failed, day.cancelled) == (2, 1, 1)
        assert (sum(found.waits), sum(found.durations)) == (3, 2)
        assert found.success_rate == 2 / 3
        assert {good, bad} < {one.build_id for one in found.slowest}
        assert [(one.project, one.requests) for one in found.requested] == [("pyyaml", 4), ("lxml", 1)]

    async def test_what_wheels_and_logs_take_is_added_up(self, stores: Stores) -> None:
        for number, project in enumerate(("small", "large", "large")):
            order = sample_order(key=f"{project}-{number}", project=project)
            claim = await stores.claimed(await stores.queued(order))
            await stores.attempts.append_log(claim, b"12345")
            name = f"{project}-{number}-py3-none-any.whl"
            wheel = replace(sample_wheel(), filename=name, size_bytes=1000)
            published = PublishedFile(
                filename=name, url=f"memory:{name}", index_url="", sha256=wheel.sha256, size_bytes=1000, uploaded=True
            )
            await stores.attempts.finish(claim, Outcome(status=Status.SUCCEEDED, wheel=wheel, published=published))
        found = await stores.figures.summarise(days=30)
        assert (found.wheels, found.index_bytes, found.log_bytes) == (3, 3000, 15)
        assert [(one.project, one.wheels, one.size_bytes) for one in found.largest] == [
            ("large", 2, 2000),
            ("small", 1, 1000),
        ]
        (day,) = found.published
        assert (day.wheels, day.size_bytes) == (3, 3000)
