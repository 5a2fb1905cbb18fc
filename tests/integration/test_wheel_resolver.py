"""uv as the wheel resolver, against the real upstream index."""

import os
import re
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from uv import find_uv_bin

from wheelyard.adapters.resolver.uv import UvResolverOptions
from wheelyard.adapters.resolver.wheels import UvWheelResolver
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.target import UV_ARCHITECTURES, UV_GLIBC_MINORS, Target
from wheelyard.errors import BuildRequirementsError, IndexUnavailableError

TARGET = Target.parse(python="3.13", platform="manylinux_2_36_x86_64")


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> UvResolverOptions:
    return UvResolverOptions(cache_dir=tmp_path_factory.mktemp("uv"), environment=os.environ)


@pytest.fixture
def resolver(options: UvResolverOptions) -> UvWheelResolver:
    return UvWheelResolver(options)


def by_project(wheels: tuple[IndexFile, ...]) -> dict[str, IndexFile]:
    return {wheel.filename.split("-")[0].lower(): wheel for wheel in wheels}


async def test_common_build_requirements_come_down_to_wheels(resolver: UvWheelResolver) -> None:
    wheels = by_project(await resolver.resolve(["setuptools>=70", "wheel"], target=TARGET))
    assert {"setuptools", "wheel"} <= wheels.keys()
    for wheel in wheels.values():
        assert wheel.kind == "wheel"
        assert wheel.url.startswith("https://")
        assert re.fullmatch("[0-9a-f]{64}", wheel.sha256)
        assert wheel.size_bytes


async def test_no_requirements_are_no_wheels(resolver: UvWheelResolver) -> None:
    assert await resolver.resolve([], target=TARGET) == ()
    assert await resolver.resolve(["wheel; python_version < '3'"], target=TARGET) == ()


@pytest.mark.parametrize("python", ["3.13", "3.11"])
async def test_native_wheel_is_the_target_pythons_not_ours(resolver: UvWheelResolver, python: str) -> None:
    target = Target.parse(python=python, platform="manylinux_2_36_x86_64")
    (wheel,) = await resolver.resolve(["cython>=3.1"], target=target)
    interpreter = f"cp{python.replace('.', '')}"
    assert f"-{interpreter}-{interpreter}-manylinux" in wheel.filename


@pytest.mark.parametrize(
    ("platform", "tag"), [("manylinux_2_17_x86_64", "2_17"), ("manylinux_2_41_aarch64", "aarch64")]
)
async def test_wheel_fits_the_targets_platform(resolver: UvWheelResolver, platform: str, tag: str) -> None:
    (wheel,) = await resolver.resolve(["cython>=3.1"], target=Target.parse(python="3.13", platform=platform))
    assert tag in wheel.filename


async def test_constraints_bind_projects_that_are_needed_and_add_none(resolver: UvWheelResolver) -> None:
    constraints = ["setuptools<75", "cython<3.1", "wheel<0.40; python_version < '3'"]
    wheels = by_project(await resolver.resolve(["setuptools", "wheel"], target=TARGET, constraints=constraints))
    assert wheels["setuptools"].version in Requirement("setuptools<75").specifier
    assert wheels["wheel"].version not in Requirement("wheel<0.40").specifier
    assert "cython" not in wheels


async def test_extras_of_a_requirement_bring_in_what_they_need(resolver: UvWheelResolver) -> None:
    assert "pysocks" not in by_project(await resolver.resolve(["requests"], target=TARGET))
    assert "pysocks" in by_project(await resolver.resolve(["requests[socks]"], target=TARGET))


async def test_markers_are_those_of_the_target(resolver: UvWheelResolver) -> None:
    requirements = ["wheel; python_version >= '3.12'", "tomli; python_version < '3.11'", "setuptools; os_name == 'nt'"]
    assert by_project(await resolver.resolve(requirements, target=TARGET)).keys() >= {"wheel"}
    assert not by_project(await resolver.resolve(requirements, target=TARGET)).keys() & {"tomli", "setuptools"}


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("setuptools>=9999", "only setuptools<=.* is available"),
        ("pycosat", "no usable wheels"),
        ("wheelyard-has-no-such-project-0", "was not found in the package registry"),
    ],
)
async def test_impossible_requirement_is_explained(resolver: UvWheelResolver, requirement: str, reason: str) -> None:
    with pytest.raises(BuildRequirementsError, match=reason) as caught:
        await resolver.resolve([requirement], target=TARGET)
    assert "\x1b" not in caught.value.reason
    assert "\n" not in caught.value.reason
    assert not caught.value.retryable


async def test_index_that_is_down_is_not_the_projects_fault(options: UvResolverOptions, tmp_path: Path) -> None:
    down = replace(options, index_url="http://127.0.0.1:9/simple", cache_dir=tmp_path)
    with pytest.raises(IndexUnavailableError, match="Connection refused"):
        await UvWheelResolver(down).resolve(["wheel"], target=TARGET)


async def test_resolution_that_takes_too_long_is_stopped(options: UvResolverOptions) -> None:
    hasty = replace(options, timeout_seconds=0.001)
    with pytest.raises(BuildRequirementsError, match=r"within 0\.001 seconds") as caught:
        await UvWheelResolver(hasty).resolve(["wheel"], target=TARGET)
    assert not caught.value.retryable


async def test_equal_question_gets_the_earlier_answer_at_once(resolver: UvWheelResolver) -> None:
    first = await resolver.resolve(["setuptools", "wheel"], target=TARGET)
    began = time.perf_counter()
    second = await resolver.resolve(["wheel", "setuptools", "tomli; python_version < '3'"], target=TARGET)
    assert second is first
    assert time.perf_counter() - began < 0.01


async def test_foreign_settings_do_not_reach_uv(options: UvResolverOptions, tmp_path: Path) -> None:
    environment = {**os.environ, "UV_NO_INDEX": "1", "UV_OFFLINE": "1", "UV_CONSTRAINT": str(tmp_path / "absent")}
    foreign = UvWheelResolver(replace(options, environment=environment))
    assert await foreign.resolve(["wheel"], target=TARGET)


def test_uv_still_knows_exactly_our_table_of_platforms() -> None:
    shown = subprocess.run([find_uv_bin(), "pip", "compile", "--help"], check=True, capture_output=True, text=True)
    known = set(re.findall(r"([a-z0-9_]+)-manylinux_2_([0-9]+)", shown.stdout))
    assert known == {(arch, str(minor)) for arch in UV_ARCHITECTURES for minor in UV_GLIBC_MINORS}
