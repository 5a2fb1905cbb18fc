"""Find what CMake's files look for. Format: https://cmake.org/cmake/help/latest/manual/cmake-language.7.html."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile
from wheelyard.domain.sdist.contents import (
    SdistContents,
    carried_projects,
    file_of,
    has_sources,
    is_vendored,
    read_table,
    strings_in,
    table_in,
)
from wheelyard.domain.sdist.need import Need, header, library, pkg_config, program
from wheelyard.domain.sdist.standard_files import has_library, has_program
from wheelyard.domain.sdist.truth import Branches, Truth, evaluate

_MOST_FILES: Final = 60
_MOST_COMMANDS: Final = 20_000
_MOST_WORDS: Final = 2000
# No alternative can match what another one begins with, so a text is read in one go.
_TOKEN: Final = re.compile(
    r"""(?P<comment>\#(?!\[=*\[)[^\n]*)|(?P<open>\#?\[(?P<marks>=*)\[)|(?P<quoted>"(?:[^"\\]|\\.)*+"?)|(?P<mark>[()])|"""
    r"""(?P<word>(?:[^\s()#"\\\[]|\\.|\[(?!=*\[))++)|(?P<line>\n)""",
    re.DOTALL,
)
_NAME: Final = re.compile(r"[A-Za-z][\w+.-]{0,60}", re.ASCII)
_VERSION: Final = re.compile(r"(\d[\d.]{0,20})(?:\.\.\.<?[\d.]+)?")
_MODULE: Final = re.compile(r"([A-Za-z0-9][\w.+-]{0,60})(?:(>=|<=|=|>|<)(\d[\w.]{0,20}))?", re.ASCII)
_NONE_WORDS: Final = """
python python2 python3 pythoninterp pythonlibs pythonlibsnew pythonextensions pythonmodule numpy cython pybind11
nanobind scikitbuild scikit-build skbuild f2py nanothread torch tensorflow pkgconfig threads openmp git cuda
cudatoolkit cudnn hip intl iconv package packagehandlestandardargs ccache unixcommands cygwin backtrace dart wget
pythonpackage mkl onemkl intelsycl tensorrt rocm nccl matlab sanitizers clangformat clangtidy clang-format doxygen
sphinx latex gtest gmock googletest catch2 gcov lcov gperftools cudacpp nvtx benchmark valgrind cppcheck breathe
sphinxbuild f2cmake jemalloc tcmalloc
"""
_NONE: Final = frozenset(_NONE_WORDS.split())
"""Packages that every builder or PyPI has, that are for tests and docs, or that no archive has."""
_KNOWN: Final[Mapping[str, tuple[WantedFile, ...]]] = {
    "alsa": (pkg_config("alsa"), header("alsa/asoundlib.h")),
    "armadillo": (header("armadillo"),),
    "aspell": (header("aspell.h"),),
    "bison": (program("bison"),),
    "blas": (pkg_config("openblas"), library("openblas"), library("blas")),
    "boost": (header("boost/version.hpp"),),
    "bullet": (pkg_config("bullet"),),
    "bzip2": (header("bzlib.h"),),
    "cups": (header("cups/cups.h"),),
    "curl": (header("curl/curl.h"), pkg_config("libcurl")),
    "curses": (header("curses.h"), pkg_config("ncurses")),
    "eigen": (header("eigen3/Eigen/Core"), pkg_config("eigen3")),
    "expat": (header("expat.h"), pkg_config("expat")),
    "flex": (program("flex"),),
    "fontconfig": (header("fontconfig/fontconfig.h"), pkg_config("fontconfig")),
    "freetype": (header("ft2build.h"), pkg_config("freetype2")),
    "gdal": (header("gdal.h"), pkg_config("gdal")),
    "gif": (header("gif_lib.h"),),
    "glew": (header("GL/glew.h"), pkg_config("glew")),
    "glut": (header("GL/glut.h"),),
    "gnutls": (header("gnutls/gnutls.h"), pkg_config("gnutls")),
    "gsl": (header("gsl/gsl_sf.h"), pkg_config("gsl")),
    "gtk2": (pkg_config("gtk+-2.0"),),
    "hdf5": (pkg_config("hdf5"), program("h5cc"), header("hdf5.h")),
    "icu": (header("unicode/utypes.h"), pkg_config("icu-uc")),
    "imagemagick": (pkg_config("MagickWand"), pkg_config("Magick++")),
    "jasper": (header("jasper/jasper.h"),),
    "jpeg": (header("jpeglib.h"), pkg_config("libjpeg")),
    "lapack": (pkg_config("lapack"), library("openblas"), library("lapack")),
    "libarchive": (header("archive.h"), pkg_config("libarchive")),
    "liblzma": (header("lzma.h"), pkg_config("liblzma")),
    "libuv": (header("uv.h"), pkg_config("libuv")),
    "libxml2": (pkg_config("libxml-2.0"), header("libxml/parser.h")),
    "libxslt": (header("libxslt/xslt.h"), pkg_config("libxslt")),
    "lua": (header("lua.h"),),
    "mpi": (program("mpicc"), header("mpi.h")),
    "openal": (header("AL/al.h"), pkg_config("openal")),
    "opencl": (header("CL/cl.h"), pkg_config("OpenCL")),
    "opengl": (header("GL/gl.h"), pkg_config("gl")),
    "openscenegraph": (pkg_config("openscenegraph"),),
    "openssl": (header("openssl/ssl.h"), pkg_config("openssl")),
    "patch": (program("patch"),),
    "perl": (program("perl"),),
    "png": (header("png.h"), pkg_config("libpng")),
    "postgresql": (header("libpq-fe.h"), pkg_config("libpq")),
    "protobuf": (pkg_config("protobuf"), header("google/protobuf/message.h")),
    "sdl": (header("SDL/SDL.h"), pkg_config("sdl")),
    "sqlite3": (header("sqlite3.h"), pkg_config("sqlite3")),
    "swig": (program("swig"),),
    "tcl": (header("tcl.h"),),
    "tiff": (header("tiffio.h"), pkg_config("libtiff-4")),
    "vulkan": (header("vulkan/vulkan.h"), pkg_config("vulkan")),
    "x11": (header("X11/Xlib.h"), pkg_config("x11")),
    "xalanc": (header("xalanc/Include/PlatformDefinitions.hpp"),),
    "xercesc": (header("xercesc/util/XercesVersion.hpp"), pkg_config("xerces-c")),
    "zlib": (header("zlib.h"), pkg_config("zlib")),
}
"""Packages that CMake itself has a find module of, so that no file of their own shows them; in small letters."""
_TOOLCHAINS: Final = {"java": "java", "jni": "java"}
_WORDS: Final = frozenset(
    {"REQUIRED", "QUIET", "IMPORTED_TARGET", "GLOBAL", "NO_CMAKE_PATH", "NO_CMAKE_ENVIRONMENT_PATH"}
)
_TRUE: Final = frozenset({"1", "ON", "YES", "TRUE", "Y"})
_FALSE: Final = frozenset({"0", "OFF", "NO", "FALSE", "N", "IGNORE", "NOTFOUND", ""})
_PLATFORMS: Final[Mapping[str, Truth]] = {
    **dict.fromkeys(
        ("WIN32", "MSVC", "APPLE", "MINGW", "CYGWIN", "MSYS", "ANDROID", "IOS", "EMSCRIPTEN", "BORLAND", "HAIKU"), False
    ),
    **dict.fromkeys(
        ("CMAKE_CROSSCOMPILING", "WINDOWS", "MACOS", "MACOSX", "XCODE", "MSVC_IDE", "FREEBSD", "OPENBSD", "SUNOS"),
        False,
    ),
    **dict.fromkeys(
        (
            "UNIX",
            "LINUX",
            "CMAKE_COMPILER_IS_GNUCXX",
            "CMAKE_COMPILER_IS_GNUCC",
            "SKBUILD",
            "PKG_CONFIG_FOUND",
            "PkgConfig_FOUND",
            "PKGCONFIG_FOUND",
            "Threads_FOUND",
        ),
        True,
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command of a CMake file."""

    name: str
    """In small letters."""
    words: tuple[str, ...]
    line: int


def read_commands(text: str) -> Iterator[Command]:
    """Yield the commands of a CMake file, leniently: what cannot be understood is passed over."""
    name, begin, depth = "", 0, 0
    words = list[str]()
    for mark, word, line in _marks(text):
        if mark == "(":
            depth += 1
            if depth == 1:
                words, begin = [], line
        elif mark == ")" and depth:
            depth -= 1
            if not depth:
                yield Command(name=name, words=tuple(words), line=begin)
        elif not mark and not depth:
            name = word.lower()
        if depth and len(words) < _MOST_WORDS and (depth > 1 or mark != "("):
            words.append(mark or word)


def _marks(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield each parenthesis or word, and its line."""
    line, place = 1, 0
    while (match := _TOKEN.search(text, place)) is not None:
        begin, place = place, match.end()
        if match["open"] is not None:
            place = _end_of_bracket(text, match)
        if match["mark"] is not None:
            yield match["mark"], "", line
        elif match["word"] is not None:
            yield "", match["word"], line
        elif match["quoted"] is not None:
            yield "", match["quoted"].strip('"'), line
        elif match["open"] is not None and not match["open"].startswith("#"):
            yield "", text[match.end() : place], line
        line += text.count("\n", begin, place)


def _end_of_bracket(text: str, match: re.Match[str]) -> int:
    close = f"]{match['marks']}]"
    end = text.find(close, match.end())
    return len(text) if end < 0 else end + len(close)


def find_cmake_needs(contents: SdistContents, requires: frozenset[str]) -> tuple[Need, ...]:
    """Return what the project's CMake files look for; ``requires`` are its build requirements, as normalized names."""
    top = _top_file(contents)
    if top is None:
        return ()
    reader = _Reader(contents, requires)
    reader.read_file(top, True)
    return tuple(reader.needs)


def _top_file(contents: SdistContents) -> str | None:
    source = table_in(read_table(contents, "pyproject.toml"), "tool", "scikit-build", "cmake").get("source-dir")
    folder = source.strip("./") if isinstance(source, str) else ""
    name = f"{folder}/CMakeLists.txt" if folder else "CMakeLists.txt"
    return name if name in contents.texts else None


def _defined(contents: SdistContents) -> Mapping[str, Truth]:
    """Return the variables that pyproject.toml gives to CMake (scikit-build-core)."""
    cmake = table_in(read_table(contents, "pyproject.toml"), "tool", "scikit-build", "cmake")
    defined = {name: _constant(str(value)) for name, value in table_in(cmake, "define").items()}
    for argument in strings_in(cmake.get("args")):
        name, equals, value = argument.removeprefix("-D").partition("=")
        if equals and argument.startswith("-D"):
            defined[name.partition(":")[0]] = _constant(value)
    return defined


def _constant(text: str) -> Truth:
    upper = text.upper()
    return True if upper in _TRUE else False if upper in _FALSE or upper.endswith("-NOTFOUND") else None


@dataclass(kw_only=True, slots=True)
class _Scope:
    """A file while it is read."""

    name: str
    branches: Branches = field(default_factory=Branches)
    outside: Truth = True
    definitions: int = 0
    """How many functions and macros are open."""
    conditions: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def state(self) -> Truth:
        if self.outside is False or self.branches.state is False:
            return False
        return True if self.outside and self.branches.state and not self.definitions else None


class _Reader:
    def __init__(self, contents: SdistContents, requires: frozenset[str]) -> None:
        self._contents = contents
        self._requires = requires
        self._fixed = _defined(contents)
        self._variables: dict[str, Truth] = {**_PLATFORMS, **self._fixed}
        self._files = 0
        self._commands = 0
        self._carried = carried_projects(contents.names)
        self._modules = {file_of(name): name for name in contents.names if name.endswith(".cmake")}
        self._by_variable: dict[str, int] = {}
        """Which need a variable shows, so that a check that it was found makes it required."""
        self.needs: list[Need] = []

    def read_file(self, name: str, state: Truth) -> None:
        text = self._contents.texts.get(name)
        self._files += 1
        if text is None or self._files > _MOST_FILES:
            return
        scope = _Scope(name=name, outside=state)
        for command in read_commands(text):
            self._commands += 1
            if self._commands > _MOST_COMMANDS:
                return
            self._read(command, scope)

    def _read(self, command: Command, scope: _Scope) -> None:
        name = command.name
        if name in {"if", "elseif", "else", "endif"}:
            self._branch(command, scope)
        elif name in {"function", "macro"}:
            scope.definitions += 1
        elif name in {"endfunction", "endmacro"}:
            scope.definitions = max(scope.definitions - 1, 0)
        elif scope.state is False or not command.words:
            if name == "return":
                scope.branches.stop()
        elif name == "message" and command.words[0] == "FATAL_ERROR":
            self._demand(scope)
        else:
            self._look(command, scope)

    def _branch(self, command: Command, scope: _Scope) -> None:
        if command.name == "endif":
            scope.branches.leave()
            scope.conditions[-1:] = []
            return
        words = list(command.words)
        if command.name == "else":
            scope.branches.change(True)
            scope.conditions[-1:] = [()]
            return
        truth = evaluate(words, self._value, no="NOT", both_="AND", either_="OR")
        if command.name == "if":
            scope.branches.enter(truth)
            scope.conditions.append(command.words)
        else:
            scope.branches.change(truth)
            scope.conditions[-1:] = [command.words]

    def _value(self, words: list[str]) -> Truth:
        if len(words) == 1:
            word = words[0]
            if word in self._variables:
                return self._variables[word]
            return _constant(word)
        if len(words) == 3 and words[1] in {"STREQUAL", "MATCHES", "EQUAL"}:  # noqa: PLR2004  value, operator, value
            left, right = words[0].strip("${}"), words[2]
            if left in {"CMAKE_SYSTEM_NAME", "CMAKE_HOST_SYSTEM_NAME"}:
                return right == "Linux" if words[1] == "STREQUAL" else "Linux" in right
            if left in {"CMAKE_CXX_COMPILER_ID", "CMAKE_C_COMPILER_ID"}:
                return "GNU" in right
        if len(words) == 2 and words[0] == "DEFINED":  # noqa: PLR2004  as above
            return True if self._fixed.get(words[1]) is not None else None
        return None

    def _demand(self, scope: _Scope) -> None:
        """Make what an error asks for required: ``if(NOT X_FOUND) message(FATAL_ERROR …)``."""
        if len(scope.conditions) != 1 or scope.outside is not True or scope.definitions:
            return
        words = scope.conditions[0]
        if words[:1] == ("NOT",) and len(words) == 2:  # noqa: PLR2004  NOT and the variable
            number = self._by_variable.get(words[1].strip("${}").upper())
            if number is not None:
                self.needs[number] = replace(self.needs[number], is_required=True)

    def _look(self, command: Command, scope: _Scope) -> None:
        name, words = command.name, command.words
        if name == "option" or (name == "set" and len(words) >= 2):  # noqa: PLR2004  name and value
            self._set(command, scope)
        elif name == "add_subdirectory":
            folder = PurePosixPath(scope.name).parent / words[0].strip("/")
            self.read_file_at(f"{folder}/CMakeLists.txt", scope)
        elif name == "include":
            file = PurePosixPath(words[0]).name
            path = self._modules.get(file if file.endswith(".cmake") else f"{file}.cmake")
            if path is not None:
                self.read_file_at(path, scope)
        elif name == "find_package":
            self._find_package(command, scope)
        elif name in {"pkg_check_modules", "pkg_search_module"}:
            self._pkg_modules(command, scope)
        elif name in {"find_library", "find_program", "find_path", "find_file"}:
            self._find_file(command, scope)
        elif name in {"enable_language", "project"} and "Fortran" in words:
            self._add(Need(name="fortran", toolchain="fortran", is_required=True, place=""), command, scope)

    def read_file_at(self, path: str, scope: _Scope) -> None:
        path = path.removeprefix("./")
        if not is_vendored(path):
            self.read_file(path, scope.state)

    def _set(self, command: Command, scope: _Scope) -> None:
        name = command.words[0]
        if name in self._fixed or name in _PLATFORMS:
            return
        value = command.words[-1] if command.name == "option" else command.words[1]
        if command.name == "option" and len(command.words) < 3:  # noqa: PLR2004  without a value
            value = "OFF"
        known = self._variables.get(name)
        self._variables[name] = (
            _constant(value) if scope.state is True else (known if known == _constant(value) else None)
        )

    def _find_package(self, command: Command, scope: _Scope) -> None:
        words = command.words
        name, lower = words[0], words[0].lower()
        if not _NAME.fullmatch(name) or lower in _NONE or lower.startswith(("python", "pybind", "numpy", "cuda")):
            return
        if re.sub(r"[-_.]+", "-", lower) in self._requires or (lower == "swig" and "swig" in self._requires):
            return
        bound = ""
        if len(words) > 1 and (match := _VERSION.fullmatch(words[1])):
            bound = f"{'==' if 'EXACT' in words else '>='}{match[1]}"
        is_required = "REQUIRED" in words and not self._has_sources(name)
        toolchain = _TOOLCHAINS.get(lower, "")
        wanted = () if toolchain else self._wanted_package(name)
        need = Need(name=name, wanted=wanted, toolchain=toolchain, is_required=is_required, place="", bound=bound)
        self._add(need, command, scope, variables=(f"{name}_FOUND",))

    def _wanted_package(self, name: str) -> tuple[WantedFile, ...]:
        known = _KNOWN.get(name.lower())
        if known is not None:
            return known
        own = self._modules.get(f"Find{name}.cmake")
        found = _sought_by(self._contents.texts.get(own, "")) if own is not None else ()
        return found or (WantedFile(kind=FileKind.CMAKE, name=name),)

    def _has_sources(self, name: str) -> bool:
        """Return whether the sdist has the library's own sources, so that these may serve."""
        return has_sources(self._carried, name)

    def _pkg_modules(self, command: Command, scope: _Scope) -> None:
        prefix, words = command.words[0], [word for text in command.words[1:] for word in text.split()]
        is_required = "REQUIRED" in words
        found = list[tuple[str, str]]()
        for word in words:
            match = _MODULE.fullmatch(word)
            if match and word not in _WORDS:
                found.append(
                    (
                        match[1],
                        f"{match[2].replace('=', '==') if match[2] == '=' else match[2]}{match[3]}" if match[3] else "",
                    )
                )
        if command.name == "pkg_search_module" and found:
            wanted = tuple(pkg_config(name) for name, _ in found)
            need = Need(name=found[0][0], wanted=wanted, is_required=is_required, place="", bound=found[0][1])
            self._add(need, command, scope, variables=(f"{prefix}_FOUND",))
            return
        for name, bound in found:
            required = is_required and not self._has_sources(name)
            need = Need(name=name, wanted=(pkg_config(name),), is_required=required, place="", bound=bound)
            self._add(need, command, scope, variables=(f"{prefix}_FOUND",))

    def _find_file(self, command: Command, scope: _Scope) -> None:
        variable, kind = command.words[0], command.name
        names = [name for name in _names_sought(command.words) if _is_sought(kind, name)]
        if not names or (kind != "find_program" and any(self._has_sources(name.partition(".")[0]) for name in names)):
            return
        if not {name.lower() for name in names}.isdisjoint(self._requires):
            return
        if kind in {"find_path", "find_file"} and not names[0].endswith((".h", ".hpp")):
            return
        make = {"find_library": library, "find_program": program}.get(kind, header)
        need = Need(
            name=names[0], wanted=tuple(make(name) for name in names), is_required="REQUIRED" in command.words, place=""
        )
        self._add(need, command, scope, variables=(variable,))

    def _add(self, need: Need, command: Command, scope: _Scope, *, variables: Sequence[str] = ()) -> None:
        place = f"{scope.name}:{command.line}"
        self.needs.append(replace(need, place=place, is_required=need.is_required and scope.state is True))
        if scope.state is True:
            for variable in variables:
                self._by_variable[variable.upper()] = len(self.needs) - 1


def _names_sought(words: Sequence[str]) -> Iterator[str]:
    """Yield the names of ``find_library(VARIABLE [NAMES] name…)``, up to the next keyword."""
    rest = list(words[1:])
    named = rest[0:1] == ["NAMES"]
    for word in rest[1:] if named else rest[:1]:
        if re.fullmatch(r"[A-Z_]{3,}", word):
            return
        yield word


def _is_sought(kind: str, name: str) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9][\w.+/-]{0,60}", name, re.ASCII) or name.endswith(
        (".lib", ".dll", ".a", ".dylib", ".exe")
    ):
        return False
    if kind == "find_program":
        return not has_program(name)
    return not (kind == "find_library" and has_library(name))


def _sought_by(text: str) -> tuple[WantedFile, ...]:
    """Return what a find module of the sdist looks for: a header first, then modules of pkg-config, then libraries."""
    headers, modules, libraries = list[WantedFile](), list[WantedFile](), list[WantedFile]()
    for command, _ in zip(read_commands(text), range(_MOST_COMMANDS), strict=False):
        names = [name for name in _names_sought(command.words) if _is_sought(command.name, name)]
        if command.name == "find_path":
            headers += [header(name) for name in names if name.endswith((".h", ".hpp"))]
        elif command.name == "find_library":
            libraries += [library(name) for name in names]
        elif command.name in {"pkg_check_modules", "pkg_search_module"}:
            matches = (_MODULE.fullmatch(word) for word in command.words[1:] if word not in _WORDS)
            modules += [pkg_config(match[1]) for match in matches if match]
    return (*headers[:1], *modules[:2], *libraries[:2])
