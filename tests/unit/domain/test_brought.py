"""Which builders a brought wheel concerns: those that prove it, and the one that repairs it."""

import pytest

from wheelyard.domain.catalogue.brought import builders_served, choose_repairer
from wheelyard.domain.catalogue.catalogue import Catalogue, parse_catalogue
from wheelyard.domain.catalogue.reach import PythonReach, Reach
from wheelyard.domain.packaging.target import Policy
from wheelyard.errors import NoTargetFitsError, NotFoundError, SourceUnreachableError
from wheelyard.resources import data_path


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    text = (data_path("builders") / "builders.toml").read_text(encoding="utf-8")
    return parse_catalogue(text).on("x86_64")


def served(catalogue: Catalogue, tag: str, requires_python: str | None = None) -> list[str]:
    builders = builders_served(catalogue.builders(), f"demo-1.0-{tag}.whl", requires_python)
    return [f"{one.suite} {one.python}" for one in builders]


PYTHONS = ("3.15", "3.15t", "3.14", "3.14t", "3.13", "3.13t", "3.12", "3.11")
ALL = [f"{suite} {python}" for suite in ("bullseye", "bookworm", "trixie") for python in PYTHONS]
ORDINARY = [one for one in ALL if not one.endswith("t")]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("py3-none-any", ORDINARY),
        ("py2.py3-none-manylinux1_x86_64", ORDINARY),
        ("cp38-abi3-manylinux_2_17_x86_64", ORDINARY),
        ("cp312-abi3-manylinux_2_17_x86_64", [one for one in ORDINARY if not one.endswith("3.11")]),
        ("cp311-cp311-manylinux_2_36_x86_64", ["bookworm 3.11", "trixie 3.11"]),
        ("cp313-cp313-linux_x86_64", [one for one in ALL if one.endswith("3.13")]),
        ("cp313-cp313-manylinux_2_38_x86_64", ["trixie 3.13"]),
        (
            "cp313-abi3.abi3t-manylinux_2_36_x86_64",
            [f"{suite} {python}" for suite in ("bookworm", "trixie") for python in PYTHONS[:6]],
        ),
        ("cp313-cp313t-manylinux_2_36_x86_64", ["bookworm 3.13t", "trixie 3.13t"]),
    ],
)
def test_wheel_is_proven_on_each_target_that_its_tags_claim(
    catalogue: Catalogue, tag: str, expected: list[str]
) -> None:
    assert served(catalogue, tag) == expected


def test_requires_python_narrows_the_targets(catalogue: Catalogue) -> None:
    assert served(catalogue, "py3-none-any", ">=3.12") == [one for one in ORDINARY if not one.endswith("3.11")]


@pytest.mark.parametrize(
    "tag",
    [
        "cp310-cp310-manylinux_2_17_x86_64",
        "cp316-cp316t-manylinux_2_17_x86_64",
        "cp313-cp313-musllinux_1_2_x86_64",
        "cp313-cp313-win_amd64",
        "cp313-cp313-macosx_11_0_arm64",
        "cp313-cp313-manylinux_2_17_aarch64",
        "cp313-cp313-manylinux_2_42_x86_64",
        "pp310-pypy310_pp73-manylinux_2_17_x86_64",
    ],
)
def test_wheel_for_no_target_is_refused_with_those_that_there_are(catalogue: Catalogue, tag: str) -> None:
    with pytest.raises(NoTargetFitsError, match=r"Python 3\.13 on manylinux_2_36_x86_64") as caught:
        served(catalogue, tag)
    assert caught.value.wheel == f"demo-1.0-{tag}.whl"


def test_excluded_pythons_are_a_reason_that_the_message_names(catalogue: Catalogue) -> None:
    with pytest.raises(NoTargetFitsError, match=r"Requires-Python: <3\.9"):
        served(catalogue, "py3-none-any", "<3.9")


@pytest.mark.parametrize(
    ("tag", "suite", "python"),
    [
        ("cp313-cp313-linux_x86_64", "bookworm", "3.13"),
        ("py3-none-any", "bookworm", "3.13"),
        ("cp311-cp311-linux_x86_64", "bookworm", "3.11"),
        ("cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64", "bullseye", "3.13"),
        ("cp313-cp313-manylinux2010_x86_64", "bullseye", "3.13"),
        ("cp313-cp313-manylinux_2_34_x86_64", "bullseye", "3.13"),
        ("cp313-cp313-manylinux_2_36_x86_64", "bookworm", "3.13"),
        ("cp313-cp313-manylinux_2_40_x86_64", "bookworm", "3.13"),
        ("cp313-cp313-manylinux_2_36_x86_64.manylinux_2_17_x86_64", "bullseye", "3.13"),
    ],
)
def test_suite_is_the_newest_that_the_oldest_claim_allows(
    catalogue: Catalogue, tag: str, suite: str, python: str
) -> None:
    chosen = choose_repairer(catalogue, f"demo-1.0-{tag}.whl", None)
    assert (chosen.suite, chosen.python) == (suite, python)


def test_named_suite_is_taken_instead(catalogue: Catalogue) -> None:
    wheel = "demo-1.0-cp313-cp313-manylinux_2_17_x86_64.whl"
    assert choose_repairer(catalogue, wheel, None, suite="trixie").suite == "trixie"
    with pytest.raises(NotFoundError, match=r"'sid' for Python 3\.13 on x86_64"):
        choose_repairer(catalogue, wheel, None, suite="sid")


@pytest.mark.parametrize(
    ("tag", "policy"),
    [
        ("manylinux1_x86_64", "manylinux_2_5_x86_64"),
        ("manylinux2010_i686", "manylinux_2_12_i686"),
        ("manylinux2014_aarch64", "manylinux_2_17_aarch64"),
        ("manylinux_2_36_x86_64", "manylinux_2_36_x86_64"),
        ("linux_x86_64", None),
        ("musllinux_1_2_x86_64", None),
        ("any", None),
    ],
)
def test_policy_is_read_from_a_tag_and_its_older_names(tag: str, policy: str | None) -> None:
    found = Policy.of_tag(tag)
    assert (None if found is None else str(found)) == policy


@pytest.mark.parametrize("tag", ["cp39-cp39-linux_x86_64", "cp316-cp316t-manylinux_2_28_x86_64", "py2-none-any"])
def test_wheel_for_no_python_of_the_catalogue_is_audited_all_the_same(catalogue: Catalogue, tag: str) -> None:
    chosen = choose_repairer(catalogue, f"demo-1.0-{tag}.whl", None)
    assert (chosen.python, chosen.policy.architecture) == ("3.13", "x86_64")


@pytest.mark.parametrize(
    "tag", ["cp313-cp313-win_amd64", "cp313-cp313-musllinux_1_2_x86_64", "cp313-cp313-linux_armv7l"]
)
def test_wheel_for_another_platform_has_no_builder(catalogue: Catalogue, tag: str) -> None:
    with pytest.raises(NoTargetFitsError):
        choose_repairer(catalogue, f"demo-1.0-{tag}.whl", None)


def without(catalogue: Catalogue, *pythons: str) -> Reach:
    found = [
        PythonReach(architecture="x86_64", suite=one.suite, python=one.python, reachable=one.python not in pythons)
        for one in catalogue.builders()
    ]
    return Reach.of([found])


def test_wheel_is_repaired_on_a_python_that_can_be_had(catalogue: Catalogue) -> None:
    reach = without(catalogue, "3.15", "3.13")
    chosen = choose_repairer(catalogue, "demo-1.0-py3-none-any.whl", None, reach=reach)
    assert (chosen.suite, chosen.python) == ("bookworm", "3.14")


def test_wheel_for_pythons_that_cannot_be_had_is_refused_with_the_reason(catalogue: Catalogue) -> None:
    wheel = "demo-1.0-cp315-cp315-manylinux_2_17_x86_64.whl"
    with pytest.raises(SourceUnreachableError, match=r"Python 3\.15 cannot be reached"):
        choose_repairer(catalogue, wheel, None, reach=without(catalogue, "3.15"))


def test_wheel_of_another_architecture_is_repaired_there_and_a_pure_one_at_home() -> None:
    text = (data_path("builders") / "builders.toml").read_text(encoding="utf-8")
    both = parse_catalogue(text).on("x86_64", "aarch64")
    foreign, pure = (
        choose_repairer(both, f"demo-1.0-{tag}.whl", None)
        for tag in ("cp313-cp313-manylinux_2_36_aarch64", "py3-none-any")
    )
    assert (foreign.suite, str(foreign.policy)) == ("bookworm", "manylinux_2_36_aarch64")
    assert pure.policy.architecture == "x86_64"
