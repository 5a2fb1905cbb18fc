"""Native members of a wheel: found by content; extension modules told from other shared libraries."""

import zipfile
from pathlib import Path

import pytest

from wheelyard_agent.elf import elf_members, extension_modules

ELF = b"\x7fELF\x02\x01\x01"


def wheel_with(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "demo-1.0-cp313-cp313-linux_x86_64.whl"
    with zipfile.ZipFile(path, "w") as bundle:
        for name, content in members.items():
            bundle.writestr(name, content)
    return path


def extensions_of(folder: Path, members: dict[str, bytes]) -> list[str]:
    wheel = wheel_with(folder, members)
    return extension_modules(wheel, elf_members(wheel))


def test_native_file_is_known_by_its_content_not_its_name(tmp_path: Path) -> None:
    members = {"demo/tool": ELF, "demo/lib.so": b"text", "demo/data.bin": ELF, "demo/empty.so": b"", "demo/": b""}
    assert elf_members(wheel_with(tmp_path, members)) == ["demo/tool", "demo/data.bin"]


def test_pure_wheel_has_no_native_members(tmp_path: Path) -> None:
    assert elf_members(wheel_with(tmp_path, {"demo.py": b"", "demo-1.0.dist-info/METADATA": b"\x7fEL"})) == []


@pytest.mark.parametrize(
    ("member", "module"),
    [
        ("_demo.cpython-313-x86_64-linux-gnu.so", "_demo"),
        ("demo/_c.cpython-313-x86_64-linux-gnu.so", "demo._c"),
        ("demo/sub/_c.abi3.so", "demo.sub._c"),
        ("demo-1.0.data/platlib/demo/_c.abi3.so", "demo._c"),
        ("demo-1.0.data/purelib/_c.abi3.so", "_c"),
        ("demo/__init__.cpython-313-x86_64-linux-gnu.so", "demo"),
        ("demo/sub/__init__.abi3.so", "demo.sub"),
        ("demo/_c.abi3t.so", "demo._c"),
        ("demo/_c.cpython-313t-x86_64-linux-gnu.so", "demo._c"),
    ],
)
def test_extension_module_is_named_as_it_is_imported(tmp_path: Path, member: str, module: str) -> None:
    name = module.rpartition(".")[2]
    for entry in (f"PyInit_{name}", f"PyModExport_{name}"):
        assert extensions_of(tmp_path, {member: ELF + f"\0{entry}\0".encode()}) == [module]


@pytest.mark.parametrize(
    "member",
    [
        "demo.libs/libyaml-0-1b2c3d4e.so.2.0.9",
        "demo/libdemo.so.1",
        "demo/bin/tool",
        "demo/lib-demo.abi3.so",
        "demo-1.0.data/scripts/_c.abi3.so",
        "demo.libs/libz.abi3.so",
        "__init__.abi3.so",
    ],
)
def test_other_shared_object_is_no_extension_module(tmp_path: Path, member: str) -> None:
    entry_points = b"".join(
        b"\0PyInit_" + name for name in (b"libyaml", b"libdemo", b"tool", b"_c", b"libz", b"__init__")
    )
    assert extensions_of(tmp_path, {member: ELF + entry_points}) == []


@pytest.mark.parametrize("tag", ["", ".abi3", ".cpython-313-x86_64-linux-gnu"])
def test_shared_object_is_one_if_it_has_its_entry_point(tmp_path: Path, tag: str) -> None:
    members = {
        f"demo/_c{tag}.so": ELF + b"\0PyInit__c\0",
        f"demo/_other{tag}.so": ELF + b"\0PyInit__c\0",
        f"demo/_for_ctypes{tag}.so": ELF,
        f"whole/__init__{tag}.so": ELF + b"\0PyInit_whole\0",
    }
    assert extensions_of(tmp_path, members) == ["demo._c", "whole"]


def test_names_are_sorted(tmp_path: Path) -> None:
    members = {"b.abi3.so": ELF + b"PyInit_b", "a.abi3.so": ELF + b"PyInit_a"}
    assert extensions_of(tmp_path, members) == ["a", "b"]
