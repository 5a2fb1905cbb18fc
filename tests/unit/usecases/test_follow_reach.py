"""What the API knows of the Pythons that its workers can have."""

from collections.abc import Sequence
from typing import Final

from wheelyard.domain.catalogue.reach import PythonReach
from wheelyard.domain.catalogue.status import EngineImages
from wheelyard.usecases.builders.reach import FollowReach

LACKING: Final = PythonReach(architecture="x86_64", suite="bookworm", python="3.15", reachable=False)


class Engines:
    """What workers have reported."""

    def __init__(self) -> None:
        self.reports: list[EngineImages] = []
        self.looks = 0

    def add(self, pythons: tuple[PythonReach, ...] | None) -> None:
        self.reports.append(EngineImages(engine="E", host="h", images=(), pending={}, pythons=pythons))

    async def __call__(self) -> Sequence[EngineImages]:
        self.looks += 1
        return self.reports


async def test_last_report_counts_when_nobody_reports_any_more() -> None:
    engines = Engines()
    reach = FollowReach(engines)
    engines.add((LACKING,))
    await reach.look()
    engines.reports.clear()
    await reach.look()
    assert reach().known == {LACKING.key: LACKING}


async def test_worker_that_has_not_looked_yet_says_nothing() -> None:
    engines = Engines()
    engines.add(None)
    reach = FollowReach(engines)
    await reach.look()
    assert reach().known == {}


async def test_first_report_is_waited_for_after_a_start_and_only_then() -> None:
    engines, times = Engines(), iter([0.0, 1.0, 2.0, 3.0])

    def clock() -> float:
        if engines.looks == 2:
            engines.add((LACKING,))
        return next(times)

    reach = FollowReach(engines, wait_seconds=30, clock=clock)
    await reach.settle()
    assert reach().known == {LACKING.key: LACKING}
    later = Engines()
    await FollowReach(later, wait_seconds=0, clock=lambda: 0.0).settle()
    assert later.looks == 0
