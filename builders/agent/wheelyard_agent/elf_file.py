"""Read what the dynamic linker reads of an ELF file, and why it would refuse the file.

pyelftools raises for a damaged file or reads on; the linker's own rules are needed to name the damage (elf(5), and
glibc's ``_dl_map_object_from_fd``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_PT_LOAD, _PT_DYNAMIC, _PT_GNU_STACK = 1, 2, 0x6474E551
_PF_X = 1
_SHT_DYNSYM, _SHT_NOBITS = 11, 8
_SHF_EXECINSTR = 4
_DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ = 1, 4, 5, 6, 10
_DT_SONAME, _DT_RPATH, _DT_TEXTREL, _DT_RUNPATH, _DT_FLAGS = 14, 15, 22, 29, 30
_DT_GNU_HASH = 0x6FFFFEF5
_DF_TEXTREL = 4
_STB_WEAK = 2
_MANY_SEGMENTS = 0xFFFF  # PN_XNUM: the number is in a section header
_MOST_ENTRIES = 1 << 20
_LONGEST_TEXT = 4096
_PYTHON = (b"Py", b"_Py")
_ET_REL, _ET_CORE = 1, 4


class Segment(NamedTuple):
    """An entry of the program header table, offsets and sizes in bytes."""

    kind: int
    flags: int
    offset: int
    address: int
    size: int
    alignment: int


class ElfFile(NamedTuple):
    """An ELF file as the dynamic linker sees it."""

    bits: int
    """32 or 64."""
    order: str
    """``<`` for the least significant byte first, ``>`` for the other order."""
    machine: int
    """``e_machine``."""
    needed: tuple[str, ...] = ()
    soname: str | None = None
    search_paths: tuple[str, ...] = ()
    """The entries of DT_RUNPATH, or of DT_RPATH if there is none."""
    has_rpath: bool = False
    """Whether it has DT_RPATH alone, in which the linker also looks for what its libraries need."""
    required: frozenset[str] = frozenset()
    """Symbols of Python (``Py…``, ``_Py…``) that it needs; weak ones may be missing, so they are not among them."""
    provided: frozenset[str] = frozenset()
    """Such symbols that it has itself."""
    knows_symbols: bool = False
    """Whether ``provided`` is all that it has: without section headers, the number of its symbols may not be known."""
    has_executable_stack: bool = False
    has_text_relocations: bool = False
    damage: str = ""
    """Why the dynamic linker, or a tool that reads it, cannot use it; empty if nothing is wrong."""
    no_library: str = ""
    """Why nothing can load it as a library, which programs, object files and debug information need not be."""


class _DamagedError(Exception):
    """The file is not what its headers say."""


def read_elf(data: bytes) -> ElfFile | None:
    """Return an ELF file; None if its first bytes do not say that it is one. Never raises for its content."""
    if not data.startswith(b"\x7fELF") or len(data) < 20 or data[4] not in {1, 2} or data[5] not in {1, 2}:  # noqa: PLR2004
        return None
    order = "<" if data[5] == 1 else ">"
    (machine,) = struct.unpack_from(f"{order}H", data, 18)
    file = ElfFile(bits=32 * data[4], order=order, machine=machine)
    try:
        return _Reader(data, file).read()
    except _DamagedError as damage:
        return file._replace(damage=str(damage))


def read_tables(data: bytes, file: ElfFile) -> tuple[list[Segment], dict[int, int]]:
    """Return the segments and the first value of each dynamic tag of a file that ``read_elf`` found no damage in."""
    return _Reader(data, file).read_tables()


class _Reader:
    def __init__(self, data: bytes, file: ElfFile) -> None:
        self._data, self._file, self._wide = data, file, file.bits == 64  # noqa: PLR2004
        self._segments: list[Segment] = []

    def read(self) -> ElfFile:
        shape = "16xHHIQQQIHHHHHH" if self._wide else "16xHHIIIIIHHHHHH"
        kind, _, _, _, phoff, shoff, _, _, phentsize, phnum, shentsize, shnum, _ = self._unpack(
            shape, 0, "its header is cut off"
        )
        if phnum != _MANY_SEGMENTS:
            self._segments = list(self._read_segments(phoff, phentsize, phnum))
        if shoff and shoff + shentsize * shnum > len(self._data):
            raise _DamagedError("its section headers are beyond the end of the file")
        if kind not in {_ET_REL, _ET_CORE}:
            self._check_segments()
        stack = [one for one in self._segments if one.kind == _PT_GNU_STACK]
        file = self._file._replace(has_executable_stack=any(one.flags & _PF_X for one in stack))
        dynamic = next((one for one in self._segments if one.kind == _PT_DYNAMIC), None)
        if kind in {_ET_REL, _ET_CORE}:
            return file._replace(no_library="it is an object file that was never linked")
        if self._is_debug_information((shoff, shentsize, shnum)):
            return file._replace(no_library="it has debug information alone, as objcopy --only-keep-debug leaves it")
        if dynamic is None:
            return file._replace(no_library="it has no dynamic section")
        return self._read_dynamic(file, dynamic, (shoff, shentsize, shnum))

    def read_tables(self) -> tuple[list[Segment], dict[int, int]]:
        try:
            self.read()
            dynamic = next((one for one in self._segments if one.kind == _PT_DYNAMIC), None)
            tags = [] if dynamic is None else list(self._read_tags(dynamic))
        except _DamagedError:
            return [], {}
        return self._segments, dict(reversed(tags))

    def _is_debug_information(self, sections: tuple[int, int, int]) -> bool:
        """Return whether its code has a section header and no content."""
        return any(
            header[1] == _SHT_NOBITS and header[2] & _SHF_EXECINSTR for header in self._section_headers(sections)
        )

    def _section_headers(self, sections: tuple[int, int, int]) -> Iterator[tuple[int, ...]]:
        """Yield name, type, flags, address, offset, size and linked section of each."""
        start, width, number = sections
        shape = "IIQQQQI" if self._wide else "IIIIIII"
        for place in range(start, start + width * number if start else start, width or 1):
            yield self._unpack(shape, place, "its section headers are cut off")

    def _read_segments(self, start: int, width: int, count: int) -> Iterator[Segment]:
        if start + width * count > len(self._data):
            raise _DamagedError("its program headers are beyond the end of the file")
        for place in range(start, start + width * count, width or 1):
            why = "its program headers are cut off"
            if self._wide:
                kind, flags, offset, address, _, size, _, alignment = self._unpack("IIQQQQQQ", place, why)
            else:
                kind, offset, address, _, size, _, flags, alignment = self._unpack("IIIIIIII", place, why)
            yield Segment(kind, flags, offset, address, size, alignment)

    def _check_segments(self) -> None:
        for one in self._segments:
            if one.kind == _PT_LOAD and one.offset + one.size > len(self._data):
                raise _DamagedError("a segment that is loaded ends beyond the end of the file")
            if one.kind == _PT_DYNAMIC and one.offset + one.size > len(self._data):
                raise _DamagedError("its dynamic section is beyond the end of the file")
            # "ELF load command address/offset not properly aligned", what strip makes of some files that patchelf
            # changed: https://github.com/NixOS/patchelf/issues/10
            if one.kind == _PT_LOAD and one.alignment > 1 and (one.address - one.offset) % one.alignment:
                raise _DamagedError("the address and the offset of a segment that is loaded are not aligned")

    def _read_dynamic(self, file: ElfFile, segment: Segment, sections: tuple[int, int, int]) -> ElfFile:
        tags = list(self._read_tags(segment))
        values = dict(reversed(tags))  # the first of each tag
        if _DT_STRTAB not in values or _DT_SYMTAB not in values:
            return file._replace(no_library="its dynamic section is empty")  # as in some programs
        strings = self._place(values[_DT_STRTAB], "its dynamic strings are not in the file")
        end = strings + values.get(_DT_STRSZ, 0)
        if end > len(self._data):
            raise _DamagedError("its dynamic strings are beyond the end of the file")
        needed = tuple(self._text(strings, end, value, "DT_NEEDED") for tag, value in tags if tag == _DT_NEEDED)
        soname = self._text(strings, end, values[_DT_SONAME], "DT_SONAME") if _DT_SONAME in values else None
        paths = values.get(_DT_RUNPATH, values.get(_DT_RPATH))
        path = "" if paths is None else self._text(strings, end, paths, "DT_RUNPATH")
        search = tuple(path.split(":")) if path else ()  # patchelf leaves an empty one, which the linker ignores
        count, knows_symbols = self._count(values, sections)
        required, provided = self._read_symbols(values, count, strings, end)
        return file._replace(
            needed=needed,
            soname=soname,
            search_paths=search,
            has_rpath=_DT_RPATH in values and _DT_RUNPATH not in values,
            required=required,
            provided=provided,
            knows_symbols=knows_symbols,
            has_text_relocations=_DT_TEXTREL in values or bool(values.get(_DT_FLAGS, 0) & _DF_TEXTREL),
        )

    def _read_tags(self, segment: Segment) -> Iterator[tuple[int, int]]:
        shape, width = ("qQ", 16) if self._wide else ("iI", 8)
        for place in range(segment.offset, segment.offset + segment.size - width + 1, width):
            tag, value = self._unpack(shape, place, "its dynamic section is cut off")
            if tag == 0:
                return
            yield tag, value

    def _read_symbols(
        self, values: dict[int, int], count: int, strings: int, end: int
    ) -> tuple[frozenset[str], frozenset[str]]:
        table, width = self._place(values[_DT_SYMTAB], "its symbols are not in the file"), 24 if self._wide else 16
        required, provided = set(), set()
        for place in range(table + width, table + width * min(count, _MOST_ENTRIES), width):
            why = "its symbols are beyond the end of the file"
            if self._wide:
                name, info, _, index = self._unpack("IBBH", place, why)
            else:
                name, info, _, index = self._unpack("I8xBBH", place, why)
            if name >= end - strings:
                raise _DamagedError("a symbol names a string that is not among its dynamic strings")
            if not self._data.startswith(_PYTHON, strings + name):
                continue  # of the others there can be millions
            if index:
                provided.add(self._text(strings, end, name, "a symbol"))
            elif info >> 4 != _STB_WEAK:
                required.add(self._text(strings, end, name, "a symbol"))
        return frozenset(required), frozenset(provided)

    def _count(self, values: dict[int, int], sections: tuple[int, int, int]) -> tuple[int, bool]:
        """Return the number of dynamic symbols, of the section or by the hash tables, and whether that is all."""
        for _, kind, _, _, _, size, _ in self._section_headers(sections):
            if kind == _SHT_DYNSYM:
                return size // (24 if self._wide else 16), True
        if _DT_HASH in values:
            place = self._place(values[_DT_HASH], "its hash table is not in the file")
            return int(self._unpack("II", place, "its hash table is cut off")[1]), True
        if _DT_GNU_HASH in values:
            # The symbols that it needs come before those that are hashed, which this number begins with.
            place = self._place(values[_DT_GNU_HASH], "its hash table is not in the file")
            return int(self._unpack("II", place, "its hash table is cut off")[1]), False
        return 0, False

    def _place(self, address: int, why: str) -> int:
        """Return the offset of an address."""
        for one in self._segments:
            if one.kind == _PT_LOAD and one.address <= address < one.address + one.size:
                return one.offset + address - one.address
        raise _DamagedError(why)

    def _text(self, strings: int, end: int, offset: int, what: str) -> str:
        stop = self._data.find(b"\0", strings + offset, end) if strings + offset < end else -1
        if stop < 0:
            raise _DamagedError(f"{what} names a string that is not among its dynamic strings")
        return self._data[strings + offset : min(stop, strings + offset + _LONGEST_TEXT)].decode(errors="replace")

    def _unpack(self, shape: str, place: int, why: str) -> tuple[int, ...]:
        try:
            return struct.unpack_from(self._file.order + shape, self._data, place)
        except (struct.error, OverflowError) as error:
            raise _DamagedError(why) from error
