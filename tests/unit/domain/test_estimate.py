"""How long a prebuild will still take."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from packaging.utils import canonicalize_name
from tests.contract.samples import BEGINNING, TARGET

from wheelyard.domain.builds.build import Status
from wheelyard.domain.dependencies.files import Origin
from wheelyard.domain.prebuilds.estimate import projects_ahead, seconds_left
from wheelyard.domain.prebuilds.prebuild import Item, ItemStatus, Prebuild, Prefer, Started

TYPICAL = {"a": 100.0, "b": 40.0, "c": 60.0}


def item(project: str, status: ItemStatus = ItemStatus.BUILD) -> Item:
    name = canonicalize_name(project)
    return Item(project=name, version="1", target=TARGET, origin=Origin(file=""), status=status)


def build(project: str, status: Status, *, started_at: datetime | None = None) -> Started:
    return Started(
        project=canonicalize_name(project),
        version="1",
        target=TARGET,
        build_id=project,
        status=status,
        started_at=started_at,
    )


def prebuild(*items: Item, started: tuple[Started, ...] = ()) -> Prebuild:
    return Prebuild(
        id="1",
        requested_by="tests",
        created_at=BEGINNING,
        finished_at=None,
        cancelled=False,
        targets=(TARGET,),
        prefer=Prefer.OWN,
        items=items,
        skipped=(),
        started=started,
    )


def left(wanted: Prebuild, *, slots: int = 1, after: float = 0.0) -> float | None:
    return seconds_left(wanted, TYPICAL, now=BEGINNING + timedelta(seconds=after), slots=slots)


@pytest.mark.parametrize(("after", "expected"), [(0.0, 100.0), (70.0, 30.0), (200.0, 0.0)])
def test_time_that_a_build_has_run_counts(after: float, expected: float) -> None:
    running = build("a", Status.RUNNING, started_at=BEGINNING)
    assert left(prebuild(item("a"), started=(running,)), after=after) == expected


def test_build_that_waits_again_after_an_attempt_has_all_of_its_time_before_it() -> None:
    again = build("a", Status.QUEUED, started_at=BEGINNING)
    assert left(prebuild(item("a"), started=(again,)), after=70) == 100.0


@pytest.mark.parametrize(("slots", "expected"), [(0, 200.0), (1, 200.0), (2, 100.0), (3, 100.0)])
def test_builds_go_on_beside_each_other(slots: int, expected: float) -> None:
    queued = tuple(build(name, Status.QUEUED) for name in TYPICAL)
    assert left(prebuild(*map(item, TYPICAL), started=queued), slots=slots) == expected


def test_release_that_is_not_started_yet_counts_as_one_build() -> None:
    waiting = [item("b", ItemStatus.WAITING), item("c", ItemStatus.WAITING)]
    assert left(prebuild(item("a"), *waiting, started=(build("a", Status.QUEUED),))) == 200.0


def test_project_that_was_never_built_takes_as_long_as_is_usual() -> None:
    assert left(prebuild(item("unknown"))) == 60.0


def test_what_is_settled_or_only_mirrored_takes_no_time() -> None:
    settled = prebuild(item("a", ItemStatus.PRESENT), item("b", ItemStatus.MIRROR), item("c", ItemStatus.FAILED))
    assert left(settled) is None
    assert projects_ahead(settled) == frozenset()


def test_nothing_is_said_where_nothing_is_known() -> None:
    wanted = prebuild(item("a"))
    assert seconds_left(wanted, {}, now=BEGINNING, slots=1) is None
    assert projects_ahead(replace(wanted, started=())) == {"a"}
