"""Find what Meson's files look for. Format: https://mesonbuild.com/Syntax.html."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from wheelyard.domain.catalogue.archive_files import WantedFile
from wheelyard.domain.sdist.contents import (
    SdistContents,
    carried_projects,
    file_of,
    has_sources,
    read_table,
    strings_in,
    table_in,
)
from wheelyard.domain.sdist.need import Need, header, library, pkg_config, program
from wheelyard.domain.sdist.standard_files import has_header, has_library, has_program
from wheelyard.domain.sdist.truth import Branches, Truth, both, evaluate

_MOST_FILES: Final = 100
_MOST_TOKENS: Final = 300_000
_MOST_ARGUMENTS: Final = 300
_MOST_CALLS: Final = 2000
_TOKEN: Final = re.compile(
    r"(?P<comment>\#[^\n]*)|(?P<long>''')|(?P<string>f?'(?:[^'\\\n]|\\.)*+'?)|(?P<word>\w++)|(?P<line>\n)|"
    r"(?P<sign>[=!<>+]=|[^\s\w])"
)
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.+-]{0,60}", re.ASCII)
_BOUND: Final = re.compile(r"(>=|<=|==|!=|=|>|<)?\s*(\d[\w.]{0,20})")
_NONE: Final = re.compile(
    r"(?i)python[0-9.]*(-embed)?|py3cairo|pycairo|pygobject-3\.0|numpy|pybind11|nanobind|cython|threads|openmp|dl|m|intl|iconv|atomic|"
    r"appleframeworks|cuda.*|gtest|gmock|catch2.*|doctest|valgrind|gcov|mkl.*|rt|libm|accelerate|coverage|.*-uninstalled"
)
_KNOWN: Final[Mapping[str, tuple[WantedFile, ...]]] = {
    "blas": (pkg_config("openblas"), library("openblas"), library("blas")),
    "boost": (header("boost/version.hpp"),),
    "cblas": (pkg_config("cblas"), library("cblas"), library("openblas")),
    "cups": (program("cups-config"), header("cups/cups.h")),
    "curses": (pkg_config("ncurses"), header("curses.h")),
    "gl": (pkg_config("gl"), header("GL/gl.h")),
    "lapack": (pkg_config("lapack"), library("openblas"), library("lapack")),
    "llvm": (program("llvm-config"),),
    "mpi": (program("mpicc"), header("mpi.h")),
    "openal": (pkg_config("openal"),),
    "pcap": (pkg_config("libpcap"), program("pcap-config")),
    "sdl2": (pkg_config("sdl2"), program("sdl2-config")),
}
"""Dependencies that Meson finds by rules of its own."""
_PROGRAMS_ASIDE: Final = frozenset(
    {"git", "python", "gtkdoc-scan", "sphinx-build", "doxygen", "clang-format", "clang-tidy", "black"}
)
_HOST: Final = {"system": "linux", "kernel": "linux", "endian": "little"}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Token:
    kind: str
    """``string``, ``word``, ``sign`` or ``line``."""
    text: str
    line: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Call:
    """A call with its arguments as tokens."""

    name: str
    line: int
    positional: tuple[str, ...]
    """Its arguments without a name: texts, variables with a dollar sign, and empty for what is computed."""
    named: Mapping[str, tuple[_Token, ...]]


def find_meson_needs(contents: SdistContents, requires: frozenset[str]) -> tuple[Need, ...]:
    """Return what the project's Meson files look for; ``requires`` are its build requirements, as normalized names."""
    if "meson.build" not in contents.texts:
        return ()
    reader = _Reader(contents, requires)
    reader.read_file("meson.build", True)
    return tuple(reader.needs)


def _tokens(text: str) -> Iterator[_Token]:
    line, place, depth = 1, 0, 0
    for _ in range(_MOST_TOKENS):
        match = _TOKEN.search(text, place)
        if match is None:
            return
        place, kind, token = match.end(), match.lastgroup or "", match[0]
        if kind == "line":
            line += 1
            if not depth:
                yield _Token(kind=kind, text="", line=line)
        elif kind == "long":
            end = text.find("'''", place)
            end = len(text) if end < 0 else end
            yield _Token(kind="string", text=text[place:end], line=line)
            line += text.count("\n", place, end)
            place = end + 3
        elif kind != "comment":
            depth = max(depth + (token in {"(", "[", "{"}) - (token in {")", "]", "}"}), 0)
            yield _Token(kind=kind, text=token.removeprefix("f").strip("'") if kind == "string" else token, line=line)


def _statements(text: str) -> Iterator[list[_Token]]:
    statement: list[_Token] = []
    for token in _tokens(text):
        if token.kind != "line":
            statement.append(token)
        elif statement:
            yield statement
            statement = []
    if statement:
        yield statement


def _calls(tokens: Sequence[_Token]) -> Iterator[_Call]:
    """Yield the calls of a statement that matter, also those inside others."""
    for number, token in enumerate(tokens):
        is_call = token.kind == "word" and token.text in _LOOKS and tokens[number + 1 : number + 2]
        if is_call and tokens[number + 1].text == "(" and tokens[number + 1].kind == "sign":
            yield _call(token, tokens[number + 2 : number + 2 + _MOST_ARGUMENTS])


def _call(token: _Token, rest: Sequence[_Token]) -> _Call:
    positional, named = list[str](), dict[str, tuple[_Token, ...]]()
    for argument in _arguments(rest):
        key, *value = argument
        if value and key.kind == "word" and value[0].text == ":" and value[0].kind == "sign":
            named[key.text] = tuple(value[1:])
        elif all(one.kind == "string" or one.text in {"[", "]", ","} for one in argument):
            positional += [one.text for one in argument if one.kind == "string"]
        else:
            # A variable, or something that is computed.
            positional.append(f"${key.text}" if not value else "")
    return _Call(name=token.text, line=token.line, positional=tuple(positional), named=named)


def _arguments(rest: Sequence[_Token]) -> Iterator[list[_Token]]:
    """Yield the tokens of each argument, up to the parenthesis that ends the call."""
    argument: list[_Token] = []
    depth = 0
    for one in rest:
        is_sign = one.kind == "sign"
        depth += (is_sign and one.text in {"(", "[", "{"}) - (is_sign and one.text in {")", "]", "}"})
        if depth < 0:
            break
        if is_sign and one.text == "," and not depth:
            if argument:
                yield argument
            argument = []
        else:
            argument.append(one)
    if argument:
        yield argument


_LOOKS: Final = frozenset(
    {"dependency", "find_library", "find_program", "subdir", "has_header", "check_header", "project", "add_languages"}
)


class _Reader:
    def __init__(self, contents: SdistContents, requires: frozenset[str]) -> None:
        self._contents = contents
        self._requires = requires
        self._options = _options(contents)
        self._variables: dict[str, str] = {}
        self._carried = carried_projects(contents.names)
        self._files = {file_of(name) for name in contents.names}
        self._read = set[str]()
        self._absent = set[str]()
        """The variables of dependencies that a builder lacks."""
        self._assumes = False
        self._calls = 0
        self.needs: list[Need] = []

    def read_file(self, name: str, state: Truth) -> None:
        text = self._contents.texts.get(name)
        if text is None or name in self._read or len(self._read) > _MOST_FILES:
            return
        self._read.add(name)
        branches = Branches()
        for statement in _statements(text):
            word = statement[0].text if statement[0].kind == "word" else ""
            if word in {"if", "elif"}:
                truth = self._truth(statement[1:])
                if word == "if":
                    branches.enter(truth, self._usual(statement[1:]))
                else:
                    branches.change(truth)
            elif word == "else":
                branches.change(True)
            elif word == "foreach":
                branches.enter(None)
            elif word in {"endif", "endforeach"}:
                branches.leave()
            elif word == "subdir_done":
                branches.stop()
            here = both(state, branches.state) if word != "elif" else None
            if here is not False:
                self._statement(statement, name, here)

    def _statement(self, statement: Sequence[_Token], file: str, state: Truth) -> None:
        if len(statement) > 2 and statement[1].text == "=":  # noqa: PLR2004  name, sign and value
            self._assign(statement[0].text, statement[2:], state)
        for call in _calls(statement):
            self._calls += 1
            if self._calls > _MOST_CALLS:
                return
            self._look(call, file, state)

    def _assign(self, name: str, value: Sequence[_Token], state: Truth) -> None:
        option = self._option_named(value)
        if len(value) == 1 and value[0].kind == "string":
            option = value[0].text
        if option is None or state is not True:
            self._variables.pop(name, None)
        else:
            self._variables[name] = option
        self._absent.discard(name)
        if (value and value[0].text == "dependency") or any(
            token.text in {"find_library", "find_program"} for token in value[:4]
        ):
            call = next(_calls(value), None)
            if call is not None and self._need(call) is not None:
                self._absent.add(name)

    def _look(self, call: _Call, file: str, state: Truth) -> None:
        if call.name == "subdir":
            for folder in call.positional[:1]:
                path = PurePosixPath(file).parent / folder
                if folder and not folder.startswith(("test", "doc", "example", "bench")):
                    self.read_file(f"{path}/meson.build".removeprefix("./"), state)
            return
        if call.name in {"project", "add_languages"}:
            names = call.positional[1:] if call.name == "project" else call.positional
            is_required = call.name == "project" or self._is_required(call) is True
            for toolchain in {"fortran", "java", "rust"}.intersection(names):
                need = Need(name=toolchain, toolchain=toolchain, is_required=is_required, place="")
                self._add(need, call, file, state)
            return
        found = self._need(call)
        if found is not None:
            is_required = self._is_required(call) is True and found.is_required
            self._add(replace(found, is_required=is_required), call, file, state)

    def _need(self, call: _Call) -> Need | None:
        values = [self._variables.get(name[1:], "") if name.startswith("$") else name for name in call.positional]
        names = [name for name in values if name]
        if not names or len(names) != len(call.positional) or not all(_is_name(name, call.name) for name in names):
            return None
        if any(self._is_present(name, call.name) for name in names):
            return None
        make = {"find_library": library, "find_program": program, "has_header": header, "check_header": header}.get(
            call.name
        )
        if call.name == "find_library" or call.name in {"has_header", "check_header"}:
            names = names[:1]
        wanted = tuple(
            one for name in names for one in ((make(name),) if make else _KNOWN.get(name.lower(), (pkg_config(name),)))
        )
        is_required = not self._has_sources(names[0])
        bound = _bound(call.named.get("version", ()))
        return Need(name=names[0], wanted=wanted, is_required=is_required, place="", bound=bound)

    def _is_present(self, name: str, look: str) -> bool:
        if re.sub(r"[-_.]+", "-", name).lower() in self._requires:
            return True
        if look == "dependency":
            return _NONE.fullmatch(name) is not None
        if look == "find_library":
            return has_library(name)
        if look == "find_program":
            # A file of the sdist is a script of the project.
            return has_program(name) or name in self._files or name in _PROGRAMS_ASIDE or "/" in name
        return has_header(name)

    def _has_sources(self, name: str) -> bool:
        """Return whether the sdist has the library's own sources, so that these may serve."""
        return has_sources(self._carried, name)

    def _is_required(self, call: _Call) -> Truth:
        """Return whether a call fails if nothing is found; None if that is not known."""
        default = call.name not in {"has_header", "check_header"}
        value = call.named.get("required")
        if call.named.get("disabler"):
            return None
        if value is None:
            return default
        if len(value) == 1 and value[0].text in {"true", "false"}:
            return value[0].text == "true"
        option = self._option_named(value)
        if option is None:
            return self._truth(value)
        # A feature of ``auto`` is one that the build can do without.
        return {"true": True, "enabled": True, "false": False, "disabled": False}.get(option)

    def _option_named(self, tokens: Sequence[_Token]) -> str | None:
        """Return the value of ``get_option('name')`` or of a variable that has it; None for anything else."""
        texts = [token.text for token in tokens]
        if len(texts) == 1:
            return self._variables.get(texts[0])
        if texts[:2] == ["get_option", "("] and texts[3:] == [")"]:
            return self._options.get(texts[2])
        return None

    def _truth(self, tokens: Sequence[_Token]) -> Truth:
        words = [token.text if token.kind != "string" else f"'{token.text}" for token in tokens]
        return evaluate(_joined(words), self._value, no="not", both_="and", either_="or")

    def _usual(self, tokens: Sequence[_Token]) -> Truth:
        """Return what a condition is if no dependency is found that a builder lacks."""
        self._assumes = True
        try:
            return self._truth(tokens)
        finally:
            self._assumes = False

    def _value(self, words: list[str]) -> Truth:
        if len(words) == 1:
            return self._truth_of_word(words[0])
        if len(words) == 3 and words[1] in {"==", "!="} and words[2].startswith("'"):  # noqa: PLR2004  value, sign, value
            value = self._text_of(words[0])
            return None if value is None else (value == words[2][1:]) is (words[1] == "==")
        if len(words) > 3 and words[1] == "in":  # noqa: PLR2004  value, in, list
            value = self._text_of(words[0])
            return None if value is None else f"'{value}" in words[2:]
        return None

    def _text_of(self, word: str) -> str | None:
        for machine in ("host_machine", "build_machine", "target_machine"):
            if word.startswith(f"{machine}."):
                return _HOST.get(word.removeprefix(f"{machine}.").removesuffix("()"))
        if word.endswith(".get_id()"):
            return "gcc"
        return self._option_of(word)

    def _option_of(self, word: str) -> str | None:
        match = re.fullmatch(r"get_option\('([\w-]{1,60})\)", word)
        return self._options.get(match[1]) if match else self._variables.get(word)

    def _truth_of_word(self, word: str) -> Truth:
        if word in {"true", "false"}:
            return word == "true"
        base, _, method = word.rpartition(".")
        if method == "found()" and self._assumes and base in self._absent:
            return False
        option = self._option_of(base)
        if option is not None and method in {"enabled()", "disabled()", "allowed()", "auto()"}:
            return {
                "enabled()": option == "enabled",
                "disabled()": option == "disabled",
                "allowed()": option != "disabled",
                "auto()": option == "auto",
            }[method]
        return {"true": True, "false": False}.get(self._option_of(word) or "")

    def _add(self, need: Need, call: _Call, file: str, state: Truth) -> None:
        self.needs.append(replace(need, place=f"{file}:{call.line}", is_required=need.is_required and state is True))


def _joined(words: Sequence[str]) -> list[str]:
    """Return words with calls and attributes as one word each, such as ``host_machine.system()``."""
    joined: list[str] = []
    depth = 0
    for number, word in enumerate(words[:_MOST_ARGUMENTS]):
        before = words[number - 1] if number else ""
        opens_call = word == "(" and before.isidentifier() and before not in {"not", "and", "or", "in"}
        if depth or opens_call or (joined and (word == "." or before == ".")):
            joined[-1] += word
            depth += (word == "(") - (word == ")") if depth or opens_call else 0
        else:
            joined.append(word)
    return joined


def _is_name(name: str, look: str) -> bool:
    if look in {"has_header", "check_header"}:
        return re.fullmatch(r"[\w.+/-]{1,100}", name, re.ASCII) is not None
    return _NAME.fullmatch(name) is not None


def _bound(tokens: Sequence[_Token]) -> str:
    """Return the first lower bound of a version, such as ``>=1.2``."""
    for token in tokens:
        match = _BOUND.fullmatch(token.text.strip()) if token.kind == "string" else None
        if match and match[1] not in {"<", "<=", "!="}:
            return f"{'==' if match[1] in {None, '=', '=='} else match[1]}{match[2]}"
    return ""


_OPTION: Final = re.compile(r"\boption\s*+\(\s*+'([\w-]{1,60})'")
_TYPE: Final = re.compile(r"\btype\s*+:\s*+'(\w{1,20})'")
_VALUE: Final = re.compile(r"\bvalue\s*+:\s*+'?(\w{1,40})")


def _options(contents: SdistContents) -> Mapping[str, str]:
    """Return the values of the options, ``true`` and ``enabled`` for example, with those that pyproject.toml sets."""
    text = contents.text("meson.options") or contents.text("meson_options.txt")
    starts = list(_OPTION.finditer(text))[:500]
    options: dict[str, str] = {}
    for number, match in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        part = text[match.end() : end][:2000]
        kind, value = _TYPE.search(part), _VALUE.search(part)
        default = {"feature": "auto", "boolean": "true"}.get(kind[1] if kind else "", "")
        options[match[1]] = value[1] if value else default
    arguments = table_in(read_table(contents, "pyproject.toml"), "tool", "meson-python", "args")
    for argument in strings_in(arguments.get("setup")):
        name, equals, value_ = argument.removeprefix("-D").partition("=")
        if equals:
            options[name] = value_
    return options
