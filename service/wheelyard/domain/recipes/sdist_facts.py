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
from packaging.version import Version

from wheelyard.domain.recipes.system_packages import debian_package, package_of_header, package_of_program
from wheelyard.domain.sdist.contents import SdistContents, read_table
from wheelyard.domain.untrusted.requirements import read_requirement
from wheelyard.domain.untrusted.toml_text import read_toml
from wheelyard.domain.untrusted.versions import find_version

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
_BAZEL: Final = frozenset({"WORKSPACE", "WORKSPACE.bazel", "MODULE.bazel"})
# No pattern matches across another opening, so a text with a million openings and no end takes no time.
_MESON: Final = re.compile(r"(?<![\w.])dependency\(\s*'([\w.+-]+)'")
_CMAKE: Final = re.compile(r"(?i)find_package\s*\(\s*([\w+.-]+)")
_PKG_CONFIG: Final = re.compile(r"(?i)pkg_(?:check_modules|search_module)\s*\(\s*\w{1,99}\s+([^()]*)\)")
_CMAKE_WORDS: Final = re.compile(r"REQUIRED|QUIET|IMPORTED_TARGET|GLOBAL|NO_CMAKE_PATH|NO_CMAKE_ENVIRONMENT_PATH")
_LIBRARIES: Final = re.compile(r"(?<!\w)lib(?:rarie)?s\s*=\s*\[([^\[\]]*)\]")
_CFG_LIBRARIES: Final = re.compile(r"(?m)^(?:libs|libraries)[ \t]*[=:]([^\n]*)")
_LITERAL: Final = re.compile(r"""["']([\w.+-]+)["']""")
_PKG_CONFIG_CALL: Final = re.compile(r"""["']pkg-config["']|\bpkgconfig\b""")
# Names of other programs, such as ``dot``, are too ambiguous.
_ASKED: Final = re.compile(r"config|^h5cc$|^mpi|^protoc$")
_EXTENSION: Final = re.compile(r"""(?<!\w)Extension\(\s*(?:name\s*=\s*)?["']([\w.]+)["']""")
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_EXTERNAL: Final = re.compile(r"(?:dep|pkg):(?P<kind>[a-z]+)/(?P<name>[\w./+-]+)")
_EXTERNAL_KEYS: Final = ("build-requires", "host-requires", "dependencies")
_EXTERNAL_PLACE: Final = "pyproject.toml"
_COMPILERS: Final = {"compiler/rust": "rust", "compiler/fortran": "fortran", "compiler/java": "java"}
_EXTERNAL_TOOLS: Final = {"rust": "rust", "cargo": "rust", "rustc": "rust", "gfortran": "fortran", "bazel": "bazel"}


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


def find_toolchains(contents: SdistContents) -> tuple[Finding, ...]:
    """Return the needed toolchains, with a floor if a manifest has one."""
    return tuple({one.name.partition(">")[0]: one for one in _toolchains(contents)}.values())


def _toolchains(contents: SdistContents) -> Iterator[Finding]:
    names, counts = contents.built_names(), count_sources(contents)
    yield from _external(contents, tools=True)
    if manifests := sorted(name for name in contents.texts if PurePosixPath(name).name == "Cargo.toml"):
        floors = [floor for name in manifests if (floor := _rust_floor(read_table(contents, name))) is not None]
        yield Finding(name=f"rust>={max(floors)}" if floors else "rust", place=manifests[0])
    for language, toolchain in (("Fortran", "fortran"), ("Java", "java")):
        if counts.get(language):
            yield Finding(name=toolchain, place=f"{counts[language]} sources in {language}")
    yield from (Finding(name="bazel", place=name) for name in names if name in _BAZEL)


def _rust_floor(manifest: Mapping[str, Any]) -> Version | None:
    own, shared = _table(manifest.get("package")), _table(_table(manifest.get("workspace")).get("package"))
    floor = next((one for one in (own.get("rust-version"), shared.get("rust-version")) if isinstance(one, str)), "")
    return find_version(floor) if re.fullmatch(r"[0-9]+(\.[0-9]+){0,2}", floor) else None


def find_libraries(contents: SdistContents) -> tuple[Finding, ...]:
    """Return the libraries that build files look for, by the names that they use."""
    found: dict[str, Finding] = {}
    for one in _external(contents, tools=False):
        found.setdefault(one.name, one)
    for place, text in sorted(contents.texts.items()):
        for name in _names_in(PurePosixPath(place).name, text):
            found.setdefault(name, Finding(name=name, place=place))
    return tuple(found.values())


def _names_in(file: str, text: str) -> Iterator[str]:
    if file == "meson.build":
        yield from _MESON.findall(text)
    elif file == "CMakeLists.txt" or file.endswith(".cmake"):
        yield from _CMAKE.findall(text)
        for words in _PKG_CONFIG.findall(text):
            names = (re.split(r"[<>=]", word)[0].strip('"') for word in words.split())
            yield from (name for name in names if re.fullmatch(r"[\w.+-]+", name) and not _CMAKE_WORDS.fullmatch(name))
    elif file == "setup.cfg":
        for names in _CFG_LIBRARIES.findall(text):
            yield from re.findall(r"[\w.+-]+", names)
    elif file.endswith(".py"):
        for literals in _LIBRARIES.findall(text):
            yield from _LITERAL.findall(literals)
        asks = _PKG_CONFIG_CALL.search(text) is not None
        yield from (name for name in _LITERAL.findall(text) if _is_library(name, asks=asks))


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


def _external(contents: SdistContents, *, tools: bool) -> Iterator[Finding]:
    """Yield the compilers or the libraries of PEP 725's table, optional ones last."""
    table = _table(read_table(contents, "pyproject.toml").get("external"))
    for key in _EXTERNAL_KEYS:
        groups = _table(table.get(f"optional-{key}")).values()
        for lines, place in [
            (table.get(key), _EXTERNAL_PLACE),
            *((one, f"{_EXTERNAL_PLACE}, optional") for one in groups),
        ]:
            for line in lines if isinstance(lines, list) else ():
                match = _EXTERNAL.match(line) if isinstance(line, str) else None
                name = _external_name(match, tools=tools) if match else None
                if name is not None:
                    yield Finding(name=name, place=place)


def _external_name(match: re.Match[str], *, tools: bool) -> str | None:
    """Return the last part, as in ``virtual/interface/blas`` or ``github/apache/arrow``; PyPI has no libraries."""
    toolchain = _COMPILERS.get(match["name"]) or _EXTERNAL_TOOLS.get(match["name"])
    if tools or toolchain:
        return toolchain if tools else None
    is_compiler = match["name"].startswith("compiler/")
    return None if is_compiler or match["kind"] == "pypi" else match["name"].rpartition("/")[2].removesuffix("-dev")


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
