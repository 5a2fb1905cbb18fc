"""Find the extension modules and other shared objects of a wheel by their content, not by their names."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import NamedTuple

_ELF_MAGIC = b"\x7fELF"
# Suffixes that CPython imports: tagged, stable ABI, and plain.
_EXTENSION = re.compile(r"(?P<module>[A-Za-z_]\w*)(?P<tag>\.cpython-[\w-]+|\.abi3t?)?\.so")
_DATA = re.compile(r"[^/]+\.data/(?:platlib|purelib)/")


class ModulePlace(NamedTuple):
    """As what Python imports an extension module, by the path of its file."""

    module: str
    """Its importable name, such as ``demo._c``."""
    tag: str
    """The tag in its file name: ``.cpython-313-x86_64-linux-gnu``, ``.abi3``, ``.abi3t`` (PEP 803), or empty."""

    @property
    def entry_points(self) -> tuple[bytes, bytes]:
        """Return the names of the function that Python calls: PEP 489, and PEP 793 since Python 3.15."""
        name = self.module.rpartition(".")[2].encode()
        return b"PyInit_" + name, b"PyModExport_" + name

    def is_entered(self, data: bytes) -> bool:
        """Return whether a file has the function that makes it an extension module."""
        return any(name in data for name in self.entry_points)


def elf_members(wheel: Path) -> list[str]:
    """Return the members of a wheel that are ELF files."""
    found = []
    with zipfile.ZipFile(wheel) as bundle:
        for member in bundle.infolist():
            with bundle.open(member) as file:
                if file.read(4) == _ELF_MAGIC:
                    found.append(member.filename)
    return found


def extension_modules(wheel: Path, members: list[str]) -> list[str]:
    """Return the importable names of the ELF members that are extension modules."""
    with zipfile.ZipFile(wheel) as bundle:
        return sorted(name for member in members if (name := _module_of(bundle, member)))


def installed_member(member: str) -> str:
    """Return the place of a member relative to the folder of modules; programs and data keep their path."""
    return _DATA.sub("", member)


def module_place(member: str) -> ModulePlace | None:
    """Return as what Python could import a member by its path alone; None for a path that it never imports."""
    path = Path(installed_member(member))
    match = _EXTENSION.fullmatch(path.name)
    if match is None or not all(part.isidentifier() for part in path.parent.parts):
        return None
    parts = [*path.parent.parts, match["module"]]
    if parts[-1] == "__init__":  # a package that is itself an extension module, imported by the package's name
        parts.pop()
    return ModulePlace(".".join(parts), match["tag"] or "") if parts else None


def _module_of(bundle: zipfile.ZipFile, member: str) -> str | None:
    place = module_place(member)
    # Even with a tag it may be a plain shared library for ctypes or CFFI, without the entry point for imports
    # (PEP 489), because setuptools tags everything that it compiles:
    # https://github.com/pypa/setuptools/issues/4435
    if place is None or not place.is_entered(bundle.read(member)):
        return None
    return place.module
