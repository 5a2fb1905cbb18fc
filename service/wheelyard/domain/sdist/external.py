"""Read what pyproject.toml says of its build: its requirements (PEP 518) and its external dependencies (PEP 725)."""

import re
from collections.abc import Iterator
from typing import Final

from packaging.utils import canonicalize_name

from wheelyard.domain.sdist.contents import SdistContents, read_table, strings_in, table_in
from wheelyard.domain.sdist.need import Need, header, library, pkg_config, program
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import read_requirement

_PLACE: Final = "pyproject.toml"
_KEYS: Final = ("build-requires", "host-requires")
_EXTERNAL: Final = re.compile(
    r"(?:dep|pkg):(?P<kind>[a-z]{1,20})/(?P<name>[\w./+-]{1,80})(?:@(?P<bound>[<>=!~\w. ,*]{1,40}))?"
)
_TOOLCHAINS: Final = {
    "compiler/rust": "rust",
    "compiler/fortran": "fortran",
    "compiler/java": "java",
    "rust": "rust",
    "cargo": "rust",
    "rustc": "rust",
    "gfortran": "fortran",
    "bazel": "bazel",
}
_VIRTUAL: Final = {
    "interface/blas": (pkg_config("openblas"), library("openblas"), library("blas")),
    "interface/lapack": (pkg_config("lapack"), library("openblas"), library("lapack")),
    "interface/mpi": (program("mpicc"), header("mpi.h")),
}
_PRESENT: Final = frozenset({"make", "pkg-config", "pkgconf", "python", "gcc", "cmake", "meson", "ninja", "git"})


def build_requirements(contents: SdistContents) -> frozenset[str]:
    """Return the normalized names of ``build-system.requires``."""
    texts = strings_in(table_in(read_table(contents, _PLACE), "build-system").get("requires"))
    return frozenset(name for text in texts if (name := _name_of(text)))


def _name_of(requirement: str) -> str:
    try:
        return canonicalize_name(read_requirement(requirement).name)
    except (RefusedTextError, ValueError):
        return ""


def find_external_needs(contents: SdistContents) -> Iterator[Need]:
    """Yield what PEP 725's table names."""
    table = table_in(read_table(contents, _PLACE), "external")
    for key in _KEYS:
        for line in strings_in(table.get(key)):
            yield from _need(line, is_required=True)
        for group in table_in(table, f"optional-{key}").values():
            for line in strings_in(group):
                yield from _need(line, is_required=False)
    for line in strings_in(table.get("dependencies")):
        yield from _need(line, is_required=False)


def _need(line: str, *, is_required: bool) -> Iterator[Need]:
    match = _EXTERNAL.match(line)
    if match is None or match["kind"] == "pypi":
        return
    name, kind = match["name"], match["kind"]
    toolchain = _TOOLCHAINS.get(name, "")
    short = name.rpartition("/")[2].removesuffix("-dev")
    if toolchain:
        yield Need(name=short, toolchain=toolchain, is_required=is_required, place=_PLACE)
    elif name.startswith("compiler/") or short in _PRESENT:
        return
    else:
        plain = short.removeprefix("lib") or short
        files = (pkg_config(short), pkg_config(plain), pkg_config(f"lib{plain}"), library(plain), program(short))
        wanted = _VIRTUAL.get(name, files) if kind == "virtual" else files
        bound = match["bound"] if match["bound"] and match["bound"].startswith((">=", "==")) else ""
        yield Need(name=short, wanted=tuple(dict.fromkeys(wanted)), is_required=is_required, place=_PLACE, bound=bound)
