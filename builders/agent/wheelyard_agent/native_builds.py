"""Find the extension modules in Meson's and CMake's build files, without running them.

Both are followed from the sdist's root. A target outside of conditions, in a folder that is entered unconditionally,
is made on every platform.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from wheelyard_agent.source_files import read_text, walk_files

_MAX_DEPTH = 20
_COMMENT = re.compile(r"'''.*?'''|#[^\n]*", re.DOTALL)
"""Comments, and Meson's multi-line strings, which may contain programs."""
_MESON = re.compile(
    r"^[ \t]*(?P<opens>if|foreach)\b|^[ \t]*(?P<closes>endif|endforeach)\b|"
    r"\bsubdir\s*\(\s*'(?P<folder>[^'\n]+)'|"
    r"\b(?P<module>extension_module)\s*\(\s*(?:'(?P<name>[A-Za-z_]\w*)'\s*,)?",
    re.MULTILINE,
)
_MESON_SUBDIR = re.compile(r"\bsubdir\s*:\s*'([\w/]+)'")
_CMAKE = re.compile(
    r"^[ \t]*(?:(?P<opens>if|foreach|function|macro|while)|(?P<closes>endif|endforeach|endfunction|endmacro|endwhile))"
    r"\s*\(|"
    r"^[ \t]*add_subdirectory\s*\(\s*\"?(?P<folder>[\w./-]+)|"
    r"^[ \t]*(?P<module>python3?_add_library|pybind11_add_module|nanobind_add_module)\s*\(\s*(?P<name>[A-Za-z_]\w*)?|"
    r"^[ \t]*add_library\s*\(\s*(?P<plain>\S+)\s+MODULE\b|"
    r"^[ \t]*(?P<transpiles>cython_transpile)\s*\(",
    re.IGNORECASE | re.MULTILINE,
)


class BuildTarget(NamedTuple):
    """An extension module that a build file makes."""

    name: str | None
    """Its importable name; None if the file does not have it."""
    where: str
    always: bool
    """True if no condition is around it."""
    reached: bool = True
    """False if the file is not reached from the project's root."""


Step = tuple[BuildTarget | None, tuple[str, bool] | None]
"""A step of a build file: make a module, or enter a folder and whether that is unconditional."""
Reader = Callable[[str, str], Iterator[Step]]


def read_meson(source: Path) -> list[BuildTarget]:
    """Return the modules of the ``meson.build`` files, including files that are not reached from the root."""
    return _follow_all(source, "meson.build", _meson_targets)


def read_cmake(source: Path) -> list[BuildTarget]:
    """Return the modules of the ``CMakeLists.txt`` files, including files that are not reached from the root."""
    return _follow_all(source, "CMakeLists.txt", _cmake_targets)


def _build_files(source: Path, name: str) -> list[str]:
    return [str(path.relative_to(source)) for path in walk_files(source) if path.name == name]


def _follow_all(source: Path, name: str, targets: Reader) -> list[BuildTarget]:
    files = _build_files(source, name)
    seen: dict[str, bool] = {}
    _enter(source, name, targets, seen, always=True)
    found = []
    for file in files:
        for one, _ in targets(file, _COMMENT.sub("", read_text(source, file))):
            if one is not None:
                reached = file in seen or name not in files
                found.append(one._replace(always=one.always and seen.get(file, False), reached=reached))
    return found


def _enter(source: Path, file: str, targets: Reader, seen: dict[str, bool], *, always: bool) -> None:
    """Record whether a build file, and those of the folders that it enters, are unconditional."""
    if file in seen or file.count("/") > _MAX_DEPTH:
        return
    seen[file] = always
    for _, entered in targets(file, _COMMENT.sub("", read_text(source, file))):
        if entered is not None:
            folder, unconditional = entered
            path = Path(file).parent / folder / Path(file).name
            _enter(source, str(path), targets, seen, always=always and unconditional)


def _meson_targets(file: str, text: str) -> Iterator[Step]:
    depth = 0
    for match in _MESON.finditer(text):
        depth += bool(match["opens"]) - bool(match["closes"])
        if match["folder"]:
            yield None, (match["folder"], depth == 0)
        elif match["module"]:
            name, package = match["name"], _MESON_SUBDIR.search(_call_from(text, match.end()))
            full = f"{package[1].replace('/', '.')}.{name}" if name and package else name
            yield BuildTarget(full, file, depth == 0), None


def _call_from(text: str, start: int) -> str:
    """Return the rest of a call, from a position after its opening bracket."""
    depth = 1
    for place in range(start, min(len(text), start + 10_000)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    return ""


def _cmake_targets(file: str, text: str) -> Iterator[Step]:
    depth = 0
    for match in _CMAKE.finditer(text):
        depth += bool(match["opens"]) - bool(match["closes"])
        if match["folder"]:
            yield None, (match["folder"], depth == 0)
        elif match["module"] or match["transpiles"] or match["plain"]:
            name = match["name"] or match["plain"]
            plain = name if name and name.isidentifier() else None
            yield BuildTarget(plain, file, depth == 0), None
