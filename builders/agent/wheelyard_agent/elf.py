"""Find the extension modules and other shared objects of a wheel by their content, not by their names."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

_ELF_MAGIC = b"\x7fELF"
# Suffixes that CPython imports: tagged, stable ABI, and plain.
_EXTENSION = re.compile(r"(?P<module>[A-Za-z_]\w*)(?P<tag>\.cpython-[\w-]+|\.abi3)?\.so")
_DATA = re.compile(r"[^/]+\.data/(?:platlib|purelib)/")


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


def _module_of(bundle: zipfile.ZipFile, member: str) -> str | None:
    path = Path(_DATA.sub("", member))
    match = _EXTENSION.fullmatch(path.name)
    if match is None or not all(part.isidentifier() for part in path.parent.parts):
        return None
    parts = [*path.parent.parts, match["module"]]
    if parts[-1] == "__init__":  # a package that is itself an extension module, imported by the package's name
        parts.pop()
    # Even with a tag it may be a plain shared library for ctypes or CFFI, without the entry point for imports
    # (PEP 489), because setuptools tags everything that it compiles:
    # https://github.com/pypa/setuptools/issues/4435
    if not parts or f"PyInit_{parts[-1]}".encode() not in bundle.read(member):
        return None
    return ".".join(parts)
