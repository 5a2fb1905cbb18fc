"""Read the libraries and the versioned symbols that the native files of a wheel need, from ELF data."""

from __future__ import annotations

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

_SEARCH = {"DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}
_VERSION_INDEX = 0x7FFF  # the highest bit hides a symbol (gABI's GNU extension, "Symbol Versioning")


class Linkage(NamedTuple):
    """The needs of one file."""

    soname: str | None
    needed: tuple[str, ...]
    versions: Mapping[tuple[str, str], tuple[str, ...]]
    """The symbols that it needs, by library and version, such as ``("libc.so.6", "GLIBC_2.14")``."""


def read_linkage(wheel: Path, members: Iterable[str]) -> dict[str, Linkage]:
    """Return the needs of a wheel's native members; a file that is not dynamic ELF has none."""
    with zipfile.ZipFile(wheel) as bundle:
        return {member: _read(bundle.read(member)) for member in members}


def read_search_paths(wheel: Path, members: Iterable[str]) -> dict[str, str]:
    """Return where each native member has its libraries searched (DT_RPATH, DT_RUNPATH); empty if it names nothing."""
    with zipfile.ZipFile(wheel) as bundle:
        return {member: _read_search_path(bundle.read(member)) for member in members}


def find_unreadable(wheel: Path, members: Iterable[str]) -> dict[str, str]:
    """Return why pyelftools cannot read native members, for those that it cannot read as auditwheel does."""
    with zipfile.ZipFile(wheel) as bundle:
        problems = {member: _find_problem(bundle.read(member)) for member in members}
    return {member: problem for member, problem in problems.items() if problem}


def _find_problem(data: bytes) -> str:
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(io.BytesIO(data))
        sections = list(elf.iter_sections())
        tags = [list(segment.iter_tags()) for segment in elf.iter_segments() if segment["p_type"] == "PT_DYNAMIC"]
        names = [symbol.name for section in sections if section.name == ".dynsym" for symbol in section.iter_symbols()]
    except Exception as error:  # noqa: BLE001 - it raises many kinds, and also AssertionError, for damaged files
        return f"its sections and symbols cannot be read ({type(error).__name__}: {error})"
    return "" if tags or names or sections else "it has neither sections nor a dynamic segment"


def _read_search_path(data: bytes) -> str:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        tags = list(_section(ELFFile(io.BytesIO(data)), ".dynamic", "iter_tags"))
        paths = {tag.entry.d_tag: getattr(tag, _SEARCH[tag.entry.d_tag]) for tag in tags if tag.entry.d_tag in _SEARCH}
    except (ELFError, AttributeError, KeyError, ValueError):
        return ""
    # The dynamic loader ignores DT_RPATH where there is a DT_RUNPATH (ld.so(8)).
    return str(paths.get("DT_RUNPATH", paths.get("DT_RPATH", "")))


def _read(data: bytes) -> Linkage:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(io.BytesIO(data))
        tags = list(_section(elf, ".dynamic", "iter_tags"))
        needed = tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")
        soname = next((tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"), None)
        return Linkage(soname, needed, _read_versions(elf))
    except (ELFError, AttributeError, KeyError, ValueError):
        return Linkage(None, (), {})


def _read_versions(elf: Any) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the needed versions with their symbols."""
    by_index = {
        auxiliary["vna_other"]: (need.name, auxiliary.name)
        for need, auxiliaries in _section(elf, ".gnu.version_r", "iter_versions")
        for auxiliary in auxiliaries
    }
    symbols: dict[tuple[str, str], list[str]] = defaultdict(list)
    for wanted in by_index.values():
        symbols[wanted] = []
    indices = _section(elf, ".gnu.version", "iter_symbols")
    for symbol, version in zip(_section(elf, ".dynsym", "iter_symbols"), indices, strict=False):
        index = version["ndx"]
        found = by_index.get(index & _VERSION_INDEX) if isinstance(index, int) else None
        if found is not None and symbol["st_shndx"] == "SHN_UNDEF" and symbol.name:
            symbols[found].append(symbol.name)
    return {wanted: tuple(sorted(names)) for wanted, names in symbols.items()}


def _section(elf: Any, name: str, listing: str) -> Iterable[Any]:
    section = elf.get_section_by_name(name)
    return () if section is None else getattr(section, listing)()


class Policies:
    """auditwheel's manylinux policies, from the least to the most portable."""

    def __init__(self, platform: str) -> None:
        from auditwheel.architecture import Architecture
        from auditwheel.libc import Libc
        from auditwheel.policy import WheelPolicies

        architecture = re.sub(r"^(?:manylinux_\d+_\d+|linux)_", "", platform)
        self._policies = WheelPolicies(libc=Libc.GLIBC, arch=Architecture(architecture))
        self.names = tuple(policy.name for policy in self._policies)
        self.promised = frozenset(name for policy in self._policies for name in policy.whitelist)
        """The libraries that one of the policies promises on every host."""

    def tags_of(self, name: str) -> tuple[str, ...]:
        """Return the platform tags of a policy: its name and its older alias, if it has one."""
        return next((name, *policy.aliases) for policy in self._policies if policy.name == name)

    def of_version(self, library: str, version: str) -> str:
        """Return the most portable policy that allows a version of a symbol."""
        return str(self._policies.versioned_symbols_policy({library: {version}}).name)
