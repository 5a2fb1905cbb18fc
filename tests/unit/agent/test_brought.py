"""Which tags of a brought wheel hold, and which wheels no repair can help."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.elf_writer import AARCH64, SharedObject, module
from tests.unit.agent.wheel_claims_samples import MACH_O, PE
from tests.unit.pipeline_harness import make_wheel, pack_wheel

from wheelyard_agent import brought, claims
from wheelyard_agent.audit import GraftRules
from wheelyard_agent.brought import (
    _correct_content,
    _library_lies,
    _musl_lies,
    _named_as_inside,
    _only_foreign,
    _python_lies,
    all_lies,
    claims_hold,
    purelib_lies,
    several_platforms,
)
from wheelyard_agent.claims import kept_search_paths, read_natives

NEEDS = "manylinux_2_17_x86_64"


@pytest.mark.parametrize(
    ("platform", "holds"),
    [
        ("manylinux_2_17_x86_64", True),
        ("manylinux2014_x86_64", True),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("manylinux_2_36_x86_64", True),
        ("manylinux_2_17_x86_64.musllinux_1_1_x86_64", True),
        ("musllinux_1_1_x86_64", False),
        ("manylinux_2_12_x86_64", False),
        ("manylinux1_x86_64", False),
        ("manylinux_2_36_x86_64.manylinux2010_x86_64", False),
        ("linux_x86_64", False),
        ("manylinux_2_36_x86_64.linux_x86_64", False),
        ("manylinux_2_36_aarch64", False),
        ("any", False),
    ],
)
def test_tag_holds_if_it_promises_no_older_glibc_than_the_wheel_needs(platform: str, holds: bool) -> None:  # noqa: FBT001
    assert claims_hold(f"demo-1.0-cp313-cp313-{platform}.whl", NEEDS) is holds


def test_tag_of_a_wheel_that_complies_with_nothing_does_not_hold() -> None:
    assert not claims_hold("demo-1.0-cp313-cp313-linux_x86_64.whl", "linux_x86_64")


def test_any_python_with_extension_modules_is_false() -> None:
    (found,) = _python_lies("demo-1.0-py3-none-any.whl", ["demo._c"])
    assert (found["kind"], found["subject"], found["fatal"]) == ("tag-too-general", "py3-none-any", True)
    assert "demo._c" in found["detail"]


def test_any_platform_with_extension_modules_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_stable_symbols", dict)
    member = "demo/_c.cpython-313-x86_64-linux-gnu.so"
    wheel = wheel_of(tmp_path, "demo-1.0-py3-none-any.whl", {member: module("_c"), "sitecustomize.py": b""})
    found = all_lies(wheel, [member], ["demo._c"])
    assert [(one["kind"], one["subject"]) for one in found] == [
        ("tag-too-general", "py3-none-any"),
        ("startup-code", "sitecustomize"),
    ]


def test_any_python_with_libraries_for_ctypes_only_lacks_a_platform() -> None:
    assert _python_lies("demo-1.0-py3-none-any.whl", []) == []
    assert _python_lies("demo-1.0-cp313-cp313-linux_x86_64.whl", ["demo._c"]) == []


class _Policies:
    promised = frozenset({"libc.so.6", "libz.so.1"})

    def __init__(self, platform: str) -> None:
        assert platform == "linux_x86_64"


def audit(**libraries: str | None) -> dict[str, Any]:
    named = {name.replace("_", "."): path for name, path in libraries.items()}
    return {"overall_tag": "linux_x86_64", "external_libs": named, "versioned_symbols": {}}


def test_library_that_is_nowhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brought, "Policies", _Policies)
    monkeypatch.setattr(brought, "read_linkage", lambda *_: {})
    wheel = tmp_path / "demo-1.0-cp313-cp313-linux_x86_64.whl"
    wheel.write_bytes(pack_wheel(wheel.name, {"demo.libs/libfoo.so.2": b"\x7fELF"}))
    found = audit(libfoo_so_2=None, libbar_so_1=None, libz_so_1=None, libyaml_so_0="/lib/libyaml.so.0")
    lies = _library_lies(wheel, found, GraftRules())
    assert {(one["kind"], one["subject"], one["fatal"]) for one in lies} == {
        ("rpath-invalid", "libfoo.so.2", True),
        ("library-not-promised", "libbar.so.1", True),
    }
    assert "demo.libs/libfoo.so.2" in next(one["detail"] for one in lies if one["kind"] == "rpath-invalid")


def test_links_to_libpython_and_what_can_be_grafted_are_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brought, "Policies", _Policies)
    monkeypatch.setattr(brought, "read_linkage", lambda *_: {})
    wheel = tmp_path / "demo-1.0-cp313-cp313-linux_x86_64.whl"
    wheel.write_bytes(pack_wheel(wheel.name, {"demo/_c.so": b"\x7fELF"}))
    assert _library_lies(wheel, audit(libyaml_so_0="/lib/libyaml.so.0"), GraftRules()) == []
    with_python = {**audit(), "external_libs": {"libpython3.13.so.1.0": None}}
    assert _library_lies(wheel, with_python, GraftRules()) == []


def test_wheel_is_named_as_its_metadata_folder(tmp_path: Path) -> None:
    wheel = tmp_path / "Demo-1.0-cp313-cp313-linux_x86_64.whl"
    wheel.write_bytes(make_wheel("demo-1.0-cp313-cp313-linux_x86_64.whl"))
    assert _named_as_inside(wheel) == tmp_path / "demo-1.0-cp313-cp313-linux_x86_64.whl"
    assert not wheel.exists()


LIBRARY = SharedObject(soname="libfoo.so.1").bytes()
ARM = SharedObject(machine=AARCH64).bytes()


def wheel_of(folder: Path, name: str, members: dict[str, bytes]) -> Path:
    path = folder / name
    path.write_bytes(pack_wheel(name, members))
    return path


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"demo/a.so": LIBRARY, "demo/b.so": ARM}, "64-bit AArch64 and 64-bit x86-64"),
        ({"demo/a.so": LIBRARY, "demo/b.dylib": MACH_O, "demo/c.dll": PE}, "64-bit x86-64, Windows and macOS"),
        ({"demo/a.so": LIBRARY, "demo/b.so": LIBRARY}, ""),
        ({"demo/a.py": b""}, ""),
    ],
)
def test_wheel_for_any_platform_that_chooses_its_library_when_it_runs_is_known(
    tmp_path: Path, members: dict[str, bytes], named: str
) -> None:
    assert several_platforms(wheel_of(tmp_path, "demo-1.0-py3-none-any.whl", members)) == named
    assert several_platforms(wheel_of(tmp_path, "demo-1.0-py3-none-linux_x86_64.whl", members)) == ""


@pytest.mark.parametrize(
    ("members", "dropped"),
    [
        ({"demo/a.so": LIBRARY}, ["musllinux_1_2_x86_64"]),
        ({"demo/a.so": SharedObject(needed=()).bytes()}, []),
        ({"demo/a.so": LIBRARY, "demo/b.so": SharedObject(needed=["libc.musl-x86_64.so.1"]).bytes()}, []),
    ],
)
def test_claim_for_musl_is_dropped_if_all_files_link_to_glibc(
    tmp_path: Path, members: dict[str, bytes], dropped: list[str]
) -> None:
    wheel = wheel_of(tmp_path, "demo-1.0-py3-none-manylinux_2_17_x86_64.musllinux_1_2_x86_64.whl", members)
    lies = _musl_lies(wheel, wheel)
    assert [one["subject"] for one in lies] == dropped
    assert all("demo/a.so links to libc.so.6 of glibc" in one["detail"] and not one["fatal"] for one in lies)
    assert _musl_lies(wheel_of(tmp_path, "demo-1.0-py3-none-linux_x86_64.whl", members), wheel) == []


@pytest.mark.parametrize("member", ["demo/_c.cp313-win_amd64.pyd", "demo/_c.dylib"])
def test_wheel_for_linux_with_native_files_for_others_alone_names_them(tmp_path: Path, member: str) -> None:
    name, content = "demo-1.0-cp313-cp313-linux_x86_64.whl", PE if member.endswith("pyd") else MACH_O
    (found,) = _only_foreign(wheel_of(tmp_path, name, {member: content}), [])
    assert (found["kind"], found["subject"], found["fatal"]) == ("foreign-platform", member, True)
    assert _only_foreign(wheel_of(tmp_path, name, {member: content}), ["demo/_c.so"]) == []
    assert _only_foreign(wheel_of(tmp_path, "demo-1.0-py3-none-any.whl", {member: content}), []) == []


def test_native_files_among_those_for_every_platform_are_a_lie() -> None:
    (found,) = purelib_lies(["demo-1.0.data/purelib/demo/_c.so", "demo-1.0.data/platlib/d.so", "purelib/e.so"])
    assert (found["kind"], found["subject"], found["fatal"]) == (
        "purelib-native",
        "demo-1.0.data/purelib/demo/_c.so",
        True,
    )


PROMISED = {"libc.so.6"}


@pytest.mark.parametrize(
    ("path", "needed", "kept"),
    [
        ("$ORIGIN/../demo.libs", ["libfoo.so.1"], None),
        ("/home/ci/build/lib", [], ()),
        ("$ORIGIN/../../../lib", [], ()),
        ("$ORIGIN/../demo.libs:/opt/lib", ["libfoo.so.1"], ("$ORIGIN/../demo.libs",)),
        ("$ORIGIN/../demo.libs::/tmp", ["libfoo.so.1"], ("$ORIGIN/../demo.libs",)),
        ("lib", ["libfoo.so.1"], None),
        ("/usr/local/cuda/lib64", ["libcudart.so.12"], None),
    ],
)
def test_wrong_search_paths_are_taken_out_if_no_library_may_need_them(
    tmp_path: Path, path: str, needed: list[str], kept: tuple[str, ...] | None
) -> None:
    content = module("_c", needed=["libc.so.6", *needed], runpath=path)
    members = {"demo/_c.cpython-313-x86_64-linux-gnu.so": content, "demo.libs/libfoo.so.1": LIBRARY}
    wheel = wheel_of(tmp_path, "demo-1.0-cp313-cp313-linux_x86_64.whl", members)
    (file,) = (one for one in read_natives(wheel) if one.place)
    assert kept_search_paths(file, members, PROMISED) == kept


class _AllPolicies:
    promised = frozenset({"libc.so.6"})

    def __init__(self, platform: str) -> None:
        assert platform == NEEDS


def test_wheel_with_modules_is_told_to_be_native_and_libraries_alone_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brought, "Policies", _AllPolicies)
    text = b"Wheel-Version: 1.0\r\nRoot-Is-Purelib: true\r\nTag: cp313-cp313-linux_x86_64\r\n"
    members = {"demo/_c.so": module("_c"), "demo-1.0.dist-info/WHEEL": text}
    wheel = wheel_of(tmp_path, "demo-1.0-cp313-cp313-linux_x86_64.whl", members)
    copy, (told,) = _correct_content(wheel, ["demo._c"], NEEDS, tmp_path / "scratch", {})
    with zipfile.ZipFile(copy) as bundle:
        assert bundle.read("demo-1.0.dist-info/WHEEL") == text.replace(b"true", b"false")
    assert (told["kind"], told["subject"], told["fatal"]) == ("purelib-native", "Root-Is-Purelib", False)
    assert _correct_content(wheel, [], NEEDS, tmp_path / "scratch", {}) == (wheel, [])
    assert _correct_content(copy, ["demo._c"], NEEDS, tmp_path / "scratch", {}) == (copy, [])


def test_wrong_search_path_is_taken_out_by_patchelf_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def patchelf(command: list[str], *, env: dict[str, str]) -> int:
        del env
        asked.append(command[1:-1])
        Path(command[-1]).write_bytes(b"patched")
        return 0

    monkeypatch.setattr(brought, "Policies", _AllPolicies)
    monkeypatch.setattr(brought, "run", patchelf)
    members = {
        "demo/a.so": SharedObject(runpath="/build:$ORIGIN").bytes(),
        "demo/b.so": SharedObject(runpath="/build").bytes(),
        "demo/c.so": SharedObject(runpath="$ORIGIN").bytes(),
    }
    wheel = wheel_of(tmp_path, "demo-1.0-py3-none-linux_x86_64.whl", members)
    (tmp_path / "scratch").mkdir()
    copy, told = _correct_content(wheel, [], NEEDS, tmp_path / "scratch", {})
    assert asked == [["--set-rpath", "$ORIGIN"], ["--remove-rpath"]]
    with zipfile.ZipFile(copy) as bundle:
        assert [bundle.read(name) for name in members] == [b"patched", b"patched", members["demo/c.so"]]
    assert told == []
