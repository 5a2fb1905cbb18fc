"""A wheel's claims against its native files: what is false has a name, and what is right passes."""

import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.elf_writer import SharedObject, module
from tests.unit.agent.wheel_claims_samples import (
    CP313,
    DOUBTS,
    GOOD,
    LIES,
    LIES_OF_MORE_KINDS,
    RIGHT,
    STABLE,
    SUFFIX,
    Sample,
)

from wheelyard_agent import claims
from wheelyard_agent.claims import check_claims, false_platforms, policy_lies
from wheelyard_agent.elf_file import read_elf
from wheelyard_agent.job import JobError
from wheelyard_agent.repair import refuse_lies

AUDIT: dict[str, Any] = {
    "overall_tag": "manylinux_2_36_x86_64",
    "versioned_symbols": {"libc.so.6": ["GLIBC_2.9", "GLIBC_2.34"]},
    "external_libs": {"libfound.so.1": "/usr/lib/libfound.so.1", "libgone.so.2": None},
}


def checked(sample: Sample, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(claims, "_stable_symbols", lambda: STABLE)
    wheel = folder / sample.filename
    with zipfile.ZipFile(wheel, "w") as bundle:
        for member, content in {**sample.contents, "demo/__init__.py": b"", "demo-1.0.dist-info/METADATA": b""}.items():
            bundle.writestr(member, content)
    return check_claims(wheel)


SAMPLES = {**LIES, **LIES_OF_MORE_KINDS, **DOUBTS, **RIGHT}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_lies_have_their_names_and_truth_passes(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checked(sample, tmp_path, monkeypatch)
    assert {one["kind"] for one in found if one["fatal"]} == sample.fatal, found
    assert {one["kind"] for one in found if not one["fatal"]} == sample.doubtful, found
    assert {one["subject"] for one in found} <= set(sample.contents)
    assert all(one["detail"] for one in found)


def test_there_are_many_samples_of_each_kind() -> None:
    assert (len(LIES) >= 30, len(RIGHT) >= 10) == (True, True)


def test_violated_stable_abi_names_the_symbols_and_their_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"PyOdd_{number}" for number in range(6)]
    contents = {"demo/_c.abi3.so": module("_c", "PyObject_GetBuffer", *names)}
    sample = Sample(contents=contents, filename="demo-1.0-cp39-abi3-linux_x86_64.whl")
    (found,) = checked(sample, tmp_path, monkeypatch)
    assert found["detail"] == (
        "its tag or name promises the stable ABI of Python 3.9, and it needs PyOdd_0 (not in the stable ABI), "
        "PyOdd_1 (not in the stable ABI), PyOdd_2 (not in the stable ABI), PyOdd_3 (not in the stable ABI), "
        "PyOdd_4 (not in the stable ABI) and 2 more"
    )


def test_file_for_another_machine_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = checked(LIES["foreign, ELF of ARM"], tmp_path, monkeypatch)
    assert found["detail"] == "it is a 64-bit ELF file for AArch64, and the tag says x86_64"


@pytest.mark.parametrize("data", [GOOD, module("_c", machine=3, bits=32), module("_c", machine=22, order=">")])
def test_damage_of_any_byte_is_survived(data: bytes) -> None:
    for place in range(4, len(data)):
        read_elf(data[:place])
        read_elf(data[:place] + b"\xff" * 4 + data[place + 4 :])


def test_object_file_with_a_dynamic_section_beyond_every_offset_is_no_library() -> None:
    relocatable = (1).to_bytes(2, "little")
    beyond = (1 << 63).to_bytes(8, "little")
    where = 64 + 56 + 8  # the offset in the second program header
    data = GOOD[:16] + relocatable + GOOD[18:where] + beyond + GOOD[where + 8 :]
    found = read_elf(data)
    assert found is not None
    assert found.no_library == "it is an object file that was never linked"


@pytest.mark.parametrize("bits", [32, 64])
def test_needs_of_a_shared_object_are_read(bits: int) -> None:
    data = SharedObject(
        required=["PyList_New", "memcpy"],
        weak=["maybe"],
        provided=["_PyMine", "mine"],
        needed=["a.so", "b.so"],
        soname="c.so",
        runpath="$ORIGIN:/x",
        bits=bits,
    ).bytes()
    elf = read_elf(data)
    assert elf is not None
    assert (elf.damage, elf.needed, elf.soname, elf.search_paths) == ("", ("a.so", "b.so"), "c.so", ("$ORIGIN", "/x"))
    assert (*elf.required, *elf.provided) == ("PyList_New", "_PyMine")


def test_symbols_are_counted_by_the_gnu_hash_table_where_there_is_no_other() -> None:
    data = GOOD.replace(struct.pack("<q", 4), struct.pack("<q", 0x6FFFFEF5))
    assert data != GOOD
    elf = read_elf(data)
    assert elf is not None
    assert elf.required == {"PyModuleDef_Init"}


@pytest.mark.parametrize(
    ("tags", "false"),
    [
        ("manylinux1_x86_64", ["manylinux1_x86_64"]),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", ["manylinux_2_17_x86_64", "manylinux2014_x86_64"]),
        ("manylinux_2_28_x86_64.manylinux_2_36_x86_64", ["manylinux_2_28_x86_64"]),
        ("manylinux_2_36_x86_64", []),
        ("manylinux_2_39_x86_64", []),
        ("linux_x86_64", []),
        ("musllinux_1_2_x86_64", []),
    ],
)
def test_tag_that_is_older_than_the_symbols_is_false(tags: str, false: list[str]) -> None:
    assert false_platforms(f"demo-1.0-cp313-cp313-{tags}.whl", AUDIT) == false


def test_every_manylinux_tag_is_false_of_a_wheel_that_complies_with_none() -> None:
    audit = {**AUDIT, "overall_tag": "linux_x86_64"}
    assert false_platforms("demo-1.0-cp313-cp313-manylinux_2_39_x86_64.whl", audit) == ["manylinux_2_39_x86_64"]


def test_policy_lies_name_the_symbol_and_who_needs_the_library() -> None:
    old, lost = policy_lies(CP313.replace("linux", "manylinux_2_17"), AUDIT, {"libgone.so.2": [f"demo/_c{SUFFIX}"]})
    assert (old["kind"], old["subject"]) == ("tag-too-old", "manylinux_2_17_x86_64")
    assert old["detail"] == "it needs GLIBC_2.34 of libc.so.6, so it complies with manylinux_2_36_x86_64"
    assert (lost["kind"], lost["subject"]) == ("library-not-promised", "libgone.so.2")
    assert lost["detail"] == f"demo/_c{SUFFIX} needs it; it is neither in the wheel nor here"


def test_only_fatal_lies_fail_a_repair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    doubts = checked(DOUBTS["executable stack"], tmp_path, monkeypatch)
    assert refuse_lies(doubts) == doubts
    lies = checked(LIES["pure tag, module of one Python"], tmp_path, monkeypatch)
    with pytest.raises(JobError) as caught:
        refuse_lies([*doubts, *lies])
    assert (caught.value.code, caught.value.details) == ("wheel-claims-false", {"lies": lies})
