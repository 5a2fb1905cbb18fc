"""Repair's decisions: does the audited wheel serve the platform, and may a pure one be pure."""

from pathlib import Path
from typing import Any

import pytest

from wheelyard_agent.job import JobError
from wheelyard_agent.repair import _check_policy, check_purity

WANTED = "manylinux_2_36_x86_64"


def audit(tag: str) -> dict[str, Any]:
    return {"overall_tag": tag, "versioned_symbols": {"libc.so.6": ["GLIBC_2.9", "GLIBC_2.38", "GLIBC_2.4"]}}


@pytest.mark.parametrize("tag", ["manylinux_2_5_x86_64", "manylinux_2_17_x86_64", WANTED])
def test_wheel_that_needs_no_newer_glibc_serves(tag: str) -> None:
    _check_policy(audit(tag), WANTED)


@pytest.mark.parametrize(
    "tag", ["manylinux_2_37_x86_64", "manylinux_3_0_x86_64", "linux_x86_64", "musllinux_1_2_x86_64"]
)
def test_wheel_that_needs_more_is_refused_with_the_newest_symbol(tag: str) -> None:
    with pytest.raises(JobError) as caught:
        _check_policy(audit(tag), WANTED)
    assert (caught.value.code, caught.value.details) == (
        "repair-failed",
        {"reason": f"it needs GLIBC_2.38 of libc.so.6 ({tag})"},
    )


def test_wheel_without_symbols_is_refused_in_words() -> None:
    with pytest.raises(JobError) as caught:
        _check_policy({"overall_tag": "linux_x86_64", "versioned_symbols": {}}, WANTED)
    assert caught.value.details["reason"] == "it needs libraries outside the policy (linux_x86_64)"


LOST = Path("demo-1.0-cp313-cp313-linux_x86_64.whl")


def test_pure_wheel_is_left_alone() -> None:
    assert check_purity(Path("demo-1.0-py3-none-any.whl"), ["demo._c"], may_be_pure=False) == []


@pytest.mark.parametrize(
    ("names", "missing", "evidence"),
    [
        (["demo._c"], ["demo._c"], ["It has no native file, though its tag is cp313-cp313-linux_x86_64."]),
        ([], ["any native file, though its tag is cp313-cp313-linux_x86_64"], []),
    ],
)
def test_wheel_that_claims_a_platform_and_holds_nothing_native_has_lost_its_extension(
    names: list[str], missing: list[str], evidence: list[str]
) -> None:
    with pytest.raises(JobError) as caught:
        check_purity(LOST, names, may_be_pure=False)
    assert (caught.value.code, caught.value.details) == (
        "extension-missing",
        {"missing": missing, "evidence": evidence},
    )


def test_wheel_that_may_be_pure_loses_its_claim_instead() -> None:
    assert check_purity(LOST, ["demo._c"], may_be_pure=True) == ["--abi-tag", "none", "--platform-tag", "any"]
