"""Which wheel serves which target, and how few builds serve all."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.tags import parse_tag

from wheelyard.domain.packaging.coverage import WheelKind, assign_builds, best_wheel, kind_of, may_serve, serves
from wheelyard.domain.packaging.target import Target

PYTHONS = ("3.11", "3.13", "3.13t", "3.14", "3.14t", "3.15")
FLOORS = ("2_17", "2_31", "2_36", "2_41")
ARCHITECTURES = ("x86_64", "aarch64")


def make_target(python: str, floor: str, architecture: str = "x86_64") -> Target:
    return Target.parse(python=python, platform=f"manylinux_{floor}_{architecture}")


TARGETS = st.builds(make_target, st.sampled_from(PYTHONS), st.sampled_from(FLOORS), st.sampled_from(ARCHITECTURES))
KINDS = st.sampled_from([WheelKind.PURE, WheelKind.PROGRAM, WheelKind.ABI3, WheelKind.ABI3T, WheelKind.NATIVE])
GRID = [make_target(python, floor) for python in ("3.11", "3.12", "3.13") for floor in ("2_31", "2_36", "2_41")]


def built_wheel(kind: WheelKind, target: Target) -> str:
    """Name the wheel that a build for a target makes, if its project is of a kind."""
    abi = f"cp{target.python.replace('.', '')}"
    interpreter = abi.removesuffix("t")
    stable = "abi3t" if target.is_free_threaded else "abi3"
    tag = {
        WheelKind.PURE: "py3-none-any",
        WheelKind.PROGRAM: f"py3-none-{target.platform}",
        WheelKind.ABI3: f"{interpreter}-{stable}-{target.platform}",
        WheelKind.ABI3T: f"{interpreter}-abi3.abi3t-{target.platform}",
        WheelKind.NATIVE: f"{interpreter}-{abi}-{target.platform}",
    }[kind]
    return f"project-1.0-1.suite-{tag}.whl"


def run_all(targets: Sequence[Target], truth: WheelKind, told: WheelKind) -> list[Target]:
    """Do what a prebuild does until nothing is open: assign, build, look at the tags, assign again."""
    wheels: list[str] = []
    builds: list[Target] = []
    while still := [target for target in targets if not any(serves(wheel, target) for wheel in wheels)]:
        kind = kind_of(wheels) if wheels else told
        starts = assign_builds(still, [], kind).starts
        assert starts, "an open target must lead to a build"
        builds += starts
        wheels += [built_wheel(truth, target) for target in starts]
    return builds


@settings(deadline=None, max_examples=60)
@given(kind=KINDS, built_for=TARGETS, target=TARGETS)
def test_expectation_agrees_with_what_tags_say(kind: WheelKind, built_for: Target, target: Target) -> None:
    tags = parse_tag("-".join(built_wheel(kind, built_for).removesuffix(".whl").split("-")[-3:]))
    accepted = not tags.isdisjoint(target.tags())
    assert may_serve(built_for, target, kind) == accepted == serves(built_wheel(kind, built_for), target)


@settings(deadline=None, max_examples=60)
@given(targets=st.lists(TARGETS, min_size=1, max_size=12, unique=True), truth=KINDS, is_told=st.booleans())
def test_every_target_is_served_and_no_build_is_wasted(targets: list[Target], truth: WheelKind, is_told: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
    builds = run_all(targets, truth, truth if is_told else WheelKind.UNKNOWN)
    assert len(set(builds)) == len(builds)
    wheels = {target: built_wheel(truth, target) for target in builds}
    assert all(any(serves(wheel, target) for wheel in wheels.values()) for target in targets)
    for spared in builds:
        rest = [wheel for target, wheel in wheels.items() if target != spared]
        assert not all(any(serves(wheel, target) for wheel in rest) for target in targets)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(
    ("truth", "builds"),
    [(WheelKind.PURE, 1), (WheelKind.PROGRAM, 1), (WheelKind.ABI3, 1), (WheelKind.NATIVE, 3)],
)
def test_three_pythons_and_three_glibc_need_as_few_builds_as_tags_allow(
    truth: WheelKind,
    builds: int,
    told: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert len(run_all(GRID, truth, truth if told else WheelKind.UNKNOWN)) == builds


def test_one_build_serves_a_python_with_and_without_the_gil_where_the_wheel_says_so() -> None:
    both = [make_target(python, "2_36") for python in ("3.15", "3.15t")]
    assert len(assign_builds(both, [], WheelKind.ABI3T).starts) == 1
    assert len(assign_builds(both, [], WheelKind.ABI3).starts) == 2


def test_unknown_release_starts_one_build_and_everything_else_waits_for_it() -> None:
    plan = assign_builds(GRID, [], WheelKind.UNKNOWN)
    assert plan.starts == (make_target("3.11", "2_31"),)
    assert set(plan.waits.values()) == set(plan.starts)


def test_running_build_is_waited_for_and_not_started_again() -> None:
    running = make_target("3.11", "2_31")
    plan = assign_builds(GRID, [running], WheelKind.ABI3)
    assert plan.starts == ()
    assert plan.waits[make_target("3.13", "2_41")] == running


def test_target_waits_for_its_own_build_rather_than_for_another() -> None:
    own = make_target("3.13", "2_41")
    assert assign_builds([own], [make_target("3.11", "2_31"), own], WheelKind.PURE).waits[own] == own


def test_best_wheel_is_the_one_an_installer_prefers() -> None:
    target = make_target("3.13", "2_36")
    names = [
        "p-1-py3-none-any.whl",
        "p-1-cp313-cp313-manylinux_2_31_x86_64.whl",
        "p-1-cp311-abi3-manylinux_2_17_x86_64.whl",
    ]
    assert best_wheel(names, target) == names[1]
    assert best_wheel(["p-1-cp313-cp313-manylinux_2_41_x86_64.whl", "no wheel"], target) is None


@pytest.mark.parametrize("builds", [("", "-1.bookworm"), ("-1.bookworm", "-1.trixie"), ("-9.trixie", "-10.bookworm")])
def test_among_wheels_of_equal_tags_the_highest_build_is_best(builds: tuple[str, str]) -> None:
    names = [f"p-1{build}-cp313-cp313-manylinux_2_31_x86_64.whl" for build in builds]
    assert best_wheel(names, make_target("3.13", "2_36")) == names[1]
    assert best_wheel(reversed(names), make_target("3.13", "2_36")) == names[1]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ([], WheelKind.UNKNOWN),
        (["not-a-wheel.tar.gz"], WheelKind.UNKNOWN),
        (["p-1-py2.py3-none-any.whl"], WheelKind.PURE),
        (["p-1-cp39-abi3-win_amd64.whl"], WheelKind.ABI3),
        (["p-1-cp313-cp313-win_amd64.whl"], WheelKind.NATIVE),
        (["p-1-cp315-abi3.abi3t-win_amd64.whl"], WheelKind.ABI3T),
        (["p-1-cp39-abi3-win32.whl", "p-1-cp315-abi3t-win32.whl"], WheelKind.ABI3),
        (["ruff-1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"], WheelKind.PROGRAM),
        (["p-1-py2.py3-none-macosx_11_0_arm64.whl", "p-1-py3-none-win32.whl"], WheelKind.PROGRAM),
        (["p-1-cp313-none-any.whl"], WheelKind.NATIVE),
    ],
)
def test_kind_is_told_by_wheels_for_any_system(names: list[str], kind: WheelKind) -> None:
    assert kind_of(names) is kind
