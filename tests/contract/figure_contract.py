"""What every MetricStore must keep: what there is, and totals that never decrease."""

from collections import Counter
from dataclasses import replace

from packaging.utils import canonicalize_name
from tests.contract.prebuild_contract import sample_prebuild
from tests.contract.samples import sample_order, sample_wheel
from tests.contract.stores import FAILURE, LANE, SUCCESS, Stores

from wheelyard.domain.builds.build import MissingRelease, Status
from wheelyard.domain.builds.metrics import Count, IndexSize, QueueDepth, Total
from wheelyard.domain.builds.queue import Capacity, HostMetrics, Priority, WorkerRegistration, WorkerState
from wheelyard.domain.builds.records import Outcome
from wheelyard.domain.index.index import Level, PublishedFile

CARD = WorkerRegistration(
    name="w",
    host="h",
    lanes=(LANE,),
    capacity=Capacity(slots=2, cpus=4.0, memory_bytes=8 << 30),
    state=WorkerState.ACTIVE,
    host_figures=HostMetrics(disk_size_bytes=1 << 40, disk_free_bytes=1 << 39, engine_answers=True, images=3),
)
PUBLISHED = PublishedFile(
    filename=sample_wheel().filename,
    url="http://devpi/f",
    index_url="http://devpi/simple/",
    sha256=sample_wheel().sha256,
    size_bytes=sample_wheel().size_bytes,
    uploaded=True,
    level=Level.PROD,
    metadata=b"Metadata-Version: 2.1\nName: pyyaml\nVersion: 6.0.3\n",
)


async def counts(stores: Stores, name: Total) -> Counter[tuple[str, ...]]:
    found = Counter[tuple[str, ...]]()
    for one in (await stores.figures.read()).tallies:
        if one.name is name:
            found[one.labels] += one.count
    return found


class MetricContract:
    """Metrics for monitoring."""

    async def test_there_is_nothing_at_first(self, stores: Stores) -> None:
        found = await stores.figures.read()
        assert (found.queue, found.running, found.index, found.unfinished_prebuilds, found.tallies) == (
            (),
            (),
            (),
            0,
            (),
        )

    async def test_queue_is_counted_by_lane_and_priority(self, stores: Stores) -> None:
        await stores.queued(sample_order(key="a"))
        await stores.builds.submit(sample_order(key="b"), requested_by="x", priority=Priority.BATCH)
        await stores.builds.submit(sample_order(key="c", builder="trixie"), requested_by="x", priority=Priority.BATCH)
        await stores.claimed(await stores.queued(sample_order(key="d")))
        found = await stores.figures.read()
        trixie = replace(LANE, suite="trixie")
        assert [replace(depth, oldest_seconds=0.0) for depth in found.queue] == [
            QueueDepth(lane=LANE, priority=Priority.INTERACTIVE, ready=1),
            QueueDepth(lane=LANE, priority=Priority.BATCH, ready=1),
            QueueDepth(lane=trixie, priority=Priority.BATCH, ready=1),
        ]
        assert found.running == ((LANE, 1),)

    async def test_build_that_waits_for_its_next_attempt_is_paused(self, stores: Stores) -> None:
        again = Outcome(status=Status.QUEUED, failure=FAILURE.failure, wait_seconds=60)
        await stores.finished(again)
        (depth,) = (await stores.figures.read()).queue
        assert (depth.ready, depth.paused, depth.oldest_seconds) == (0, 1, 0.0)
        assert await counts(stores, Total.BUILDS) == Counter()

    async def test_build_that_waits_for_others_is_not_ready(self, stores: Stores) -> None:
        needed = MissingRelease(project=canonicalize_name("setuptools"), version="80.0")
        await stores.finished(Outcome(status=Status.QUEUED, needs=(needed,), counts=False))
        (depth,) = (await stores.figures.read()).queue
        assert (depth.ready, depth.waiting, depth.oldest_seconds) == (0, 1, 0.0)

    async def test_ends_are_counted_by_status_and_code(self, stores: Stores) -> None:
        await stores.finished(SUCCESS, sample_order(key="a"))
        await stores.finished(FAILURE, sample_order(key="b"))
        await stores.finished(FAILURE, sample_order(key="c"))
        await stores.builds.request_cancel(await stores.queued(sample_order(key="d")), requested_by="x")
        assert FAILURE.failure is not None
        code = FAILURE.failure.code
        ended = Counter({("succeeded", ""): 1, ("failed", code): 2})
        assert await counts(stores, Total.ATTEMPTS) == ended
        assert await counts(stores, Total.BUILDS) == ended + Counter({("cancelled", ""): 1})
        assert await counts(stores, Total.BUILD_DURATION) == Counter({("succeeded",): 1, ("failed",): 2})

    async def test_wait_is_measured_to_the_first_attempt_alone(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.claimed(build_id)
        await stores.expire_leases()
        await stores.claimed(build_id)
        assert await counts(stores, Total.BUILD_WAIT) == Counter({("interactive",): 1})
        assert await counts(stores, Total.ATTEMPTS) == Counter({("failed", "worker-lost"): 1})

    async def test_stages_are_measured(self, stores: Stores) -> None:
        await stores.finished(SUCCESS)
        found = [one for one in (await stores.figures.read()).tallies if one.name is Total.STAGE_DURATION]
        expected = [Count.of(Total.STAGE_DURATION, one.stage.value, measured=one.seconds) for one in SUCCESS.timings]
        assert found == sorted(expected, key=lambda one: (one.labels, one.bucket))

    async def test_requests_are_counted_by_what_they_led_to(self, stores: Stores) -> None:
        build_id = await stores.queued()
        await stores.queued()
        assert await stores.attempts.finish(await stores.claimed(build_id), SUCCESS)
        await stores.queued()
        await stores.queued()
        assert await counts(stores, Total.REQUESTS) == Counter({("queued",): 1, ("joined",): 1, ("satisfied",): 2})

    async def test_wheels_are_counted_once_and_sized(self, stores: Stores) -> None:
        published = replace(SUCCESS, published=PUBLISHED)
        await stores.finished(published, sample_order(key="a"))
        await stores.finished(published, sample_order(key="b"))
        assert published.wheel is not None
        size = IndexSize(level=Level.PROD, wheels=1, size_bytes=published.wheel.size_bytes)
        assert (await stores.figures.read()).index == (size,)
        assert await counts(stores, Total.WHEELS) == Counter({("built",): 1})

    async def test_workers_and_prebuilds_are_shown(self, stores: Stores) -> None:
        await stores.fleet.report_worker(CARD)
        await stores.prebuilds.create(sample_prebuild())
        found = await stores.figures.read()
        assert [worker.registration for worker in found.workers] == [CARD]
        assert found.unfinished_prebuilds == 1

    async def test_totals_outlive_what_they_were_counted_from(self, stores: Stores) -> None:
        await stores.finished(FAILURE)
        before = (await stores.figures.read()).tallies
        assert before
        await stores.pass_time(2 * 86_400)
        assert await stores.periodic.drop_builds(days=1) == 1
        assert (await stores.figures.read()).tallies == before

    async def test_fold_changes_no_total_and_later_ones_are_added(self, stores: Stores) -> None:
        await stores.finished(FAILURE, sample_order(key="a"))
        before = (await stores.figures.read()).tallies
        await stores.figures.fold()
        await stores.figures.fold()
        assert (await stores.figures.read()).tallies == before
        await stores.finished(FAILURE, sample_order(key="b"))
        await stores.figures.fold()
        assert FAILURE.failure is not None
        assert await counts(stores, Total.BUILDS) == Counter({("failed", FAILURE.failure.code): 2})

    async def test_what_a_process_has_counted_is_added(self, stores: Stores) -> None:
        found = Count(name=Total.CACHE_LOOKUPS, labels=("files", "hit"), bucket=0.0, count=3)
        await stores.figures.add([found])
        await stores.figures.add([found])
        assert await counts(stores, Total.CACHE_LOOKUPS) == Counter({("files", "hit"): 6})
