"""Guess from an sdist's files how it is built, for the draft of a recipe. The data is untrusted.

Build scripts are programs, so a search in their text may find too much or too little. Tables
(pyproject.toml, Cargo.toml, PEP 725's ``[external]``) are read as data.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from packaging.utils import canonicalize_name

from wheelyard.domain.recipes.system_packages import debian_package, package_of_header, package_of_program
from wheelyard.domain.sdist.contents import SdistContents, read_table
from wheelyard.domain.untrusted.requirements import read_requirement
from wheelyard.domain.untrusted.toml_text import read_toml

_LANGUAGES: Final = {
    **dict.fromkeys((".c",), "C"),
    **dict.fromkeys((".cc", ".cpp", ".cxx"), "C++"),
    **dict.fromkeys((".pyx",), "Cython"),
    **dict.fromkeys((".f", ".for", ".f77", ".f90", ".f95", ".f03", ".f08"), "Fortran"),
    **dict.fromkeys((".rs",), "Rust"),
    **dict.fromkeys((".java",), "Java"),
}
_SOURCE_ROOTS: Final = ("src", "lib", "python")
_INCLUDED: Final = ("include", "includes")
"""Folders of texts that Cython includes into modules."""
_LITERAL: Final = re.compile(r"""["']([\w.+-]+)["']""")
_PKG_CONFIG_CALL: Final = re.compile(r"""["']pkg-config["']|\bpkgconfig\b""")
# Names of other programs, such as ``dot``, are too ambiguous.
_ASKED: Final = re.compile(r"config|^h5cc$|^mpi|^protoc$")
_EXTENSION: Final = re.compile(r"""(?<!\w)Extension\(\s*(?:name\s*=\s*)?["']([\w.]+)["']""")
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Finding:
    """Something that the build may need, and the file that shows it."""

    name: str
    place: str
    """The file."""


def build_system(contents: SdistContents) -> tuple[str, tuple[str, ...]]:
    """Return the build backend and its requirements (PEP 518); setuptools by default."""
    table = _table(read_table(contents, "pyproject.toml").get("build-system"))
    backend, requires = table.get("build-backend"), table.get("requires")
    texts = tuple(str(one) for one in requires) if isinstance(requires, list) else ()
    return (backend if isinstance(backend, str) else "setuptools.build_meta:__legacy__"), texts


def count_sources(contents: SdistContents) -> Mapping[str, int]:
    """Return the number of source files of each compiled language."""
    suffixes = (PurePosixPath(name).suffix.lower() for name in contents.built_names())
    return Counter(_LANGUAGES[suffix] for suffix in suffixes if suffix in _LANGUAGES)


def find_mentions(contents: SdistContents) -> tuple[Finding, ...]:
    """Return the libraries that scripts seem to name, beyond what ``predict_needs`` finds."""
    found: dict[str, Finding] = {}
    for place, text in sorted(contents.texts.items()):
        if place.endswith(".py"):
            asks = _PKG_CONFIG_CALL.search(text) is not None
            for name in _LITERAL.findall(text):
                if _is_library(name, asks=asks):
                    found.setdefault(name, Finding(name=name, place=place))
    return tuple(found.values())


def _is_library(literal: str, *, asks: bool) -> bool:
    """Return whether a script's literal names a library; any known name does if the script ``asks`` pkg-config."""
    if literal.endswith(".h"):
        return package_of_header(literal) is not None
    if _ASKED.search(literal) and package_of_program(literal):
        return True
    return (asks or literal.startswith("lib")) and debian_package(literal) is not None


def find_extensions(contents: SdistContents) -> tuple[Finding, ...]:
    """Return the extension modules that the project names."""
    found = list(_listed_extensions(contents)) or list(_cython_extensions(contents))
    modules = [one for one in found if _MODULE.fullmatch(one.name)]
    return tuple({one.name: one for one in reversed(modules)}.values())[::-1]


def _listed_extensions(contents: SdistContents) -> Iterator[Finding]:
    yield from (Finding(name=name, place="setup.py") for name in _EXTENSION.findall(contents.text("setup.py")))
    tools = _table(read_table(contents, "pyproject.toml").get("tool"))
    listed = [
        _table(tools.get("maturin")).get("module-name"),
        *_column(_table(tools.get("setuptools-rust")).get("ext-modules"), "target"),
        *_column(_table(tools.get("setuptools")).get("ext-modules"), "name"),
    ]
    yield from (Finding(name=name, place="pyproject.toml") for name in listed if isinstance(name, str))


def _cython_extensions(contents: SdistContents) -> Iterator[Finding]:
    """Yield the modules that Cython sources seem to be; some are only included by others."""
    for name in contents.built_names():
        parts = PurePosixPath(name).with_suffix("").parts
        if name.endswith(".pyx") and parts[0] not in _INCLUDED and _are_plain(parts):
            yield Finding(name=".".join(parts[parts[0] in _SOURCE_ROOTS :]), place=name)


def _are_plain(parts: tuple[str, ...]) -> bool:
    return all(part.isidentifier() for part in parts) and parts[-1] != "__init__"


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _column(value: object, key: str) -> list[object]:
    return [_table(row).get(key) for row in value] if isinstance(value, list) else []


_COMPILE_RUST: Final = frozenset({"maturin", "setuptools-rust"})


def find_rust_builder(pyproject: bytes, dropped: Collection[str] = ()) -> str | None:
    """Return the build requirement that compiles Rust; None if there is none, or it cannot be read.

    Args:
        pyproject: An untrusted ``pyproject.toml``; only ``build-system.requires`` is read (PEP 518).
        dropped: Requirements that the recipe drops.
    """
    try:
        requires = read_toml(pyproject.decode())["build-system"]["requires"]
        names = {canonicalize_name(read_requirement(text).name) for text in requires}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return min((names & _COMPILE_RUST).difference(map(canonicalize_name, dropped)), default=None)
