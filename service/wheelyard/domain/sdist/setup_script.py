"""Find what a setup script needs, in its syntax tree; the script is never run.

A script is a program, so what its tree shows is a guess. What stands under a condition that is not known, in a ``try``
that goes on without it, or in a function that nothing calls, is not certain.
"""

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from wheelyard.domain.sdist.truth import Truth, both, either, negate

_LONGEST: Final = 128 << 10
_MOST_STRINGS: Final = 2000
_DEEPEST: Final = 60
_MOST_STEPS: Final = 30_000
"""How many parts of expressions are looked at: names can stand for each other without end."""
_SOURCES: Final = re.compile(r".*\.(?:c|cc|cpp|cxx|c\+\+|pyx|i|f|for|f77|f90|f95)", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][\w.+-]{0,60}", re.ASCII)
_MODULE: Final = re.compile(r"([A-Za-z][\w.+-]{1,60})(?:(>=|>|==|=)(\d[\w.]{0,20}))?", re.ASCII)
_SPACES: Final = re.compile(r"[ \t]*+(>=|<=|==|=|>|<)[ \t]*+")
_LONGEST_MODULES: Final = 500
_CONFIG: Final = re.compile(r"[A-Za-z0-9][\w.+]{0,30}-config|pg_config|mysql_config|mariadb_config", re.ASCII)
_RUNS_WORDS: Final = """
run call check_call check_output Popen popen system getoutput getstatusoutput spawn execute exec_command run_command
cmd shell_output execvp
"""
_RUNS: Final = frozenset(_RUNS_WORDS.split())
_LOOKS_FOR: Final = frozenset({"which", "find_executable"})
_PROGRAMS_WORDS: Final = """
cmake swig flex bison yacc m4 autoconf automake autoreconf libtoolize nasm yasm gperf protoc ragel bazel cargo
thrift capnp gfortran javac mvn ant go npm node llvm-config h5cc mpicc mpicxx asn1c
"""
_PROGRAMS: Final = frozenset(_PROGRAMS_WORDS.split())
"""Programs that scripts call to build; ``git`` only tells them versions."""
_AUTOTOOLS: Final = frozenset({"autogen.sh", "bootstrap.sh", "bootstrap", "buildconf", "autogen"})
_PKG_CONFIG: Final = re.compile(
    r"(?i)_*(?:(?:get_|query_|run_|call_|read_|parse_|check_)*pkg_?config\w*|pkg_?cfg\w*|pkg)"
)
_TRANSPARENT_WORDS: Final = """
glob iglob rglob list sorted str cythonize Path dedent set tuple abspath normpath relpath
"""
_TRANSPARENT: Final = frozenset(_TRANSPARENT_WORDS.split())
"""Functions whose result is what their argument names."""
_LONGEST_PATH: Final = 300
_MOST_ASSIGNED: Final = 50
_LIBRARIES: Final = re.compile(r"(?i)lib(?:rarie)?s")
_TESTS: Final = re.compile(r"(?i)exist|install|has|have|check|try|version")
_NOT_MODULES: Final = re.compile(
    r"(?:cflags|libs)(?:-only-\w+(?:-\w+)?)?|modversion|exists|static|version|variable|shell|prefix|"
    r"(?:include|library)_dirs|libraries|define_macros|extra_\w+_args"
)


def _is_piece(node: ast.expr) -> bool:
    """Return whether an expression adds to a text, as ``prefix + "mux"`` does: its parts alone name nothing."""
    texts = (ast.Constant, ast.JoinedStr)
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Add)
        and (isinstance(node.left, texts) or isinstance(node.right, texts))
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Mention:
    """Something that a script names."""

    name: str
    line: int
    is_certain: bool
    bound: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredExtension:
    """An extension module as a script declares it."""

    line: int
    is_certain: bool
    sources: tuple[str, ...]
    """Paths, or patterns of them, without those that the script computes."""
    libraries: tuple[Mention, ...]


@dataclass(kw_only=True, slots=True)
class ScriptFacts:
    """What a script's tree shows."""

    extensions: list[DeclaredExtension] = field(default_factory=list)
    modules: list[Mention] = field(default_factory=list)
    """Modules that it asks pkg-config about."""
    programs: list[Mention] = field(default_factory=list)
    libraries: list[Mention] = field(default_factory=list)
    """Libraries that it names outside of its extensions."""
    code: list[Mention] = field(default_factory=list)
    """C code that it has as text, for cffi."""
    cffi_modules: list[Mention] = field(default_factory=list)
    built_libraries: set[str] = field(default_factory=set)
    """Libraries that it builds itself (``build_clib``)."""
    is_lenient: bool = False
    """True if its build of extensions goes on after an error."""


def read_script(text: str) -> ScriptFacts:
    """Return what a setup script needs; nothing if it is not Python."""
    facts = ScriptFacts()
    if len(text) > _LONGEST:
        return facts
    try:
        tree = ast.parse(text)
        first = _Reader(tree, ScriptFacts(), None)
        first.read(tree.body, True)
        _Reader(tree, facts, first.certain).read(tree.body, True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ScriptFacts()
    if facts.is_lenient:
        facts.extensions = [replace(one, is_certain=False) for one in facts.extensions]
    return facts


_CALLED: Final = frozenset(
    {"__init__", "run", "initialize_options", "finalize_options", "build_extension", "build_extensions"}
)
"""Methods that setuptools calls."""


class _Reader:
    def __init__(self, tree: ast.Module, facts: ScriptFacts, used: Collection[str] | None) -> None:
        """Read as if everything is called if ``used`` is None, else what has one of these names."""
        self._facts = facts
        self._values = _Values()
        self._values.collect(tree.body, True)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and used is not None and node.name in used:
                self._values.collect(node.body, True)
        self._aliases = _aliases(tree)
        self._used = used
        self.certain = set(_CALLED)
        """The names that stand where the script certainly comes along."""

    def read(self, body: Sequence[ast.stmt], state: Truth) -> Truth:
        """Read statements; return whether their end is reached."""
        for statement in body:
            if state is False:
                break
            state = self._statement(statement, state)
        return state

    def _statement(self, node: ast.stmt, state: Truth) -> Truth:
        if isinstance(node, ast.If):
            return self._if(node, state)
        if isinstance(node, ast.Try):
            return self._try(node, state)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._definition(node, state)
            return state
        if isinstance(node, ast.For | ast.While | ast.With | ast.AsyncFor | ast.AsyncWith):
            self._expressions(node, state)
            self.read(node.body, state)
            return state
        if isinstance(node, ast.Assign | ast.AugAssign):
            self._assignment(node)
        self._expressions(node, state)
        return False if isinstance(node, ast.Return | ast.Raise) or _exits(node) else state

    def _assignment(self, node: ast.Assign | ast.AugAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(_LIBRARIES.fullmatch(_name_of(target)) for target in targets):
            names = self._mentions(node.value, node.lineno, certain=False)
            self._facts.libraries += [one for one in names if _PLAIN.fullmatch(one.name)]

    def _if(self, node: ast.If, state: Truth) -> Truth:
        truth = truth_of(node.test)
        usual = truth if truth is not None else _usual(node.test)
        self._walk(node.test, state)
        ends: list[Truth] = [
            self.read(branch, both(state, condition))
            for branch, condition in ((node.body, usual or truth), (node.orelse, negate(usual) or negate(truth)))
        ]
        if truth is not None:
            return ends[0] if truth else ends[1]
        if usual is not None:
            return ends[0] if usual else ends[1]
        # One that ends the script with an error is a check, and what follows it is as certain as before.
        fails = [_fails(node.body), _fails(node.orelse)]
        ends = [end for end, failed in zip(ends, fails, strict=True) if not failed]
        return None if any(end is False for end in ends) else state

    def _try(self, node: ast.Try, state: Truth) -> Truth:
        goes_on = any(not _fails(handler.body) for handler in node.handlers)
        # What is imported decides nothing: its ``except`` is for old versions of Python or of setuptools.
        inner = None if goes_on and not all(isinstance(one, ast.Import | ast.ImportFrom) for one in node.body) else True
        self.read(node.body, both(state, inner))
        for handler in node.handlers:
            self.read(handler.body, both(state, None))
        self.read(node.orelse, both(state, inner))
        self.read(node.finalbody, state)
        return state

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, state: Truth) -> None:
        if isinstance(node, ast.ClassDef):
            bases = [_name_of(base) for base in node.bases]
            if any(base.lower().endswith(("build_ext", "buildext")) for base in bases) and _swallows(node):
                self._facts.is_lenient = True
            self.read(node.body, both(state, None if any("Test" in base for base in bases) else True))
        else:
            is_used = self._used is None or node.name in self._used
            self.read(node.body, both(state, True if is_used else None))

    def _expressions(self, node: ast.stmt, state: Truth) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr | ast.withitem | ast.keyword):
                self._walk(child, state)

    def _walk(self, node: ast.AST, state: Truth) -> None:
        if isinstance(node, ast.IfExp):
            truth = truth_of(node.test)
            self._walk(node.test, state)
            self._walk(node.body, both(state, truth))
            self._walk(node.orelse, both(state, negate(truth)))
            return
        if state is False:
            return
        if state is True and isinstance(node, ast.Name | ast.Attribute):
            self.certain.add(_name_of(node))
        if isinstance(node, ast.Call):
            self._call(node, state)
        for child in ast.iter_child_nodes(node):
            self._walk(child, state)

    def _call(self, node: ast.Call, state: Truth) -> None:
        name = _name_of(node.func)
        certain = state is True
        if name.lower().endswith("extension") or self._aliases.get(name) == "Extension":
            self._extension(node, certain=certain)
        elif name == "set_source":
            self._set_source(node, certain=certain)
        elif name == "setup":
            self._setup(node, certain=certain)
        elif _PKG_CONFIG.fullmatch(name) or (
            name in {"parse", "exists", "configure_extension", "installed", "cflags", "libs"}
            and _dotted(node.func).startswith("pkgconfig.")
        ):
            self._pkg_config(node, certain=certain and not _TESTS.search(name))
        elif name in _RUNS or name in _LOOKS_FOR:
            self._runs(node, certain=certain and name in _RUNS)

    def _extension(self, node: ast.Call, *, certain: bool) -> None:
        keywords = {**self._values.options(node), **{one.arg: one.value for one in node.keywords if one.arg}}
        optional = keywords.get("optional")
        if optional is not None and not (isinstance(optional, ast.Constant) and not optional.value):
            certain = False
        sources = keywords.get("sources") or (node.args[1] if len(node.args) > 1 else None)
        named = self._values.strings(sources, line=node.lineno) if sources is not None else []
        libraries = self._mentions(keywords.get("libraries"), node.lineno, certain=certain)
        libraries += self._values.added(node, "libraries")
        flags = self._mentions(keywords.get("extra_link_args"), node.lineno, certain=certain)
        libraries += [replace(one, name=one.name[2:]) for one in flags if one.name.startswith("-l")]
        self._facts.extensions.append(
            DeclaredExtension(
                line=node.lineno,
                is_certain=certain,
                sources=tuple(one.name for one in named if _SOURCES.fullmatch(one.name)),
                libraries=tuple(one for one in libraries if _PLAIN.fullmatch(one.name)),
            )
        )

    def _mentions(self, node: ast.expr | None, line: int, *, certain: bool) -> list[Mention]:
        found = self._values.strings(node, line=line) if node is not None else []
        return [replace(one, is_certain=one.is_certain and certain) for one in found]

    def _set_source(self, node: ast.Call, *, certain: bool) -> None:
        keywords = {one.arg: one.value for one in node.keywords}
        code = node.args[1] if len(node.args) > 1 else keywords.get("source")
        self._facts.code += self._mentions(code, node.lineno, certain=certain)
        names = self._mentions(keywords.get("libraries"), node.lineno, certain=certain)
        sources = self._mentions(keywords.get("sources"), node.lineno, certain=certain)
        self._facts.extensions.append(
            DeclaredExtension(
                line=node.lineno,
                is_certain=certain,
                sources=tuple(one.name for one in sources if _SOURCES.fullmatch(one.name)),
                libraries=tuple(one for one in names if _PLAIN.fullmatch(one.name)),
            )
        )

    def _setup(self, node: ast.Call, *, certain: bool) -> None:
        for keyword in node.keywords:
            if keyword.arg == "cffi_modules":
                self._facts.cffi_modules += self._mentions(keyword.value, node.lineno, certain=certain)
            elif keyword.arg == "libraries" and isinstance(keyword.value, ast.List | ast.Name):
                strings = self._values.strings(keyword.value, line=node.lineno)
                self._facts.built_libraries.update(one.name for one in strings)

    def _pkg_config(self, node: ast.Call, *, certain: bool) -> None:
        variable = False
        for argument in node.args:
            for one in self._mentions(argument, node.lineno, certain=certain):
                if variable:
                    variable = False
                    continue
                variable = one.name == "--variable"
                self._modules(one.name, node.lineno, certain=one.is_certain)

    def _modules(self, text: str, line: int, *, certain: bool) -> None:
        """Note the modules of a text such as ``libxml-2.0 >= 2.9 libxslt``."""
        spaced = _SPACES.sub(r"\1", text[:_LONGEST_MODULES])
        for word in spaced.split():
            match = _MODULE.fullmatch(word)
            if match is None or word.startswith("-"):
                return
            bound = f"{'==' if match[2] in {'=', '=='} else match[2]}{match[3]}" if match[3] else ""
            if not _NOT_MODULES.fullmatch(match[1]):
                self._facts.modules.append(Mention(name=match[1], line=line, is_certain=certain, bound=bound))

    def _runs(self, node: ast.Call, *, certain: bool) -> None:
        words = [
            replace(one, name=word)
            for argument in node.args
            for one in self._mentions(argument, node.lineno, certain=certain)
            for word in _SPACES.sub(r"\1", one.name[:_LONGEST_MODULES]).split()
        ]
        names = [word.name for word in words]
        if "pkg-config" in names:
            is_test = any(name.startswith(("--exists", "--atleast", "--version")) for name in names)
            variable = False
            for word in words[names.index("pkg-config") + 1 :]:
                if not variable:
                    self._modules(word.name, node.lineno, certain=word.is_certain and not is_test)
                variable = word.name == "--variable"
            return
        for number, word in enumerate(words):
            if number and word.name.rpartition("/")[2] not in _AUTOTOOLS:
                continue
            name = word.name.rpartition("/")[2]
            if name in _PROGRAMS or _CONFIG.fullmatch(name) or name in _AUTOTOOLS:
                self._facts.programs.append(replace(word, name=name))


class _Values:
    """The texts that expressions have, as far as they are literal."""

    def __init__(self) -> None:
        self._assigned: dict[str, list[tuple[ast.expr, bool]]] = {}
        self._steps = 0

    def collect(self, body: Sequence[ast.stmt], state: Truth) -> None:
        """Note the assignments of a body."""
        for node in body:
            if state is False:
                return
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._note(target, node.value, state)
            elif isinstance(node, ast.AugAssign | ast.AnnAssign) and node.value is not None:
                self._note(node.target, node.value, state)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._note_call(node.value, state)
            elif isinstance(node, ast.If):
                truth = truth_of(node.test)
                usual = truth if truth is not None else _usual(node.test)
                self.collect(node.body, both(state, usual or truth))
                self.collect(node.orelse, both(state, negate(usual) or negate(truth)))
            elif isinstance(node, ast.Try):
                self.collect(
                    [*node.body, *(one for handler in node.handlers for one in handler.body)], both(state, None)
                )
            elif isinstance(node, ast.For | ast.With | ast.While):
                self.collect(node.body, both(state, True if isinstance(node, ast.With) else None))

    def _note_call(self, node: ast.Call, state: Truth) -> None:
        """Note ``names.append(value)`` and ``names.extend(values)``."""
        if isinstance(node.func, ast.Attribute) and node.func.attr in {"append", "extend", "insert"} and node.args:
            self._note(node.func.value, node.args[-1], state)

    def options(self, node: ast.Call) -> dict[str, ast.expr]:
        """Return the arguments that a call takes from dictionaries with ``**``."""
        found: dict[str, ast.expr] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                values = [value for value, is_sure in self._assigned.get(_name_of(keyword.value), ()) if is_sure]
                for value in values:
                    found.update(_items(value))
        return found

    def added(self, node: ast.Call, key: str) -> list[Mention]:
        """Return the texts that were added to a key of these dictionaries: ``options["libraries"].append("x")``."""
        found: list[Mention] = []
        for keyword in node.keywords:
            if keyword.arg is None:
                name = f"{_name_of(keyword.value)}[{key}]"
                self._add_name(name, found, Mention(name="", line=node.lineno, is_certain=True), ())
        return found

    def _note(self, target: ast.expr, value: ast.expr, state: Truth) -> None:
        name = _name_of(target)
        if (
            isinstance(target, ast.Subscript)
            and isinstance(target.slice, ast.Constant)
            and isinstance(target.slice.value, str)
        ):
            name = f"{_name_of(target.value)}[{target.slice.value}]"
        if name and len(self._assigned.setdefault(name, [])) < _MOST_ASSIGNED:
            self._assigned[name].append((value, state is True))

    def strings(self, node: ast.expr, *, line: int) -> list[Mention]:
        """Return the texts of an expression."""
        found: list[Mention] = []
        self._add(node, found, Mention(name="", line=line, is_certain=True))
        return found

    def _add(self, node: ast.expr, found: list[Mention], at: Mention, seen: tuple[str, ...] = ()) -> None:
        """Add the texts of a part of an expression; ``seen`` are the names that it stands for."""
        self._steps += 1
        if self._steps > _MOST_STEPS or len(found) >= _MOST_STRINGS or len(seen) > _DEEPEST:
            return
        if isinstance(node, ast.Constant):
            found += [replace(at, name=node.value)] if isinstance(node.value, str) else []
        elif isinstance(node, ast.IfExp):
            truth = truth_of(node.test)
            self._add(node.body, found, replace(at, is_certain=at.is_certain and truth is True), seen)
            self._add(node.orelse, found, replace(at, is_certain=at.is_certain and truth is False), seen)
        elif isinstance(node, ast.Name | ast.Attribute):
            self._add_name(_name_of(node), found, at, seen)
        elif isinstance(node, ast.Call):
            self._add_call(node, found, at, seen)
        elif not (isinstance(node, ast.JoinedStr | ast.Dict | ast.Subscript) or _is_piece(node)):
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self._add(child, found, at, seen)

    def _add_name(self, name: str, found: list[Mention], at: Mention, seen: tuple[str, ...]) -> None:
        if name not in seen:
            for value, is_sure in self._assigned.get(name, ()):
                self._add(value, found, replace(at, is_certain=at.is_certain and is_sure), (*seen, name))

    def _add_call(self, node: ast.Call, found: list[Mention], at: Mention, seen: tuple[str, ...]) -> None:
        name = _name_of(node.func)
        inner: list[Mention] = []
        if name == "join":
            for argument in node.args:
                self._add(argument, inner, at, seen)
            if inner and _is_path(node.func):
                path = "/".join(one.name for one in inner)[:_LONGEST_PATH]
                inner = [replace(at, name=path, is_certain=all(one.is_certain for one in inner))]
        elif name == "split" and isinstance(node.func, ast.Attribute):
            self._add(node.func.value, inner, at, seen)
            inner = [replace(one, name=word) for one in inner for word in one.name.split()[:_MOST_STRINGS]]
        elif name in _TRANSPARENT:
            for argument in node.args[:1]:
                self._add(argument, inner, at, seen)
        found += inner


def _items(node: ast.expr) -> dict[str, ast.expr]:
    """Return what a dictionary of literals or ``dict(…)`` has."""
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {str(key.value): value for key, value in pairs if isinstance(key, ast.Constant)}
    if isinstance(node, ast.Call) and _name_of(node.func) == "dict":
        return {one.arg: one.value for one in node.keywords if one.arg}
    return {}


_COMMANDS: Final = frozenset({"build", "build_ext", "bdist_wheel", "install", "egg_info", "dist_info", "develop"})
_SET: Final = re.compile(r"PATH|HOME|CC|CXX|CFLAGS|CXXFLAGS|LDFLAGS|LANG|USER|PWD|SOURCE_DATE_EPOCH|TMPDIR")


def _usual(node: ast.expr) -> Truth:
    """Return what a condition on the environment or on the command line is in a plain build."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return negate(_usual(node.operand))
    if isinstance(node, ast.BoolOp):
        truths = [known if (known := truth_of(value)) is not None else _usual(value) for value in node.values]
        result = truths[0]
        for truth in truths[1:]:
            result = both(result, truth) if isinstance(node.op, ast.And) else either(result, truth)
        return result
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _usual_comparison(node)
    return False if _is_unset_value(node) else None


def _usual_comparison(node: ast.Compare) -> Truth:
    left, operator, right = node.left, node.ops[0], node.comparators[0]
    if isinstance(left, ast.Constant) and _is_unset(_dotted(right), left.value):
        return isinstance(operator, ast.NotIn) if isinstance(operator, ast.In | ast.NotIn) else None
    if _is_unset_value(left) and (not isinstance(right, ast.Constant) or right.value):
        return isinstance(operator, ast.NotEq | ast.NotIn)
    return None


_OF_TEXTS: Final = frozenset({"startswith", "endswith", "lower", "upper", "strip"})
_TO_BOOLEANS: Final = frozenset({"bool", "int", "to_bool", "strtobool", "str2bool", "str_to_bool"})


def _is_unset_value(node: ast.expr) -> bool:
    """Return whether a value is that of a variable that no plain build sets, with no other default."""
    if not isinstance(node, ast.Call):
        return False
    if _dotted(node.func) in {"environ.get", "os.environ.get", "os.getenv", "getenv"} and node.args:
        name, *default = node.args
        has_default = any(not isinstance(one, ast.Constant) or one.value not in {"", "0", 0, None} for one in default)
        return isinstance(name, ast.Constant) and _is_unset("os.environ", name.value) and not has_default
    if isinstance(node.func, ast.Attribute) and node.func.attr in _OF_TEXTS:
        return _is_unset_value(node.func.value)
    return _name_of(node.func) in _TO_BOOLEANS and bool(node.args) and _is_unset_value(node.args[0])


def _is_unset(where: str, name: object) -> bool:
    if not isinstance(name, str):
        return False
    return (where == "sys.argv" and name not in _COMMANDS) or (where == "os.environ" and not _SET.fullmatch(name))


def truth_of(node: ast.expr) -> Truth:
    """Return whether a condition is true on Linux with a recent Python."""
    if isinstance(node, ast.Constant):
        return bool(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return negate(truth_of(node.operand))
    if isinstance(node, ast.BoolOp):
        truths = [truth_of(value) for value in node.values]
        result = truths[0]
        for truth in truths[1:]:
            result = both(result, truth) if isinstance(node.op, ast.And) else either(result, truth)
        return result
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _comparison(node)
    if isinstance(node, ast.Call):
        return _platform_starts(node)
    return _flag(node)


_FLAGS: Final = re.compile(
    r"_*(?:is|on)?_*(?:windows|win(?:32|64)?|mac(?:os|osx)?|osx|darwin|msvc|freebsd|cygwin|mingw)_*", re.IGNORECASE
)
_LINUX_FLAGS: Final = re.compile(r"_*(?:is|on)?_*(?:linux|posix|unix)_*", re.IGNORECASE)


def _flag(node: ast.expr) -> Truth:
    name = _name_of(node)
    if name in {"PYPY", "IS_PYPY", "PY2", "is_pypy", "IS_PY2"} or _FLAGS.fullmatch(name):
        return False
    return (
        True
        if name in {"PY3", "IS_PY3", "cpython", "is_cpython", "CPYTHON", "IS_CPYTHON"} or _LINUX_FLAGS.fullmatch(name)
        else None
    )


_PLATFORMS: Final = {
    "platform": "linux",
    "system": "Linux",
    "name": "posix",
    "__name__": "__main__",
    "get_platform": "linux-x86_64",
    "python_implementation": "CPython",
    "platform_system": "Linux",
}


def _platform(node: ast.expr) -> str:
    """Return what an expression of the platform is; empty if it is none."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in {"lower", "strip"}:
            return _platform(node.func.value).lower()
        name = _name_of(node.func)
        return _PLATFORMS.get(name, "") if name in {"system", "get_platform", "python_implementation"} else ""
    if isinstance(node, ast.Subscript):
        return _platform(node.value)[:3] if isinstance(node.slice, ast.Slice) else ""
    text = _dotted(node)
    return (
        _PLATFORMS.get(text.rpartition(".")[2], "")
        if text in {"sys.platform", "os.name", "__name__", "platform"}
        else ""
    )


def _comparison(node: ast.Compare) -> Truth:
    left, right, operator = node.left, node.comparators[0], node.ops[0]
    if (
        _dotted(left).endswith("version_info")
        or _dotted(left).endswith("version_info.major")
        or (isinstance(left, ast.Subscript) and _dotted(left.value).endswith("version_info"))
    ):
        return _version(operator, right)
    if isinstance(operator, ast.In | ast.NotIn):
        truth = _contains(left, right)
        return negate(truth) if isinstance(operator, ast.NotIn) else truth
    platform, other = _platform(left), right
    if not platform:
        platform, other = _platform(right), left
    if not platform or not isinstance(other, ast.Constant) or not isinstance(operator, ast.Eq | ast.NotEq):
        return None
    value = other.value[:3] if isinstance(other.value, str) and platform in {"lin", "Lin"} else other.value
    same = platform == value or (platform == "linux" and value == "linux2")
    return same if isinstance(operator, ast.Eq) else not same


def _contains(left: ast.expr, right: ast.expr) -> Truth:
    if isinstance(left, ast.Constant) and isinstance(left.value, str) and _platform(right):
        return left.value in _platform(right)
    if _platform(left) and isinstance(right, ast.Tuple | ast.List | ast.Set):
        values = [one.value for one in right.elts if isinstance(one, ast.Constant)]
        return _platform(left) in values if len(values) == len(right.elts) else None
    return None


def _version(operator: ast.cmpop, right: ast.expr) -> Truth:
    parts = right.elts if isinstance(right, ast.Tuple) else [right]
    numbers = [one.value for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, int)]
    if not numbers or len(numbers) != len(parts) or tuple(numbers) > (3, 10):
        return None
    if isinstance(operator, ast.Gt | ast.GtE):
        return True
    if isinstance(operator, ast.Lt | ast.LtE):
        return tuple(numbers) == (3,) and isinstance(operator, ast.LtE)
    return (
        numbers == [3]
        if isinstance(operator, ast.Eq)
        else (numbers != [3] if isinstance(operator, ast.NotEq) else None)
    )


def _platform_starts(node: ast.Call) -> Truth:
    if isinstance(node.func, ast.Attribute) and node.func.attr == "startswith" and node.args:
        platform, start = _platform(node.func.value), node.args[0]
        starts = start.elts if isinstance(start, ast.Tuple) else [start]
        values = [one.value for one in starts if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        return platform.startswith(tuple(values)) if platform and len(values) == len(starts) else None
    return _flag(node.func)


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Return the names under which a script imports others."""
    return {
        alias.asname: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }


def _name_of(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
        return f"{node.value.attr}.{node.attr}"
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        return _dotted(node.value)
    return node.id if isinstance(node, ast.Name) else ""


def _is_path(node: ast.expr) -> bool:
    """Return whether a ``join`` is that of paths, not that of texts."""
    return isinstance(node, ast.Name) or (
        isinstance(node, ast.Attribute) and _name_of(node.value) in {"path", "op", "osp", "pjoin"}
    )


def _fails(body: Sequence[ast.stmt]) -> bool:
    """Return whether a body ends the script with an error."""
    return bool(body) and (isinstance(body[-1], ast.Raise) or _exits(body[-1]))


def _exits(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    return _name_of(node.value.func) in {"exit", "_exit", "abort", "die", "error", "fatal"}


def _swallows(node: ast.ClassDef) -> bool:
    """Return whether a command goes on after an extension could not be built."""
    return any(
        any(not any(isinstance(inner, ast.Raise) for inner in ast.walk(handler)) for handler in attempt.handlers)
        and any(_name_of(call.func) in {"run", "build_extension", "build_extensions"} for call in _calls(attempt.body))
        for attempt in ast.walk(node)
        if isinstance(attempt, ast.Try)
    )


def _calls(body: Sequence[ast.stmt]) -> Iterator[ast.Call]:
    return (node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Call))
