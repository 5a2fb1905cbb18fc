"""Find the extension modules and other shared objects of a wheel by their content, not by their names."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

_ELF_MAGIC = b"\x7fELF"
# CPython's import system loads these suffixes: a tagged one, the stable ABI's, and the plain one.
_EXTENSION = re.compile(r"(?P<module>[A-Za-z_]\w*)(?:\.cpython-[\w-]+|\.abi3)?\.so")
_DATA = re.compile(r"[^/]+\.data/(?:platlib|purelib)/")


def elf_members(wheel: Path) -> list[str]:
    """List the members of a wheel that are ELF files."""
    found = []
    with zipfile.ZipFile(wheel) as bundle:
        for member in bundle.infolist():
            with bundle.open(member) as file:
                if file.read(4) == _ELF_MAGIC:
                    found.append(member.filename)
    return found


def extension_modules(members: list[str]) -> list[str]:
    """Give the importable names of those members that are extension modules."""
    names = []
    for member in members:
        path = Path(_DATA.sub("", member))
        match = _EXTENSION.fullmatch(path.name)
        parents = path.parent.parts
        if match and all(part.isidentifier() for part in parents):
            names.append(".".join((*parents, match["module"])))
    return sorted(names)
