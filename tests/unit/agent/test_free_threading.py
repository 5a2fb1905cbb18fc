"""Whether a module has the GIL switched on is read from the definition of its module."""

import struct

import pytest

from wheelyard_agent.elf_file import ElfFile
from wheelyard_agent.free_threading import gil_use

_BASE = 0x10000
_NAME, _DEFINITION, _SLOTS = 0x400, 0x500, 0x600
_EXEC, _INTERPRETERS, _GIL = 2, 3, 4
ELF = ElfFile(
    bits=64,
    order="<",
    machine=62,
    needed=("libc.so.6",),
    required=frozenset({"PyModuleDef_Init"}),
    provided=frozenset({"PyInit__c"}),
)


def defined(*slots: tuple[int, int], name: bytes = b"_c", slots_at: int = _SLOTS) -> bytes:
    """Write a file with a PyModuleDef as compilers lay it out: its pointers are relocations."""
    data = bytearray(0x800)
    data[:20] = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, 62)
    struct.pack_into("<QQ", data, 32, 64, 0)
    struct.pack_into("<HHHHHH", data, 52, 64, 56, 2, 0, 0, 0)
    struct.pack_into("<IIQQQQQQ", data, 64, 1, 6, 0, _BASE, _BASE, 0x800, 0x1000, 0x1000)
    struct.pack_into("<IIQQQQQQ", data, 120, 2, 6, 0x200, _BASE + 0x200, 0, 0x60, 0x60, 8)
    for number, tag in enumerate(
        [(5, _BASE + 0x300), (10, 8), (6, _BASE + 0x310), (7, _BASE + 0x340), (8, 48), (0, 0)]
    ):
        struct.pack_into("<qQ", data, 0x200 + 16 * number, *tag)
    for number, (address, target) in enumerate([(_DEFINITION, _NAME), (_DEFINITION + 32, slots_at)]):
        struct.pack_into("<QQq", data, 0x340 + 24 * number, _BASE + address, 8, _BASE + target)
    data[_NAME : _NAME + len(name) + 1] = name + b"\0"
    for number, slot in enumerate(slots):
        struct.pack_into("<qq", data, _SLOTS + 16 * number, *slot)
    return bytes(data)


@pytest.mark.parametrize("name", [b"_c", b"demo._c"])
@pytest.mark.parametrize("slots", [[(_EXEC, 0)], [(_EXEC, 0), (_INTERPRETERS, 2)], [(_GIL, 0)], []])
def test_definition_without_the_slot_has_the_gil_switched_on(slots: list[tuple[int, int]], name: bytes) -> None:
    found = gil_use(defined(*slots, name=name), ELF, "demo._c")
    assert found is not None
    assert found.is_certain
    assert found.reason == "the definition of its module has no slot Py_MOD_GIL_NOT_USED"


@pytest.mark.parametrize("slots", [[(_GIL, 1)], [(_EXEC, 0), (_INTERPRETERS, 2), (_GIL, 1)]])
def test_definition_with_the_slot_has_not(slots: list[tuple[int, int]]) -> None:
    assert gil_use(defined(*slots), ELF, "demo._c") is None


def test_table_that_is_filled_when_the_module_is_loaded_is_a_doubt_in_cpp_alone() -> None:
    beyond = defined(slots_at=0x900)  # memory that is not in the file
    found = gil_use(beyond, ELF._replace(needed=("libstdc++.so.6",)), "demo._c")
    assert found is not None
    assert not found.is_certain
    found = gil_use(beyond, ELF, "demo._c")
    assert found is not None
    assert found.is_certain


def test_definition_of_another_module_says_nothing_of_this_one() -> None:
    found = gil_use(defined((_EXEC, 0), name=b"_other"), ELF, "demo._c")
    assert found is not None
    assert not found.is_certain
    assert gil_use(defined((_GIL, 1), name=b"_other"), ELF, "demo._c") is None


@pytest.mark.parametrize("length", range(0, 0x800, 7))
def test_file_that_is_cut_off_anywhere_is_survived(length: int) -> None:
    data = defined((_EXEC, 0))[:length]
    found = gil_use(data, ELF, "demo._c")
    assert found is None or not found.is_certain or length > _SLOTS


def test_machine_that_is_not_known_says_nothing() -> None:
    assert gil_use(defined((_EXEC, 0)), ELF._replace(machine=243), "demo._c") is None
