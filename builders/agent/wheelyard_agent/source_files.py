"""Find the source files of extension modules in an unpacked sdist, and the modules that they define.

Only names and texts are read. Tests, examples and vendored code are skipped, because they are not part of the wheel.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from wheelyard_agent.toml_tables import read_toml, table

_MAX_BYTES = 1 << 20
_MAX_FILES = 50_000
_MAX_READ = 2_000
CYTHON, RUST = "Cython", "Rust"
_LANGUAGES = {
    **dict.fromkeys((".pyx",), CYTHON),
    **dict.fromkeys((".rs",), RUST),
    **dict.fromkeys((".c",), "C"),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".c++"), "C++"),
    **dict.fromkeys((".f", ".for", ".ftn", ".f77", ".f90", ".f95", ".f03", ".f08"), "Fortran"),
    **dict.fromkeys((".pyf",), "Fortran"),  # f2py's description of a module
}
# Sources in these folders are not compiled into the wheel, or not separately.
_ASIDE = re.compile(
    r"_?(\..*|tests?|testing|docs?|examples?|samples?|demos|bench(marks?)?|fuzz(ing)?|tools?|scripts?|ci|contrib|"
    r"vendor(ed)?|third[_-]?party|3rdparty|extern(al)?|subprojects|deps|submodules|templates?|.*\.egg-info)",
    re.IGNORECASE,
)
_ROOTS = ("src", "lib", "python")
# Definitions of extension modules (PEP 489, pybind11, nanobind, Boost.Python, f2py, PyO3).
_ENTRIES = (
    re.compile(r"\bPy(?:Init|ModExport)_(?P<name>[A-Za-z_]\w*)\s*\(\s*(?:void)?\s*\)\s*\{"),
    re.compile(r"\b(?:PYBIND11_MODULE|NB_MODULE|BOOST_PYTHON_MODULE)\s*\(\s*(?P<name>[A-Za-z_]\w*)"),
    re.compile(r"^\s*python\s+module\s+(?P<name>[A-Za-z_]\w*)\s*!?", re.IGNORECASE | re.MULTILINE),
    re.compile(r"#\[(?:\w+::)?pymodule(?:\([^)\n]*\))?\]\s*(?:#\[[^\]\n]*\]\s*)*(?:pub\s+)?(?:fn|mod)\s+(?P<name>\w+)"),
)
_INCLUDE = re.compile(r"""^\s*include\s+["']([^"'\n]+\.pyx)["']""", re.MULTILINE)
_OTHER_PLATFORM = re.compile(r"(^|[\W_])(win(32|64|dows)?|nt|darwin|mac|macos|macosx|osx)([\W_]|$)", re.IGNORECASE)
_ARM = r"arm(v\d\w*|64|hf)?|aarch64|neon|sve2?|pmull"
_INTEL = r"x86(_64)?|amd64|i[3-6]86|s?sse\d?\w*|avx\w*|aes_?ni|p?clmul\w*"
_REST = r"ppc(64)?(le|el)?|power(pc|\d+)|altivec|vsx|s390x?|riscv\d*|rvv|loongarch\d*|lsx|lasx|mips\d*|wasm\d*"
_OTHER_ARCHITECTURES = {
    machine: re.compile(rf"(^|[\W_])({others}|{_REST})([\W_]|$)", re.IGNORECASE)
    for machine, others in (("x86_64", _ARM), ("aarch64", _INTEL))
}


class SourceFile(NamedTuple):
    """A source file that may be compiled into an extension module."""

    where: str
    """Its path in the sdist."""
    language: str
    in_package: bool
    """True if it is in a Python package."""
    modules: tuple[str, ...]
    """Importable names of the modules that it defines."""
    alone: bool
    """False if other sources include it, or it seems to be for another platform."""


def list_source_files(source: Path) -> list[SourceFile]:
    """Return files that may be compiled, in order; a crate that makes a library for Python counts as its manifest."""
    paths = [path for path in walk_files(source) if _LANGUAGES.get(path.suffix.lower())]
    parts = _included(source, [path for path in paths if path.suffix.lower() == ".pyx"])
    found = [_read_source(source, path, parts) for path in paths[:_MAX_READ]]
    return [*_read_crates(source), *found]


def module_of(source: Path, path: Path) -> str | None:
    """Return the module name of a source file by its path; None if it is not a valid name."""
    parts = list(path.relative_to(source).with_suffix("").parts)
    if len(parts) > 1 and parts[0] in _ROOTS and not (source / parts[0] / "__init__.py").exists():
        parts = parts[1:]
    while len(parts) > 1 and not parts[0].isidentifier():
        parts = parts[1:]
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts) if all(part.isidentifier() for part in parts) else None


def is_for_another_platform(name: str, machine: str = platform.machine()) -> bool:
    """Return whether a file or module seems to be for Windows, macOS or another processor."""
    architectures = _OTHER_ARCHITECTURES.get(machine)
    return any(pattern is not None and pattern.search(name) for pattern in (_OTHER_PLATFORM, architectures))


def walk_files(source: Path) -> Iterator[Path]:
    """Yield files that may be compiled, in order, without tests, examples and vendored code."""
    seen = 0
    for folder, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if not _ASIDE.fullmatch(name))
        for name in sorted(names):
            seen += 1
            if seen > _MAX_FILES:
                return
            yield Path(folder, name)


def read_text(source: Path, name: str) -> str:
    """Return the text of a file; empty if it is not a file, is outside of the sdist, or is too large."""
    try:
        path = (source / name).resolve()
        if not path.is_relative_to(source.resolve()) or not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return ""


def _read_source(source: Path, path: Path, parts: frozenset[Path]) -> SourceFile:
    where, language = str(path.relative_to(source)), _LANGUAGES[path.suffix.lower()]
    in_package = (path.parent / "__init__.py").exists()
    name = module_of(source, path)
    modules: tuple[str, ...] = (name,) if name else ()
    if language != CYTHON:
        package = name.rpartition(".")[0] if name and in_package else ""
        modules = tuple(f"{package}.{one}".lstrip(".") for one in _entries(read_text(source, where)))
    alone = path not in parts and not is_for_another_platform(where)
    return SourceFile(where=where, language=language, in_package=in_package, modules=modules, alone=alone)


def _entries(text: str) -> list[str]:
    found = [match["name"] for pattern in _ENTRIES for match in pattern.finditer(text)]
    return list(dict.fromkeys(found))[:10]


def _included(source: Path, paths: list[Path]) -> frozenset[Path]:
    """Return Cython files that others include as text, which are not modules."""
    found = set()
    for path in paths[:_MAX_READ]:
        for name in _INCLUDE.findall(read_text(source, str(path.relative_to(source)))):
            found |= {path.parent / name, source / name}
    return frozenset(found)


def _read_crates(source: Path) -> Iterator[SourceFile]:
    for path in walk_files(source):
        if path.name == "Cargo.toml":
            manifest = read_toml(path)
            kinds = table(manifest, "lib").get("crate-type", [])
            if isinstance(kinds, list) and "cdylib" in kinds:
                name = table(manifest, "lib").get("name") or table(manifest, "package").get("name")
                module = str(name).replace("-", "_")
                where = str(path.relative_to(source))
                modules = (module,) if module.isidentifier() else ()
                yield SourceFile(where=where, language=RUST, in_package=False, modules=modules, alone=True)
