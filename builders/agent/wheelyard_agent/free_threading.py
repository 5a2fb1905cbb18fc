"""Find out whether an extension module has a free-threaded Python switch its global interpreter lock (GIL) on.

Python does that when it imports a module that does not declare that it can run without: in a slot of its definition
(``Py_mod_gil``), or by ``PyUnstable_Module_SetGIL`` (https://docs.python.org/3.14/howto/free-threading-extensions.html).
The definition is static data in nearly all modules, so it can be read; pybind11 fills it in at run time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from wheelyard_agent.elf_file import ElfFile, Segment, read_tables

_DT_RELA, _DT_RELASZ = 7, 8
_RELATIVE = {62: 8, 183: 1027}  # R_X86_64_RELATIVE and R_AARCH64_RELATIVE
_PT_LOAD = 1
_MOST_RELOCATIONS = 1 << 20
_MOST_SLOTS = 20
_KNOWN_SLOTS = 4
_SLOTS_AFTER_NAME = 32  # PyModuleDef: m_name, m_doc, m_size, m_methods, m_slots, of 8 bytes each
_GIL_SLOT, _NOT_USED = 4, 1
_DECLARED = struct.pack("<qq", _GIL_SLOT, _NOT_USED)


class GilUse(NamedTuple):
    """Why a module has the GIL switched on."""

    reason: str
    is_certain: bool


def gil_use(data: bytes, elf: ElfFile, module: str) -> GilUse | None:
    """Return why a module has the GIL switched on; None if it does not, or nothing suggests it."""
    if elf.damage or not elf.provided or "PyUnstable_Module_SetGIL" in elf.required or elf.machine not in _RELATIVE:
        return None
    if "PyModuleDef_Init" not in elf.required:
        if "PyModule_Create2" in elf.required:
            return GilUse("it makes its module without PyUnstable_Module_SetGIL", is_certain=True)
        return None
    slots = next(_definitions(data, elf, module), None)
    if slots is not None:
        is_free = slots.get(_GIL_SLOT) == _NOT_USED
        # An empty table may be filled when the module is loaded, as that of pybind11 3 is.
        is_certain = bool(slots) or not any(name.startswith("libstdc++") for name in elf.needed)
        reason = "the definition of its module has no slot Py_MOD_GIL_NOT_USED"
        return None if is_free else GilUse(reason, is_certain=is_certain)
    if _DECLARED in data:
        return None
    return GilUse("nothing in its data is a slot Py_MOD_GIL_NOT_USED", is_certain=False)


def _definitions(data: bytes, elf: ElfFile, module: str) -> Iterator[Mapping[int, int]]:
    """Yield the slots of each PyModuleDef whose name is that of the module, with or without its packages."""
    try:
        segments, values = read_tables(data, elf)
        pointers = dict(_pointers(data, segments, values, _RELATIVE[elf.machine]))
        names = {module.encode(), module.rpartition(".")[2].encode()}
        for address, target in pointers.items():
            start = _place(segments, target)
            if data[start : data.find(b"\0", start, start + 1000)] not in names:
                continue
            table = pointers.get(address + _SLOTS_AFTER_NAME)
            slots = None if table is None else _slots_at(data, segments, table)
            if slots is not None:
                yield slots
    except (struct.error, OverflowError, LookupError):
        return


def _slots_at(data: bytes, segments: list[Segment], address: int) -> dict[int, int] | None:
    try:
        return _slots(data, _place(segments, address))
    except LookupError:
        return {}  # memory that is not in the file is zero: a table with its end alone


def _slots(data: bytes, place: int) -> dict[int, int] | None:
    """Return the values of slots by their numbers; None if this is no table of slots."""
    found: dict[int, int] = {}
    for number in range(_MOST_SLOTS):
        slot, value = struct.unpack_from("<qq", data, place + 16 * number)
        if slot == 0:
            return found if value == 0 else None
        if not 0 < slot <= _KNOWN_SLOTS:
            return None
        found[slot] = value
    return None


def _pointers(
    data: bytes, segments: list[Segment], values: Mapping[int, int], relative: int
) -> Iterator[tuple[int, int]]:
    """Yield the address of each pointer into the file itself, and what the dynamic linker sets it to."""
    start = _place(segments, values[_DT_RELA])
    for number in range(min(values[_DT_RELASZ] // 24, _MOST_RELOCATIONS)):
        address, info, addend = struct.unpack_from("<QQq", data, start + 24 * number)
        if info & 0xFFFFFFFF == relative:
            yield address, addend


def _place(segments: list[Segment], address: int) -> int:
    """Return the offset of an address; raise LookupError."""
    for one in segments:
        if one.kind == _PT_LOAD and one.address <= address < one.address + one.size:
            return one.offset + address - one.address
    raise LookupError(address)
