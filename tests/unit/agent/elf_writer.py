"""Write small ELF shared objects, as a linker would lay them out, and spoil them."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

X86_64: Final = 62
AARCH64: Final = 183
_NEEDED, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SONAME, _RUNPATH, _TEXTREL = 1, 4, 5, 6, 10, 14, 29, 22
_SEGMENTS: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedObject:
    """A shared object to be written."""

    required: Sequence[str] = ()
    weak: Sequence[str] = ()
    provided: Sequence[str] = ()
    needed: Sequence[str] = ("libc.so.6",)
    soname: str | None = None
    runpath: str | None = None
    machine: int = X86_64
    bits: int = 64
    order: str = "<"
    executable_stack: bool = False
    text_relocations: bool = False

    def bytes(self) -> bytes:
        """Return the file: header, program headers, symbols, strings, hash table and dynamic section."""
        wide, strings = self.bits == 64, bytearray(b"\0")

        def text(value: str) -> int:
            place = len(strings)
            strings.extend(value.encode() + b"\0")
            return place

        def pack(shape: str, *values: int) -> bytes:
            return struct.pack(self.order + shape, *values)

        def symbol(name: str, binding: int, section: int) -> bytes:
            place, info = text(name), binding << 4 | 2
            return (
                pack("IBBHQQ", place, info, 0, section, 0, 0) if wide else pack("IIIBBH", place, 0, 0, info, 0, section)
            )

        size, head, entry = (24, 64, 56) if wide else (16, 52, 32)
        symbols = bytes(size) + b"".join(
            [
                *(symbol(name, 1, 0) for name in self.required),
                *(symbol(name, 2, 0) for name in self.weak),
                *(symbol(name, 1, 7) for name in self.provided),
            ]
        )
        count = len(symbols) // size
        tags = [(_NEEDED, text(name)) for name in self.needed]
        tags += [(_SONAME, text(self.soname))] if self.soname else []
        tags += [(_RUNPATH, text(self.runpath))] if self.runpath is not None else []
        tags += [(_TEXTREL, 0)] if self.text_relocations else []
        strings.extend(bytes(-len(strings) % 8))
        at_symbols = head + entry * _SEGMENTS
        at_strings = at_symbols + len(symbols)
        at_hash = at_strings + len(strings)
        hashes = pack(f"II{1 + count}I", 1, count, *([0] * (1 + count)))
        hashes += bytes(-len(hashes) % 8)
        at_dynamic = at_hash + len(hashes)
        tags += [(_STRTAB, at_strings), (_STRSZ, len(strings)), (_SYMTAB, at_symbols), (_HASH, at_hash), (0, 0)]
        dynamic = b"".join(pack("qQ" if wide else "iI", *tag) for tag in tags)
        total = at_dynamic + len(dynamic)

        def segment(kind: int, flags: int, start: int, length: int, alignment: int) -> bytes:
            if wide:
                return pack("IIQQQQQQ", kind, flags, start, start, start, length, length, alignment)
            return pack("IIIIIIII", kind, start, start, start, length, length, flags, alignment)

        segments = segment(1, 5, 0, total, 0x1000) + segment(2, 6, at_dynamic, len(dynamic), 8)
        segments += segment(0x6474E551, 7 if self.executable_stack else 6, 0, 0, 16)
        ident = b"\x7fELF" + bytes([self.bits // 32, 1 if self.order == "<" else 2, 1]) + bytes(9)
        shape = "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"
        header = ident + pack(shape, 3, self.machine, 1, 0, head, 0, 0, head, entry, _SEGMENTS, 0, 0, 0)
        return header + segments + symbols + bytes(strings) + hashes + dynamic


def module(name: str, *required: str, **more: object) -> bytes:
    """Write an extension module of this last name."""
    return SharedObject(required=required or ("PyModuleDef_Init",), provided=[f"PyInit_{name}"], **more).bytes()  # type: ignore[arg-type]
