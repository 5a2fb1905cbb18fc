"""Repair's decisions: does the audited wheel serve the platform, and where did each grafted library come from."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from wheelyard_agent.debian import Owner
from wheelyard_agent.job import JobError
from wheelyard_agent.repair import _check_policy, _check_purity, _entry, _ledger

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


def test_pure_wheel_is_left_alone() -> None:
    _check_purity(Path("demo-1.0-py3-none-any.whl"))


def test_wheel_that_claims_a_platform_and_holds_nothing_native_has_lost_its_extension() -> None:
    with pytest.raises(JobError) as caught:
        _check_purity(Path("demo-1.0-cp313-cp313-linux_x86_64.whl"))
    assert caught.value.code == "extension-missing"
    assert "cp313-cp313-linux_x86_64" in caught.value.details["missing"][0]


def test_grafted_library_is_told_with_its_origin(tmp_path: Path) -> None:
    library = tmp_path / "libdemo-2.so.0.1"
    library.write_bytes(b"a library")
    digest = hashlib.sha256(b"a library").hexdigest()
    member = f"demo.libs/libdemo-2-{digest[:8]}.so.0.1"
    assert _entry("libdemo-2.so.0", library, Owner("libdemo", "1-2", "demo 1-2"), {Path(member).name: member}) == {
        "soname": "libdemo-2.so.0",
        "path": member,
        "sha256": digest,
        "package": "libdemo",
        "package_version": "1-2",
        "source_package": "demo 1-2",
    }


def test_library_that_was_not_grafted_is_not_told(tmp_path: Path) -> None:
    grafted, left = tmp_path / "liba.so.1", tmp_path / "libc.so.6"
    for library in (grafted, left):
        library.write_bytes(library.name.encode())
    digest = hashlib.sha256(b"liba.so.1").hexdigest()
    wheel = tmp_path / "demo.whl"
    with zipfile.ZipFile(wheel, "w") as bundle:
        bundle.writestr(f"demo.libs/liba-{digest[:8]}.so.1", b"with another name and search path")
        bundle.writestr("demo.libs/libc.so.6", b"")
    external = {"liba.so.1": str(grafted), "libc.so.6": str(left), "libgone.so": None}
    ledger = _ledger(wheel, external, no_packages(tmp_path))
    assert [(entry["soname"], entry["package"]) for entry in ledger] == [("liba.so.1", None)]


def no_packages(folder: Path) -> dict[str, str]:
    program = folder / "dpkg-query"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:/bin"}
