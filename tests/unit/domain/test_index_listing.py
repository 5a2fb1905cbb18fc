"""What a page for installers lists: a mirrored wheel makes way once wheels of our own serve all that it serves."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.samples import BEGINNING
from tests.unit.wheel_harness import WheelHarness, entry_for

from wheelyard.domain.index.index import Level
from wheelyard.domain.index.simple_format import Form
from wheelyard.domain.index.wheels import IndexedWheel, Listing, WheelOrigin
from wheelyard.domain.packaging.coverage import best_wheel, serves
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import NotFoundError
from wheelyard.usecases.simple_pages import SimplePages

FLOORS = ("2_31", "2_36", "2_41")
TARGETS = tuple(
    Target.parse(python=python, platform=f"manylinux_{floor}_x86_64") for python in ("3.11", "3.13") for floor in FLOORS
)
LISTING = Listing(targets=TARGETS)
UPSTREAM = "demo-1.0-cp313-cp313-manylinux_2_28_x86_64.whl"
OURS = "demo-1.0-1.bookworm-cp313-cp313-manylinux_2_17_x86_64.whl"


def own(filename: str, **changes: object) -> IndexedWheel:
    wheel = replace(entry_for(filename).wheel, requires_python=None)
    return replace(wheel, **changes)  # type: ignore[arg-type]


def mirrored(filename: str, **changes: object) -> IndexedWheel:
    wheel = replace(entry_for(filename, origin=WheelOrigin.MIRRORED).wheel, requires_python=None)
    return replace(wheel, **changes)  # type: ignore[arg-type]


def listed(*wheels: IndexedWheel, listing: Listing = LISTING) -> list[str]:
    return [wheel.filename for wheel in listing.choose(wheels)]


def test_mirrored_wheel_is_left_out_though_its_tag_ranks_higher() -> None:
    for target in TARGETS[3:]:
        assert best_wheel([UPSTREAM, OURS], target) == UPSTREAM, "that is what installers would take"
    assert listed(mirrored(UPSTREAM), own(OURS)) == [OURS]


@pytest.mark.parametrize(
    "ours",
    [
        "demo-1.0-1.bookworm-py3-none-any.whl",
        "demo-1.0-1.bullseye-cp311-abi3-manylinux_2_31_x86_64.whl",
        "demo-1.0-1.bullseye-py3-none-manylinux_2_17_x86_64.whl",
        "demo-1.0-1.bullseye-cp313-cp313-manylinux_2_31_x86_64.whl",
    ],
)
def test_any_wheel_of_ours_that_reaches_as_far_replaces_it(ours: str) -> None:
    assert listed(own(ours), mirrored(UPSTREAM)) == [ours]


@pytest.mark.parametrize(
    "ours",
    [
        "demo-1.0-1.bookworm-cp313-cp313-manylinux_2_36_x86_64.whl",
        "demo-1.0-1.bullseye-cp311-cp311-manylinux_2_17_x86_64.whl",
        "demo-1.0-1.bookworm-cp313-cp313-manylinux_2_17_aarch64.whl",
        "demo-1.1-1.bookworm-py3-none-any.whl",
    ],
)
def test_wheel_that_serves_a_target_which_ours_do_not_stays(ours: str) -> None:
    assert listed(own(ours), mirrored(UPSTREAM)) == [ours, UPSTREAM]


def test_several_wheels_of_ours_replace_one_together() -> None:
    pure = "demo-1.0-py3-none-any.whl"
    one, two = (f"demo-1.0-1.bullseye-{python}-{python}-manylinux_2_31_x86_64.whl" for python in ("cp311", "cp313"))
    assert listed(mirrored(pure), own(one)) == [pure, one]
    assert listed(mirrored(pure), own(one), own(two)) == [one, two]


def test_requires_python_counts_as_tags_do() -> None:
    pure, ours = "demo-1.0-py3-none-any.whl", "demo-1.0-1.bullseye-cp313-cp313-manylinux_2_31_x86_64.whl"
    assert listed(mirrored(pure, requires_python=">=3.12"), own(ours)) == [ours]
    narrow = own("demo-1.0-1.bullseye-py3-none-any.whl", requires_python=">=3.12")
    assert listed(mirrored(pure), narrow) == [pure, narrow.filename]


@pytest.mark.parametrize("python", ["cp312-cp312", "pp311-pypy311_pp73", "cp313-cp313t"])
def test_wheel_that_serves_no_target_of_the_catalogue_is_replaced_by_nothing(python: str) -> None:
    foreign = f"demo-1.0-{python}-manylinux_2_28_x86_64.whl"
    assert listed(mirrored(foreign), own("demo-1.0-1.bookworm-cp313-cp313-manylinux_2_17_x86_64.whl"))[0] == foreign


def test_versions_are_compared_as_pep_440_does() -> None:
    assert listed(mirrored(UPSTREAM, version="1.0.0"), own(OURS)) == [OURS]
    assert listed(mirrored(UPSTREAM, version="no version"), own(OURS)) == [UPSTREAM, OURS]


def test_yanked_deleted_or_staged_wheel_of_ours_replaces_nothing() -> None:
    later = BEGINNING + timedelta(days=1)
    assert listed(mirrored(UPSTREAM), own(OURS, yanked_at=later)) == [UPSTREAM, OURS]
    assert listed(mirrored(UPSTREAM), own(OURS, deleted_at=later)) == [UPSTREAM]
    staged = own(OURS, level=Level.STAGING)
    assert listed(mirrored(UPSTREAM), staged) == [UPSTREAM]
    assert listed(mirrored(UPSTREAM), staged, listing=replace(LISTING, level=Level.STAGING)) == [OURS]


def test_only_own_lists_nothing_that_was_mirrored() -> None:
    assert listed(mirrored(UPSTREAM), listing=replace(LISTING, own_only=True)) == []
    ours = "demo-1.0-1.bookworm-cp313-cp313-manylinux_2_36_x86_64.whl"
    assert listed(mirrored(UPSTREAM), own(ours), listing=replace(LISTING, own_only=True)) == [ours]


FLOOR = st.sampled_from(["2_17", "2_28", "2_31", "2_34", "2_36", "2_39"])
SINGLE = st.builds(
    lambda python, floor: f"{python}-manylinux_{floor}_x86_64",
    st.sampled_from(["cp311-cp311", "cp313-cp313", "cp311-abi3", "cp313-abi3", "py3-none"]),
    FLOOR,
)
TAG = st.one_of(SINGLE, st.just("py3-none-any"))


@settings(deadline=None, max_examples=300)
@given(upstream=st.lists(TAG, min_size=1, max_size=4, unique=True), ours=st.lists(TAG, max_size=4, unique=True))
def test_no_target_is_left_without_a_wheel_and_none_takes_upstreams_beside_ours_of_its_kind(
    upstream: list[str], ours: list[str]
) -> None:
    theirs = [f"demo-1.0-{tag}.whl" for tag in upstream]
    built = [f"demo-1.0-1.suite-{tag}.whl" for tag in ours]
    shown = listed(*map(mirrored, theirs), *map(own, built))
    for target in TARGETS:
        served = any(serves(name, target) for name in (*theirs, *built))
        best = best_wheel(shown, target)
        assert (best is not None) == served, target
        same_kind = [one for one in built if best and _kind(one) == _kind(best) and serves(one, target)]
        assert best in built or not same_kind, "of two wheels of one kind, ours reaches as far or ranks higher"


def _kind(filename: str) -> str:
    return "-".join(filename.split("-")[-3:-1])


async def test_mirrored_wheel_comes_back_when_ours_is_yanked_or_deleted() -> None:
    harness = WheelHarness()
    pages = SimplePages(harness.wheels, listing=LISTING, trusted_seconds=0)
    harness.put(UPSTREAM, origin=WheelOrigin.MIRRORED)
    alone = await pages.project("demo", Form.JSON)
    harness.put(OURS)
    ours = await pages.project("demo", Form.JSON)
    assert (UPSTREAM.encode() in ours.body, OURS.encode() in ours.body) == (False, True)
    assert ours.etag != alone.etag
    await harness.wheels.yank(OURS, reason="broken", by="alice")
    assert UPSTREAM.encode() in (await pages.project("demo", Form.JSON)).body
    await harness.wheels.unyank(OURS, by="alice")
    assert (await pages.project("demo", Form.JSON)).etag == ours.etag
    await harness.wheels.delete(OURS, by="alice")
    assert (await pages.project("demo", Form.JSON)).etag == alone.etag


async def test_catalogue_decides_over_the_page() -> None:
    harness = WheelHarness()
    harness.put(UPSTREAM, origin=WheelOrigin.MIRRORED)
    harness.put(ours := "demo-1.0-1.bookworm-cp313-cp313-manylinux_2_36_x86_64.whl")
    newer = Listing(targets=tuple(target for target in TARGETS if "2_31" not in target.platform))
    before = await SimplePages(harness.wheels, listing=LISTING, trusted_seconds=0).project("demo", Form.JSON)
    after = await SimplePages(harness.wheels, listing=newer, trusted_seconds=0).project("demo", Form.JSON)
    assert (UPSTREAM.encode() in before.body, UPSTREAM.encode() in after.body) == (True, False)
    assert ours.encode() in after.body
    assert before.etag != after.etag


async def test_project_with_mirrored_wheels_alone_is_not_on_the_own_pages() -> None:
    harness = WheelHarness()
    harness.put(UPSTREAM, origin=WheelOrigin.MIRRORED)
    pages = SimplePages(harness.wheels, listing=replace(LISTING, own_only=True), trusted_seconds=0)
    with pytest.raises(NotFoundError):
        await pages.project("demo", Form.JSON)
    assert b"demo" not in (await pages.names(Form.JSON)).body
    harness.put(OURS)
    assert b'"../../../files/' in (await pages.project("demo", Form.JSON)).body
    assert b"demo" in (await pages.names(Form.JSON)).body


SDIST = "demo-1.0.tar.gz"


def sdist(**changes: object) -> IndexedWheel:
    return replace(WheelHarness().put_sdist(SDIST), **changes)  # type: ignore[arg-type]


def test_sdist_is_listed_beside_a_wheel_of_our_own_and_never_alone() -> None:
    assert listed(sdist()) == []
    assert listed(sdist(), mirrored(UPSTREAM)) == [UPSTREAM]
    assert listed(sdist(), own("demo-1.1-1-py3-none-any.whl")) == ["demo-1.1-1-py3-none-any.whl"]
    assert listed(own(OURS), sdist()) == [OURS, SDIST]
    assert listed(sdist(version="1.0.0"), own(OURS)) == [SDIST, OURS]


def test_sdist_is_not_listed_any_more_once_its_wheels_are_deleted() -> None:
    assert listed(own(OURS, deleted_at=BEGINNING), sdist()) == []
    assert listed(own(OURS), sdist(deleted_at=BEGINNING)) == [OURS]


def test_sdist_is_listed_where_a_wheel_of_its_release_is_too() -> None:
    staged = own(OURS, level=Level.STAGING)
    assert listed(staged, sdist()) == []
    assert listed(staged, sdist(), listing=replace(LISTING, level=Level.STAGING)) == [OURS, SDIST]
    assert listed(own(OURS), sdist(level=Level.STAGING)) == [OURS]
    assert listed(own(OURS), sdist(), listing=replace(LISTING, own_only=True)) == [OURS, SDIST]


def test_sdist_replaces_no_mirrored_wheel() -> None:
    other = own("demo-1.0-1.bullseye-cp311-cp311-manylinux_2_31_x86_64.whl")
    assert listed(mirrored(UPSTREAM), other, sdist()) == [UPSTREAM, other.filename, SDIST]
