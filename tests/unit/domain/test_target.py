import platform
import sys
import sysconfig

import pytest
from packaging.markers import Marker, default_environment
from packaging.tags import Tag, sys_tags

from wheelyard.domain.packaging.target import Policy, Target, python_order


def target(python: str = "3.13", platform: str = "manylinux_2_36_x86_64") -> Target:
    return Target.parse(python=python, platform=platform)


def test_tags_are_those_of_an_interpreter_like_the_running_one() -> None:
    libc, version = platform.libc_ver()
    if libc != "glibc" or sysconfig.get_config_var("Py_GIL_DISABLED") or sysconfig.get_config_var("Py_DEBUG"):
        pytest.skip("needs an ordinary CPython on glibc to compare with")
    major, minor = version.split(".")[:2]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    alike = target(python, f"manylinux_{major}_{minor}_{platform.machine()}")
    assert alike.tags() == tuple(sys_tags())


def test_marker_environment_has_the_names_and_values_of_the_running_linux() -> None:
    running = default_environment()
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    ours = target(python, f"manylinux_2_36_{platform.machine()}").marker_environment()
    assert ours.keys() == running.keys()
    stable = ("implementation_name", "os_name", "platform_machine", "platform_system", "python_version", "sys_platform")
    assert {key: ours[key] for key in stable} == {key: running[key] for key in stable}  # type: ignore[literal-required]


def test_markers_are_evaluated_for_the_target_not_for_this_machine() -> None:
    environment = target("3.9", "manylinux_2_31_aarch64").marker_environment()
    assert Marker("python_version < '3.10' and platform_machine == 'aarch64'").evaluate(environment)


@pytest.mark.parametrize(
    ("tag", "accepted"),
    [
        ("cp313-cp313-manylinux_2_36_x86_64", True),
        ("cp313-cp313-manylinux_2_17_x86_64", True),
        ("cp313-cp313-manylinux2014_x86_64", True),
        ("cp313-cp313-manylinux1_x86_64", True),
        ("cp313-cp313-linux_x86_64", True),
        ("cp39-abi3-manylinux_2_28_x86_64", True),
        ("cp313-abi3-manylinux_2_36_x86_64", True),
        ("cp313-none-any", True),
        ("py3-none-any", True),
        ("py38-none-any", True),
        ("py3-none-manylinux_2_12_x86_64", True),
        ("cp313-cp313-manylinux_2_37_x86_64", False),
        ("cp313-cp313-manylinux_2_4_x86_64", False),
        ("cp313-cp313-manylinux_2_36_aarch64", False),
        ("cp313-cp313t-manylinux_2_36_x86_64", False),
        ("cp313-cp313-musllinux_1_2_x86_64", False),
        ("cp312-cp312-manylinux_2_36_x86_64", False),
        ("cp314-abi3-manylinux_2_36_x86_64", False),
        ("py2-none-any", False),
        ("cp313-cp313-win_amd64", False),
    ],
)
def test_target_accepts_exactly_what_runs_there(tag: str, accepted: bool) -> None:  # noqa: FBT001
    assert (Tag(*tag.split("-")) in target().tags()) is accepted


@pytest.mark.parametrize(
    ("tag", "accepted"),
    [
        ("cp313-cp313t-manylinux_2_36_x86_64", True),
        ("py3-none-any", True),
        ("py3-none-manylinux_2_12_x86_64", True),
        ("cp313-cp313-manylinux_2_36_x86_64", False),
        ("cp39-abi3-manylinux_2_28_x86_64", False),
        ("cp314-cp314t-manylinux_2_36_x86_64", False),
    ],
)
def test_free_threaded_target_accepts_no_module_of_the_other_build(tag: str, *, accepted: bool) -> None:
    assert (Tag(*tag.split("-")) in target("3.13t").tags()) is accepted


def test_free_threaded_target_is_the_same_language() -> None:
    free = target("3.13t")
    assert free.marker_environment() == target("3.13").marker_environment()
    assert (free.version_info, free.is_free_threaded, str(free)) == (
        (3, 13),
        True,
        "Python 3.13t on manylinux_2_36_x86_64",
    )
    assert not target("3.13").is_free_threaded


def test_pythons_are_ordered_by_version_and_not_as_text() -> None:
    assert sorted(["3.13t", "3.9", "3.14", "3.13"], key=python_order) == ["3.9", "3.13", "3.13t", "3.14"]


@pytest.mark.parametrize("python", ["3.12t", "3.9t"])
def test_python_before_free_threading_has_no_such_build(python: str) -> None:
    with pytest.raises(ValueError, match=r"the first free-threaded one is 3\.13t"):
        target(python)


def test_other_architectures_have_no_tags_older_than_glibc_2_17() -> None:
    platforms = list(Policy.parse("manylinux_2_31_aarch64").platform_tags())
    assert platforms[0] == "linux_aarch64"
    assert platforms[-2:] == ["manylinux_2_17_aarch64", "manylinux2014_aarch64"]


def test_tags_do_not_depend_on_how_the_running_interpreter_was_built(monkeypatch: pytest.MonkeyPatch) -> None:
    before = target().tags()
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _: 1)
    assert target().tags() == before


@pytest.mark.parametrize(
    ("older", "newer", "serves"),
    [
        ("manylinux_2_17_x86_64", "manylinux_2_36_x86_64", True),
        ("manylinux_2_36_x86_64", "manylinux_2_36_x86_64", True),
        ("manylinux_2_36_x86_64", "manylinux_2_17_x86_64", False),
        ("manylinux_2_17_aarch64", "manylinux_2_36_x86_64", False),
    ],
)
def test_policy_serves_equal_and_newer_ones_of_its_architecture(older: str, newer: str, *, serves: bool) -> None:
    assert Policy.parse(older).serves(Policy.parse(newer)) is serves


@pytest.mark.parametrize(
    "python", ["3", "3.13.1", "2.7", "3.0", "3.x", "", "3.13 ", "cp313", "3.013", "3.13tt", "t", "3.13d"]
)
def test_malformed_python_is_refused(python: str) -> None:
    with pytest.raises(ValueError, match="not a Python version"):
        target(python)


@pytest.mark.parametrize("text", ["", "linux_x86_64", "manylinux2014_x86_64", "manylinux_2_36", "win_amd64"])
def test_malformed_platform_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        target(platform=text)


def test_target_reads_back_as_it_is_shown() -> None:
    assert str(target()) == "Python 3.13 on manylinux_2_36_x86_64"
    assert target().platform == "manylinux_2_36_x86_64"
    assert target().version_info == (3, 13)
