"""Where a campaign stands, and the release that would work."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from wheelyard.domain.builds.build import Status
from wheelyard.domain.campaigns.advice import Advice, KnownWheel, by_claims, by_classifiers, by_wheels, newer_files
from wheelyard.domain.campaigns.campaign import Row, State, overview_of, state_of
from wheelyard.domain.dependencies.files import Origin
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import Campaign, Item, ItemStatus, Prebuild, Prefer, Source, Started

TARGET = Target.parse(python="3.13t", platform="manylinux_2_36_x86_64")
GIL = Target.parse(python="3.14", platform="manylinux_2_36_x86_64")


def item(project: str, status: ItemStatus = ItemStatus.WAITING, **changes: object) -> Item:
    made = Item(
        project=canonicalize_name(project), version="1.0", target=TARGET, origin=Origin(file="index"), status=status
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def started(project: str, status: Status, build_id: str | None = "b1") -> Started:
    return Started(project=canonicalize_name(project), version="1.0", target=TARGET, build_id=build_id, status=status)


def campaign(*items: Item, builds: tuple[Started, ...] = ()) -> Prebuild:
    return Prebuild(
        id="c1",
        requested_by="tests",
        created_at=datetime(2026, 12, 1, tzinfo=UTC),
        finished_at=None,
        cancelled=False,
        targets=(TARGET,),
        prefer=Prefer.UPSTREAM,
        items=items,
        skipped=(),
        started=builds,
        campaign=Campaign(source="index", key="k"),
    )


BUILT = "demo-1.0-cp313-cp313t-manylinux_2_36_x86_64.whl"
PURE = "demo-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("one", "build", "state"),
    [
        (item("demo", ItemStatus.PRESENT, filename=BUILT, build_id="b1"), None, State.DONE),
        (item("demo", ItemStatus.PRESENT, filename=BUILT, source=Source.OWN), None, State.COVERED),
        (item("demo", ItemStatus.PRESENT, filename=PURE, source=Source.UPSTREAM), None, State.COVERED),
        (item("demo", ItemStatus.PRESENT, filename=BUILT, source=Source.UPSTREAM), None, State.DONE),
        (item("demo"), None, State.WAITING),
        (item("demo", ItemStatus.MIRROR), None, State.WAITING),
        (item("demo", ItemStatus.BUILD, build_id="b1"), Status.QUEUED, State.WAITING),
        (item("demo", ItemStatus.BUILD, build_id="b1"), Status.RUNNING, State.BUILDING),
        (item("demo", ItemStatus.FAILED, code="build-failed"), Status.FAILED, State.FAILED),
        (item("demo", ItemStatus.IMPOSSIBLE, code="no-sdist"), None, State.FAILED),
        (item("demo", ItemStatus.FAILED, blocked_by="base"), Status.FAILED, State.BLOCKED),
        (item("demo", ItemStatus.WAITING, blocked_by="base"), None, State.BLOCKED),
        (item("demo", ItemStatus.FAILED, code="build-failed"), Status.RUNNING, State.BUILDING),
    ],
)
def test_state_follows_from_item_and_build(one: Item, build: Status | None, state: State) -> None:
    assert state_of(one, None if build is None else started("demo", build)) is state


def test_what_blocks_most_is_first_and_those_that_need_a_person_are_before_the_others() -> None:
    found = overview_of(
        campaign(
            item("ready", ItemStatus.PRESENT, filename=PURE),
            item("small", ItemStatus.FAILED, code="build-failed"),
            item("one", blocked_by="small"),
            item("base", ItemStatus.FAILED, code="build-failed"),
            item("two", blocked_by="base"),
            item("three", ItemStatus.FAILED, blocked_by="base"),
            item("four", blocked_by="elsewhere"),
        )
    )
    assert [(one.project, one.blocks) for one in found.blockers] == [("base", 2), ("elsewhere", 1), ("small", 1)]
    assert [one.row is None for one in found.blockers] == [False, True, False]
    assert [row.item.project for row in found.rows][:2] == ["base", "small"]
    assert found.rows[-1].item.project == "ready"
    assert dict(found.counts) == {State.FAILED: 2, State.BLOCKED: 4, State.COVERED: 1}
    assert (found.ready, found.total, found.percent, found.is_moving) == (1, 7, 14, False)


@pytest.mark.parametrize(
    ("one", "state", "reason"),
    [
        (item("demo", ItemStatus.PRESENT, reason="of before"), State.COVERED, ""),
        (item("demo", ItemStatus.BUILD, build_id="b1", reason="no wheel fits"), State.BUILDING, ""),
        (item("demo", ItemStatus.BUILD, build_id="b1", reason="no wheel fits"), State.WAITING, "in the queue"),
        (item("demo", ItemStatus.BUILD, reason="no wheel fits"), State.WAITING, "its turn"),
        (item("demo", ItemStatus.MIRROR), State.WAITING, "mirrored"),
        (item("demo", reason="upstream is down", delays=1), State.WAITING, "upstream is down"),
        (item("demo", ItemStatus.FAILED, reason="it broke"), State.FAILED, "it broke"),
    ],
)
def test_reason_says_what_the_state_leaves_open(one: Item, state: State, reason: str) -> None:
    assert reason in Row(item=one, state=state).reason
    assert bool(reason) == bool(Row(item=one, state=state).reason)


def test_percent_is_rounded_down_so_that_only_all_are_100() -> None:
    ready = [item(f"p{number}", ItemStatus.PRESENT, filename=PURE) for number in range(299)]
    assert overview_of(campaign(*ready, item("last"))).percent == 99
    assert overview_of(campaign(*ready)).percent == 100


def test_campaign_with_failures_is_not_over() -> None:
    failed = campaign(item("demo", ItemStatus.FAILED))
    assert not failed.is_final
    assert replace(failed, campaign=None).is_final
    assert replace(failed, items=(item("demo", ItemStatus.PRESENT),)).is_final
    assert replace(failed, cancelled=True).is_final


def file(name: str, version: str, *, requires: str | None = None, yanked: bool = False) -> IndexFile:
    kind = "wheel" if name.endswith(".whl") else "sdist"
    return IndexFile(
        filename=name,
        url=f"https://index/{name}",
        sha256="ab" * 32,
        kind=kind,  # type: ignore[arg-type]
        version=Version(version),
        requires_python=requires,
        yanked=yanked,
    )


def wheel(version: str, tag: str, **changes: object) -> IndexFile:
    return file(f"demo-{version}-{tag}.whl", version, **changes)  # type: ignore[arg-type]


def test_newer_releases_are_final_and_not_yanked() -> None:
    files = [file(f"demo-{one}.tar.gz", one) for one in ("3.0", "0.9", "1.0", "2.0rc1", "2.0")]
    files.append(file("demo-4.0.tar.gz", "4.0", yanked=True))
    assert [str(one.version) for one in newer_files(files, Version("1.0"))] == ["2.0", "3.0"]


def test_wheel_of_ours_is_the_best_evidence_and_then_upstreams_for_this_very_python() -> None:
    newer = [
        wheel("1.1", "py3-none-any"),
        wheel("1.2", "cp313-cp313-manylinux_2_17_x86_64"),
        wheel("1.3", "cp313-cp313t-manylinux_2_17_x86_64"),
        wheel("1.4", "cp313-cp313t-manylinux_2_17_x86_64"),
    ]
    found = by_wheels(TARGET, Version("1.0"), own=(), newer=newer)
    assert found == Advice(version="1.3", evidence="upstream has demo-1.3-cp313-cp313t-manylinux_2_17_x86_64.whl")
    name = "demo-2.0-1.bookworm-cp313-cp313t-manylinux_2_36_x86_64.whl"
    own = [KnownWheel(version=Version("2.0"), filename=name, requires_python=None)]
    assert by_wheels(TARGET, Version("1.0"), own=own, newer=newer) == Advice(
        version="2.0", evidence=f"our index has {name}"
    )
    assert by_wheels(GIL, Version("1.0"), own=own, newer=newer) is None


def test_classifiers_claim_a_python_and_free_threading_is_claimed_apart() -> None:
    plain = ["Programming Language :: Python :: 3.13", "Programming Language :: Python :: 3.14"]
    free = "Programming Language :: Python :: Free Threading :: 2 - Beta"
    found = by_classifiers(GIL, Version("2.0"), plain)
    assert found == Advice(version="2.0", evidence="its classifiers have 'Programming Language :: Python :: 3.14'")
    assert by_classifiers(TARGET, Version("2.0"), plain) is None
    assert by_classifiers(TARGET, Version("2.0"), [*plain, free.replace("2 - Beta", "1 - Unstable")]) is None
    assert free in getattr(by_classifiers(TARGET, Version("2.0"), [*plain, free]), "evidence", "")
    assert by_classifiers(GIL, Version("2.0"), ["Programming Language :: Python :: 3"]) is None


def test_requires_python_is_evidence_only_if_it_was_the_reason() -> None:
    old = [file("demo-1.0.tar.gz", "1.0", requires="<3.14")]
    newer = [file("demo-1.1.tar.gz", "1.1", requires="<3.14"), file("demo-1.2.tar.gz", "1.2", requires="<3.15")]
    found = by_claims(GIL, of_release=old, newer=newer, is_refused=True)
    assert found == Advice(version="1.2", evidence="its Requires-Python is <3.15")
    assert by_claims(GIL, of_release=old, newer=newer, is_refused=False) is None


def test_wheel_for_any_python_is_weak_evidence_unless_the_failed_release_has_one_too() -> None:
    newer = [wheel("1.1", "cp39-abi3-manylinux_2_17_x86_64")]
    found = by_claims(GIL, of_release=[file("demo-1.0.tar.gz", "1.0")], newer=newer, is_refused=False)
    assert found is not None
    assert found.version == "1.1"
    assert by_claims(GIL, of_release=[wheel("1.0", "py3-none-any")], newer=newer, is_refused=False) is None
