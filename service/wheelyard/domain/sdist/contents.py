"""The files of an sdist that say how it is built."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.toml_text import read_toml

_TELLING: Final = re.compile(
    r"pyproject\.toml|setup\w*\.py|setup\.cfg|(.*/)?Cargo\.toml|(.*/)?meson\.build|(.*/)?CMakeLists\.txt|(.*/)?[^/]+\.cmake|"
    r"Cargo\.lock|(.*/)?[^/]+/Cargo\.lock|meson_options\.txt|meson\.options|"
    # A backend or setup script in the sdist; at most two folders deep, so that modules of packages do not count.
    r"([^/]+/){0,2}[^/]*(build|backend|setup|ffi)[^/]*\.py|[^/]*(build|backend)[^/]*/[^/]+\.py"
)
# Folders of sources that are not built.
_KINDS_ASIDE: Final = ("test", "doc", "demo", "example", "benchmark")
_ASIDE: Final = frozenset({"testing", *_KINDS_ASIDE, *(f"{kind}s" for kind in _KINDS_ASIDE)})
_VENDORED: Final = re.compile(
    r"_?(vendor(ed)?|third[_-]?part(y|ies)|3rd[_-]?party|extern(al)?s?|deps|dependencies|bundled?|subprojects|submodules)"
)
_AFTER: Final = re.compile(r"[-_.]?v?\d[\d.]*$|[-_](?:src|source|main|master)$")
_SEPARATOR: Final = re.compile(r"[-_.+]")
CODE_SUFFIXES: Final = frozenset(
    {".c", ".cc", ".cpp", ".cxx", ".c++", ".h", ".hh", ".hpp", ".hxx", ".pyx", ".pxd", ".pxi", ".i"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SdistContents:
    """An sdist without its top folder."""

    names: tuple[str, ...]
    texts: Mapping[str, str]
    """The texts of files for which ``is_telling`` is true, and of sources for which ``is_code`` is, by path."""

    def text(self, name: str) -> str:
        """Return a text; empty if there is none."""
        return self.texts.get(name, "")

    def built_names(self) -> tuple[str, ...]:
        """Return the files that can be part of the build: not those of tests, docs and examples."""
        return tuple(name for name in self.names if is_built(name))


def is_telling(name: str) -> bool:
    """Return whether a file may describe how the project is built."""
    return _TELLING.fullmatch(name) is not None and is_built(name)


def is_code(name: str) -> bool:
    """Return whether a file is a source in C, C++ or Cython of the project itself, or a header."""
    return suffix_of(name) in CODE_SUFFIXES and is_built(name) and not is_vendored(name)


def is_built(name: str) -> bool:
    """Return whether a file can be part of the build."""
    return _ASIDE.isdisjoint(name.split("/")[:-1])


def is_vendored(name: str) -> bool:
    """Return whether a file is in a folder of other projects' sources."""
    return any(_is_vendor(part) for part in name.split("/")[:-1])


@lru_cache(maxsize=4096)
def _is_vendor(folder: str) -> bool:
    return _VENDORED.fullmatch(folder.lower()) is not None


def file_of(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


def suffix_of(path: str) -> str:
    """Return the suffix of a path in small letters, such as ``.c``; empty if it has none."""
    stem, dot, suffix = file_of(path).rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


_MARKERS: Final = frozenset(
    {
        *("configure", "configure.ac", "configure.in", "autogen.sh", "makefile.am"),
        *("license", "license.txt", "license.md", "copying", "changelog"),
    }
)
"""Files that the top folder of a project has."""


def carried_projects(names: Iterable[str]) -> frozenset[str]:
    """Return the plain names of the folders with other projects' sources."""
    carried, packages = set[str](), set[str]()
    for name in names:
        *folders, file = name.lower().split("/")
        carried.update(below for above, below in pairwise(folders) if _is_vendor(above))
        if file in _MARKERS and folders:
            carried.add(folders[-1])
        elif file == "__init__.py" and folders:
            packages.add(folders[-1])
    return frozenset(plain_name(folder) for folder in carried - packages)


def has_sources(carried: Collection[str], library: str) -> bool:
    """Return whether one of the ``carried_projects`` is a library, or has it as a part as ``geos`` has ``geos_c``."""
    plain = plain_name(library)
    return plain in carried or _SEPARATOR.split(plain, maxsplit=1)[0] in carried


def plain_name(library: str) -> str:
    """Return a library's name in small letters, without ``lib`` and version."""
    name = _AFTER.sub("", library.lower())
    return name.removeprefix("lib") or name


def read_table(contents: SdistContents, name: str) -> Mapping[str, Any]:
    """Return a TOML file's table; empty if the file is missing or not TOML."""
    try:
        return read_toml(contents.text(name))
    except RefusedTextError:
        return {}


def table_in(value: object, *keys: str) -> Mapping[str, Any]:
    """Return the table below some keys; empty if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def strings_in(value: object) -> tuple[str, ...]:
    """Return the texts of a list; empty if it is none."""
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
