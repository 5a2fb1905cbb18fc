"""When builds that wait will begin: places of workers one after the other, by what former builds took."""

from datetime import timedelta

from tests.contract.samples import BEGINNING, TARGET

from wheelyard.domain.builds.build import BuildSummary, Status
from wheelyard.domain.builds.estimate import LiveBuild, LiveQueue, estimate
from wheelyard.domain.builds.queue import Capacity, Lane, WorkerRegistration, WorkerState, WorkerStatus

LANE = Lane(architecture="x86_64", suite="bookworm", python="3.13")
ELSEWHERE = Lane(architecture="x86_64", suite="trixie", python="3.13")


def live(build_id: str, project: str = "lxml", *, lane: Lane = LANE, begun: float | None = None) -> LiveBuild:
    build = BuildSummary(
        id=build_id,
        project=project,
        version="1.0",
        target=TARGET,
        status=Status.QUEUED if begun is None else Status.RUNNING,
        stage=None,
        created_at=BEGINNING,
        finished_at=None,
        wheel_filename=None,
        failure=None,
    )
    started_at = None if begun is None else BEGINNING - timedelta(seconds=begun)
    return LiveBuild(build=build, lane=lane, started_at=started_at)


def worker(slots: int, *builds: str, state: WorkerState = WorkerState.ACTIVE) -> WorkerStatus:
    room = Capacity(slots=slots, cpus=4, memory_bytes=1 << 33)
    registration = WorkerRegistration(name="w", host="w", lanes=(LANE,), capacity=room, state=state)
    return WorkerStatus(registration=registration, started_at=BEGINNING, seen_at=BEGINNING, builds=builds)


def waits(line: LiveQueue, *workers: WorkerStatus, **typical: float) -> list[float | None]:
    return [one.wait_seconds for one in estimate(line, workers, typical, now=BEGINNING)]


def line(*waiting: LiveBuild, running: tuple[LiveBuild, ...] = ()) -> LiveQueue:
    return LiveQueue(running=running, waiting=waiting, total=len(waiting))


def test_builds_take_the_places_of_workers_one_after_the_other() -> None:
    queue = line(live("a"), live("b"), live("c"), running=(live("r", begun=40),))
    assert waits(queue, worker(2, "r"), lxml=100.0) == [0.0, 60.0, 100.0]


def test_build_that_takes_longer_than_usual_is_nearly_done() -> None:
    assert waits(line(live("a"), running=(live("r", begun=500),)), worker(1, "r"), lxml=100.0) == [10.0]


def test_unknown_project_takes_what_the_others_do() -> None:
    assert waits(line(live("a", "new"), live("b")), worker(1), lxml=30.0) == [0.0, 30.0]


def test_nothing_is_promised_without_experience_or_without_a_worker() -> None:
    assert waits(line(live("a")), worker(1)) == [None]
    (place,) = estimate(line(live("a", lane=ELSEWHERE)), [worker(1)], {"lxml": 5.0}, now=BEGINNING)
    assert (place.has_worker, place.wait_seconds, place.position) == (False, None, 1)
    (place,) = estimate(line(live("a")), [worker(1, state=WorkerState.LOST)], {"lxml": 5.0}, now=BEGINNING)
    assert not place.has_worker
