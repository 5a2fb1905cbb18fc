"""Predict what a build needs from what its sdist says as data, before anything is built."""

import configparser
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import translate
from pathlib import PurePosixPath
from typing import Final

from wheelyard.domain.catalogue.archive_files import FileKind
from wheelyard.domain.sdist.c_sources import Headers, Include, find_includes, includes_of, may_be_generated
from wheelyard.domain.sdist.cmake import find_cmake_needs
from wheelyard.domain.sdist.contents import (
    CODE_SUFFIXES,
    SdistContents,
    carried_projects,
    file_of,
    has_sources,
    is_built,
    plain_name,
    read_table,
    strings_in,
    suffix_of,
    table_in,
)
from wheelyard.domain.sdist.crates import find_crate_needs
from wheelyard.domain.sdist.external import build_requirements, find_external_needs
from wheelyard.domain.sdist.meson import find_meson_needs
from wheelyard.domain.sdist.need import Need, header, library, merge_needs, pkg_config, program
from wheelyard.domain.sdist.setup_script import DeclaredExtension, Mention, ScriptFacts, read_script
from wheelyard.domain.sdist.standard_files import has_header, has_library, has_program

_MOST_FILES: Final = 300
"""How many sources are read for the headers that they include."""
_MOST_SCRIPTS: Final = 20
_FORTRAN: Final = frozenset({".f", ".for", ".f77", ".f90", ".f95", ".f03", ".f08"})
_HEADERS: Final = frozenset({".h", ".hpp", ".hh", ".hxx", ""})
_MOST_OF_FOLDER: Final = 3
"""How many headers of one folder are needs of their own."""
_LITERAL: Final = re.compile(r"""["']([\w.+-]{2,40})["']""", re.ASCII)
_AFTER_CONFIG: Final = re.compile(r"[-_]config$")
_BAZEL: Final = frozenset({"WORKSPACE", "WORKSPACE.bazel", "MODULE.bazel"})
_FROM_PYPI: Final = frozenset({"cmake", "ninja", "swig", "meson", "protoc"})


def predict_needs(contents: SdistContents) -> tuple[Need, ...]:
    """Return what the build needs and a builder lacks, required things first.

    What is not certain is optional: a need that is missed is healed later, a package that is wrong stays.
    """
    requires = build_requirements(contents)
    return merge_needs(
        _few_of_folder(
            [
                *find_external_needs(contents),
                *find_crate_needs(contents, requires),
                *(
                    find_meson_needs(contents, requires)
                    if "mesonpy" in _backend(contents) or "meson" in "".join(requires)
                    else ()
                ),
                *(find_cmake_needs(contents, requires) if _uses_cmake(contents, requires) else ()),
                *_Scripts(contents, requires).find(),
            ]
        )
    )


def _few_of_folder(needs: Sequence[Need]) -> Iterator[Need]:
    """Yield the needs without all but a few headers of each folder, required ones first."""
    counts = Counter[str]()
    for need in sorted(needs, key=lambda one: not one.is_required):
        folder, slash, _ = need.name.partition("/")
        if slash and need.wanted and need.wanted[0].kind is FileKind.HEADER:
            counts[folder] += 1
            if counts[folder] > _MOST_OF_FOLDER:
                continue
        yield need


def _backend(contents: SdistContents) -> str:
    backend = table_in(read_table(contents, "pyproject.toml"), "build-system").get("build-backend")
    return backend if isinstance(backend, str) else ""


def _uses_cmake(contents: SdistContents, requires: frozenset[str]) -> bool:
    builders = {"scikit-build", "scikit-build-core", "py-build-cmake", "cmake", "cmeel", "cmake-build-extension"}
    return bool(requires & builders) or "cmake" in contents.text("setup.py").lower()


class _Scripts:
    """What setup.py, setup.cfg, pyproject.toml and the scripts that these name say."""

    def __init__(self, contents: SdistContents, requires: frozenset[str]) -> None:
        self._contents = contents
        self._requires = requires
        self._files = Headers(contents.names)
        self._carried = carried_projects(contents.names)
        self._sources = [
            name for name in contents.names if is_built(name) and suffix_of(name) in {*CODE_SUFFIXES, *_FORTRAN}
        ]
        scripts = (text for name, text in contents.texts.items() if name.endswith(".py"))
        self._named = {plain_name(_AFTER_CONFIG.sub("", word)) for text in scripts for word in _LITERAL.findall(text)}
        self._build_texts = "\n".join(
            text for name, text in contents.texts.items() if suffix_of(name) not in CODE_SUFFIXES
        )

    def find(self) -> Iterator[Need]:
        main = read_script(self._contents.text("setup.py"))
        yield from self._facts("setup.py", main)
        certain, others = self._other_scripts(main)
        for name in certain:
            yield from self._facts(name, read_script(self._contents.text(name)))
        for name in others:
            yield from (
                replace(one, is_required=False) for one in self._facts(name, read_script(self._contents.text(name)))
            )
        yield from self._declared(self._listed_extensions(), "pyproject.toml")
        yield from self._setup_cfg()
        yield from self._possible(main)

    def _other_scripts(self, main: ScriptFacts) -> tuple[list[str], list[str]]:
        """Return the scripts that certainly run in the build, and others that may."""
        named = [one.name.partition(":")[0].removeprefix("./") for one in main.cffi_modules if one.is_certain]
        script = table_in(read_table(self._contents, "pyproject.toml"), "tool", "poetry", "build").get("script")
        named += [script] if isinstance(script, str) else []
        scripts = [name for name in self._contents.texts if name.endswith(".py") and name != "setup.py"]
        certain = [name for name in dict.fromkeys(named) if name in self._contents.texts]
        return certain, [name for name in scripts if name not in certain][:_MOST_SCRIPTS]

    def _listed_extensions(self) -> Iterator[DeclaredExtension]:
        """Yield the extensions of pyproject.toml (setuptools)."""
        rows = table_in(read_table(self._contents, "pyproject.toml"), "tool", "setuptools").get("ext-modules")
        for row in rows if isinstance(rows, list) else ():
            table = table_in(row)
            libraries = [Mention(name=name, line=1, is_certain=True) for name in strings_in(table.get("libraries"))]
            is_certain = table.get("optional") is not True
            yield DeclaredExtension(
                line=1, is_certain=is_certain, sources=strings_in(table.get("sources")), libraries=tuple(libraries)
            )

    def _facts(self, place: str, facts: ScriptFacts) -> Iterator[Need]:
        yield from self._declared(facts.extensions, place, built=facts.built_libraries)
        for one in facts.libraries:
            if not has_library(one.name) and one.name not in facts.built_libraries:
                yield Need(name=one.name, wanted=(library(one.name),), is_required=False, place=f"{place}:{one.line}")
        for one in facts.modules:
            required = one.is_certain and not self._has_sources(one.name)
            yield Need(
                name=one.name,
                wanted=(pkg_config(one.name),),
                is_required=required,
                place=f"{place}:{one.line}",
                bound=one.bound,
            )
        for one in facts.programs:
            yield from self._program(one, place)
        for code in facts.code:
            for include in find_includes("code.c", code.name):
                yield from self._include(include, f"{place}:{code.line}", certain=code.is_certain)

    def _declared(
        self, extensions: Iterable[DeclaredExtension], place: str, *, built: Iterable[str] = ()
    ) -> Iterator[Need]:
        carried = set(built)
        for one in extensions:
            where = f"{place}:{one.line}"
            for named in one.libraries:
                if not has_library(named.name) and named.name not in carried:
                    required = one.is_certain and named.is_certain and not self._has_sources(named.name)
                    yield Need(name=named.name, wanted=(library(named.name),), is_required=required, place=where)
            sources = self._resolve(one.sources)
            suffixes = {suffix_of(source) for source in sources}
            if ".i" in suffixes and "swig" not in self._requires:
                yield Need(name="swig", wanted=(program("swig"),), is_required=one.is_certain, place=where)
            if suffixes & _FORTRAN:
                yield Need(name="fortran", toolchain="fortran", is_required=one.is_certain, place=where)
            for path, include in includes_of(sources, self._contents.texts, self._files, most=_MOST_FILES):
                yield from self._include(include, f"{path}:{include.line}", certain=one.is_certain)

    def _resolve(self, sources: Sequence[str]) -> list[str]:
        """Return the files of the sdist that sources or patterns name."""
        found = dict[str, None]()
        for source in sources[:_MOST_FILES]:
            plain = re.sub(r"^(?:\.{0,2}/)+", "", source.replace("\\", "/"))
            if "*" in plain:
                pattern = re.compile(translate(plain[:100]))
                found.update((name, None) for name in self._sources if pattern.match(name))
                continue
            path = self._find_source(plain)
            if path is not None:
                found[path] = None
        return list(found)[:_MOST_FILES]

    def _find_source(self, plain: str) -> str | None:
        stems = [plain]
        if plain.endswith((".c", ".cpp")):
            # Generated by Cython in the build.
            stems.append(str(PurePosixPath(plain).with_suffix(".pyx")))
        for stem in stems:
            path = self._files.find(stem)
            if path is not None:
                return path
        return None

    def _include(self, include: Include, place: str, *, certain: bool) -> Iterator[Need]:
        name = include.name
        if suffix_of(name) not in _HEADERS or (include.is_quoted and not suffix_of(name)):
            return
        if has_header(name) or self._files.find(name) or self._files.has_template(name):
            return
        if {name.partition("/")[0].lower(), file_of(name).partition(".")[0].lower()} & self._requires or ".." in name:
            return
        if may_be_generated(name) or (include.is_quoted and file_of(name) in self._build_texts):
            return
        is_carried = self._has_sources(name.partition("/")[0].removesuffix(".h"))
        is_required = certain and include.is_certain and not is_carried
        yield Need(name=name, wanted=(header(name),), is_required=is_required, place=place)

    def _program(self, one: Mention, place: str) -> Iterator[Need]:
        where, name = f"{place}:{one.line}", one.name
        if name in {"autogen.sh", "bootstrap.sh", "bootstrap", "buildconf", "autogen", "autoreconf"}:
            for tool in ("autoconf", "automake", "libtoolize"):
                yield Need(name=tool, wanted=(program(tool),), is_required=one.is_certain, place=where)
        elif name in {"gfortran", "javac", "mvn", "ant", "bazel", "cargo"}:
            toolchain = {"gfortran": "fortran", "bazel": "bazel", "cargo": "rust"}.get(name, "java")
            yield Need(name=name, toolchain=toolchain, is_required=one.is_certain, place=where)
        elif (
            not has_program(name)
            and name not in self._requires
            and not (name in _FROM_PYPI and name in " ".join(self._requires))
        ):
            yield Need(name=name, wanted=(program(name),), is_required=one.is_certain, place=where)

    def _setup_cfg(self) -> Iterator[Need]:
        """Yield the libraries of setup.cfg, which commands of its setup script read."""
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(self._contents.text("setup.cfg"))
        except configparser.Error:
            return
        for section in parser.sections():
            for key in ("libraries", "libs"):
                for name in re.findall(r"[\w.+-]{1,60}", parser.get(section, key, fallback="")):
                    if not has_library(name):
                        yield Need(name=name, wanted=(library(name),), is_required=False, place="setup.cfg")

    def _possible(self, main: ScriptFacts) -> Iterator[Need]:
        """Yield the headers of sources of which it is not known whether they are built.

        If setup.py makes an extension of sources that it computes, what they include for certain is required if a
        build file names the library too: ``gdal.h`` and ``gdal-config``.
        """
        named = {path for one in main.extensions for path in self._resolve(one.sources)}
        certain = [one for one in main.extensions if one.is_certain]
        is_computed = any(not one.sources or self._lacks(one.sources) for one in certain)
        for path, include in includes_of(
            [name for name in self._sources if name in self._contents.texts and name not in named][:_MOST_FILES],
            self._contents.texts,
            self._files,
            most=_MOST_FILES,
        ):
            if not include.is_quoted:
                is_certain = is_computed and suffix_of(path) not in _HEADERS and self._is_named(include.name)
                yield from self._include(include, f"{path}:{include.line}", certain=is_certain)
        yield from self._possible_toolchains()

    def _possible_toolchains(self) -> Iterator[Need]:
        places = {"fortran": _FORTRAN, "java": frozenset({".java"})}
        for toolchain, suffixes in places.items():
            name = next((one for one in self._contents.built_names() if suffix_of(one) in suffixes), None)
            if name is not None:
                yield Need(name=toolchain, toolchain=toolchain, is_required=False, place=name)
        for name in self._contents.names:
            if name in _BAZEL:
                yield Need(name="bazel", toolchain="bazel", is_required=False, place=name)

    def _lacks(self, sources: Sequence[str]) -> bool:
        """Return whether a source is named in a way that leads to no file."""
        return any(self._find_source(source) is None for source in sources if "*" not in source)

    def _is_named(self, name: str) -> bool:
        """Return whether a build file names a header's library as a text of its own."""
        stem = file_of(name).partition(".")[0]
        return not self._named.isdisjoint({plain_name(stem), plain_name(name.partition("/")[0])})

    def _has_sources(self, name: str) -> bool:
        """Return whether the sdist has the library's own sources, so that these may serve."""
        return has_sources(self._carried, name)
