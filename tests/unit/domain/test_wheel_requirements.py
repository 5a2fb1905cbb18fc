import re
from pathlib import Path

import pytest
from tests.fakes.sources import MemorySourceIndex, MemoryWheelResolver

from wheelyard.adapters.resolver.wheels import applicable_requirements
from wheelyard.domain.packaging.target import Policy, Target, uv_platform
from wheelyard.errors import BuildRequirementsError

TARGET = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")


def applicable(*requirements: str) -> list[str]:
    return [str(one) for one in applicable_requirements(requirements, target=TARGET)]


def test_markers_are_evaluated_for_the_target_and_dropped() -> None:
    texts = ["b; python_version < '3.12'", "a>=1; python_version >= '3.12'", "c; sys_platform == 'win32'"]
    assert applicable(*texts) == ["a>=1"]


def test_order_and_repetition_do_not_matter() -> None:
    assert applicable("b", "a", "b") == applicable("a", "b")


def test_extras_are_kept() -> None:
    assert applicable("setuptools-scm[toml]>=8") == ["setuptools-scm[toml]>=8"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-r /etc/passwd", "Expected package name"),
        ("--index-url https://example.invalid", "Expected package name"),
        ("./local", "Expected package name"),
        ("git+https://example.invalid/a.git", "Expected"),
        ("a\n-r /etc/passwd", "Expected"),
        ("a @ https://example.invalid/a-1-py3-none-any.whl", "direct reference"),
        ("a @ file:///etc/passwd", "direct reference"),
        ("a===${HOME}", "not a version"),
        ("a; os_name ~= 'posix'", "marker cannot be evaluated"),
        ("", "Expected package name"),
    ],
)
def test_what_a_requirements_file_could_misread_never_reaches_the_resolver(text: str, reason: str) -> None:
    with pytest.raises(BuildRequirementsError, match=re.escape(reason)):
        applicable("setuptools", text)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("manylinux_2_36_x86_64", "x86_64-manylinux_2_36"),
        ("manylinux_2_41_x86_64", "x86_64-manylinux_2_40"),
        ("manylinux_2_30_aarch64", "aarch64-manylinux_2_28"),
        ("manylinux_2_17_x86_64", "x86_64-manylinux_2_17"),
        ("manylinux_2_12_x86_64", None),
        ("manylinux_2_36_s390x", None),
    ],
)
def test_uv_gets_the_newest_platform_that_the_target_runs(policy: str, expected: str | None) -> None:
    assert uv_platform(Policy.parse(policy)) == expected


async def test_memory_resolver_chooses_the_newest_wheel_for_the_target(tmp_path: Path) -> None:
    index = MemorySourceIndex(tmp_path)
    names = ["demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl", "demo-3.0-cp312-cp312-linux_x86_64.whl"]
    resolver = MemoryWheelResolver([index.add(name) for name in names])
    assert [wheel.filename for wheel in await resolver.resolve(["demo"], target=TARGET)] == names[1:2]
    constrained = await resolver.resolve(["demo"], target=TARGET, constraints=["demo<2"])
    assert [wheel.filename for wheel in constrained] == names[:1]
    with pytest.raises(BuildRequirementsError, match="no wheel for 'demo>=3'"):
        await resolver.resolve(["demo>=3"], target=TARGET)
    assert await resolver.resolve([], target=TARGET) == ()


@pytest.mark.parametrize(
    "text",
    ["a; " + "(" * 400 + "os_name == 'x'" + ")" * 400, "a==" + "9" * 5000, "a===anything", "a; 'x' in extras"],
    ids=["parentheses", "digits", "word", "unknown name"],
)
def test_hostile_build_requirement_is_the_projects_fault(text: str) -> None:
    with pytest.raises(BuildRequirementsError):
        applicable(text)


def test_more_requirements_than_any_project_has_are_refused_unread() -> None:
    with pytest.raises(BuildRequirementsError, match="there are 2001 requirements; 2000 are allowed"):
        applicable(*[f"a{number}" for number in range(2001)])
