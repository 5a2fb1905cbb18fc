"""Find the extension modules that an sdist's wheel may have, before any of its code runs.

Hints have three strengths. *Required*: a table of pyproject.toml names the module, and no program can leave it out.
*Certain*: the project's build files say that they compile something on this target, or only its sources can show it,
because a backend or script of its own builds it. These are programs, which may decide otherwise. Anything else is
weak, because pure projects may have C files too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from wheelyard_agent.native_builds import read_cmake, read_meson
from wheelyard_agent.setup_script import ScriptExtension, read_setup_script
from wheelyard_agent.source_files import (
    CYTHON,
    SourceFile,
    is_for_another_platform,
    list_source_files,
    module_of,
    read_text,
)
from wheelyard_agent.toml_tables import read_toml, table

_MAX_SOURCES = 200
_MODULE = re.compile(r"(?=.{1,200}$)[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_WITHOUT_SETUP_PY = ("maturin", "mesonpy", "scikit_build_core", "hatchling", "flit", "poetry", "uv_build", "pdm")
# These do not compile anything by themselves.
_COMPILES_BY_SCRIPT = ("hatchling", "poetry", "pdm", "flit", "uv_build")
# A script that compiles contains one of these; other scripts may only write a version.
_COMPILES = re.compile(
    r"\b(Extension|cythonize|build_ext|pybind11|cffi|setuptools|mypycify|infer_tag|pure_python|f2py|CMAKE\w*|CC|CXX)\b|"
    r"""["'](cc|c\+\+|gcc|g\+\+|clang|gfortran|cargo|maturin|cmake|meson|ninja|make)["']"""
)
_EXTENSION = re.compile(r"""\bExtension\(\s*(?:name\s*=\s*)?["']([A-Za-z_][\w.]{0,200})["']""")
_SCRIPT_ENTRIES = ("build", "pdm_build_update_setup_kwargs", "pdm_build_initialize", "pdm_build_update_files")


class ExtensionSource(NamedTuple):
    """A hint of an extension module in an sdist."""

    name: str | None
    """Its importable name; None if only the project's code can compute it."""
    where: str
    """The file with the hint, and its line if there is one."""
    certain: bool
    """True if nothing in the sources speaks against it on this target."""
    required: bool
    """True if a static table declares it, without a way to skip it."""


def find_extension_sources(
    source: Path, *, python: tuple[int, int], env: Mapping[str, str], requires: frozenset[str]
) -> list[ExtensionSource]:
    """Return the hints, strongest first; ``requires`` are the normalised names of the build requirements."""
    project = _Project(source, python=python, env=env, requires=requires)
    said = [*project.from_settings(), *project.from_scripts(), *project.from_native_builds()]
    found = [*said, *project.from_files()]
    unique = dict.fromkeys(found)
    return sorted(unique, key=lambda one: (not one.required, not one.certain))[:_MAX_SOURCES]


def requirement_names(requirements: set[str]) -> frozenset[str]:
    """Return the normalised names of requirements (PEP 503)."""
    matches = (_REQUIREMENT.match(text.strip()) for text in requirements)
    return frozenset(re.sub(r"[-_.]+", "-", match.group()).lower() for match in matches if match)


class _Project:
    """An unpacked sdist and its build configuration."""

    def __init__(
        self, source: Path, *, python: tuple[int, int], env: Mapping[str, str], requires: frozenset[str]
    ) -> None:
        self._source, self._python, self._env, self._requires = source, python, env, requires
        self._settings = read_toml(source / "pyproject.toml")
        self._backend = _backend_of(self._settings)
        self._setup_script = "" if self._is(*_WITHOUT_SETUP_PY) else read_text(source, "setup.py")
        self._scripts = {name: read_text(source, name) for name in self._names_of_scripts()}

    def _is(self, *backends: str) -> bool:
        return self._backend.startswith(backends)

    def _names_of_scripts(self) -> Iterator[str]:
        """Yield the build scripts of backends that do not compile themselves."""
        if self._is("hatchling"):
            yield from (str(hook.get("path", "hatch_build.py")) for hook in _hatch_hooks(self._settings, "custom"))
        if self._is("poetry"):
            build = table(self._settings, "tool", "poetry").get("build")
            yield str(build if isinstance(build, str) else table(build).get("script", ""))
        if self._is("pdm"):
            options = table(self._settings, "tool", "pdm", "build")
            yield str(options.get("custom-hook", "pdm_build.py"))
            yield str(options.get("setup-script", ""))

    def from_settings(self) -> Iterator[ExtensionSource]:
        """Yield hints of pyproject.toml: modules of setuptools, setuptools-rust and maturin, hooks of hatch."""
        where, settings = "pyproject.toml", self._settings
        if self._is("setuptools"):
            tools = (("setuptools", "name"), ("setuptools-rust", "target"))
            for entry, key in [(one, key) for tool, key in tools for one in _modules_of(settings, tool)]:
                optional = entry.get("optional", False) is not False
                yield ExtensionSource(_text(entry.get(key)), where, certain=True, required=not optional)
        if self._is("maturin"):
            maturin = table(settings, "tool", "maturin")
            name = None if maturin.get("bindings") == "bin" else _text(maturin.get("module-name"))
            yield ExtensionSource(name, where, certain=True, required=name is not None)
        if self._is("hatchling"):
            for kind in ("cython", "mypyc", "cmake", "rust"):
                for hook in _hatch_hooks(settings, kind):
                    certain = hook.get("enable-by-default", True) is True
                    yield ExtensionSource(None, f"pyproject.toml, hatch's {kind}", certain, required=False)

    def from_scripts(self) -> Iterator[ExtensionSource]:
        """Yield hints of setup.py, unless another backend builds the project, and of backends' build scripts."""
        for name, text in [("setup.py", self._setup_script), *self._scripts.items()]:
            entries = () if name == "setup.py" else _SCRIPT_ENTRIES
            for one in read_setup_script(text, python=self._python, env=self._env, entries=entries):
                yield from self._modules_made(name, one)
        if self._is("hatchling"):  # its hooks are methods of classes, which are not analysed
            for name, text in self._scripts.items():
                for module in _EXTENSION.findall(text):
                    yield ExtensionSource(_text(module), name, certain=True, required=False)

    def _modules_made(self, script: str, one: ScriptExtension) -> Iterator[ExtensionSource]:
        where = f"{script}:{one.line}"
        names: list[str | None] = [name for pattern in one.patterns for name in self._names_matching(pattern)]
        for name in names or [_text(one.name)]:
            certain = one.certain and not is_for_another_platform(name or "")
            yield ExtensionSource(name, where, certain, required=False)

    def _names_matching(self, pattern: str) -> list[str]:
        """Return the modules that Cython makes of files that match a pattern."""
        if not pattern.endswith(".pyx") or pattern.startswith("/") or ".." in pattern:
            return []
        found = (module_of(self._source, path) for path in sorted(self._source.glob(pattern))[:_MAX_SOURCES])
        return [name for name in found if name]

    def from_native_builds(self) -> Iterator[ExtensionSource]:
        """Yield hints of Meson's and CMake's files, if they build the project."""
        targets = read_meson(self._source) if self._is("mesonpy") else []
        uses_cmake = table(self._settings, "tool", "scikit-build", "wheel").get("cmake", True) is True
        if (
            self._is("scikit_build_core", "skbuild", "py_build_cmake") and uses_cmake
        ) or "scikit-build" in self._requires:
            targets = read_cmake(self._source)
        for one in targets:
            certain = one.always or (one.reached and not is_for_another_platform(one.name or ""))
            yield ExtensionSource(_text(one.name), one.where, certain, required=False)

    def from_files(self) -> Iterator[ExtensionSource]:
        """Yield hints of source files; they are certain only if there is no other information on the build."""
        alone = self._only_files_tell()
        for file in list_source_files(self._source):
            by_cython = file.language == CYTHON and "cython" in self._requires and (file.in_package or alone)
            certain = file.alone and (by_cython or alone)
            if certain or file.in_package or file.modules:
                yield from _as_hints(file, certain=certain)

    def _only_files_tell(self) -> bool:
        """Return whether an unknown backend or script builds the project, so that all sources may be compiled."""
        if self._is(*_COMPILES_BY_SCRIPT):
            return any(map(_COMPILES.search, self._scripts.values()))
        known = self._is("setuptools", *_WITHOUT_SETUP_PY, "skbuild", "py_build_cmake")
        return not known and "setup(" not in self._setup_script


def _as_hints(file: SourceFile, *, certain: bool) -> Iterator[ExtensionSource]:
    for name in file.modules or (None,):
        yield ExtensionSource(_text(name), file.where, certain, required=False)


def _backend_of(settings: Mapping[str, Any]) -> str:
    return str(table(settings, "build-system").get("build-backend", "setuptools.build_meta:__legacy__"))


def _hatch_hooks(settings: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    build = table(settings, "tool", "hatch", "build")
    for hooks in (table(build, "hooks"), table(build, "targets", "wheel", "hooks")):
        if kind in hooks:
            yield table(hooks, kind)


def _modules_of(settings: Mapping[str, Any], tool: str) -> list[dict[str, Any]]:
    value = table(settings, "tool", tool).get("ext-modules")
    return [table(entry) for entry in value] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    """Return a text; None for any other value."""
    return value if isinstance(value, str) and _MODULE.fullmatch(value) else None
