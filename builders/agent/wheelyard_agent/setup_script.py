"""Find the extension modules that a setup.py makes on the target, without running it.

The script is followed as Python would: branches with a known condition are taken or skipped, its functions are followed
where they are called, and a ``try`` is assumed to succeed. A module that depends on an unknown value is only
possible.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from wheelyard_agent.setup_values import UNKNOWN, Evaluator, Scope, dotted_name, target_facts

_MAX_VISITS = 20_000
_MAX_DEPTH = 6
_UNNAMED = {"cythonize", "mypycify"}
_PASSED_AS = ("ext_modules", "cffi_modules", "rust_extensions")


class ScriptExtension(NamedTuple):
    """An extension module of a script."""

    name: str | None
    line: int
    certain: bool
    """False if it depends on an unknown condition."""
    patterns: tuple[str, ...] = ()
    """Patterns of its Cython sources, which may contain ``*``, if nothing else is known."""


class _TooLongError(Exception):
    """The script is too long to follow."""


def read_setup_script(
    text: str, *, python: tuple[int, int], env: Mapping[str, str], entries: Sequence[str] = ()
) -> list[ScriptExtension]:
    """Return the extension modules of a script; an empty list if it cannot be parsed.

    ``entries`` are functions of the script that the build backend calls.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old scripts have invalid escapes
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    reader = _Reader(Evaluator(target_facts(python, env)))
    try:
        reader.follow(tree.body, {"__name__": "__main__"}, certain=True)
        reader.follow_entries(entries)
        reader.follow_uncalled()
    except (_TooLongError, RecursionError):
        return [one._replace(certain=False) for one in reader.found]
    return reader.extensions()


class _Reader:
    def __init__(self, evaluator: Evaluator) -> None:
        self.found: list[ScriptExtension] = []
        self._evaluator = evaluator
        self._functions: dict[str, ast.FunctionDef] = {}
        self._called: set[str] = set()
        self._setups: list[bool] = []
        self._doubtful: list[ScriptExtension] = []
        self._kept: dict[str, list[ScriptExtension]] = {}
        self._depth = 0
        self._visits = 0

    def extensions(self) -> list[ScriptExtension]:
        """Return what was found, each once; only possible ones if no call of setup() takes any."""
        idle = bool(self._setups) and not any(self._setups)
        merged: dict[tuple[str | None, int], ScriptExtension] = {}
        for one in self.found or self._doubtful:
            other = merged.get((one.name, one.line), one)
            merged[one.name, one.line] = one._replace(certain=(one.certain or other.certain) and not idle)
        return list(merged.values())

    def follow_entries(self, names: Iterable[str]) -> None:
        """Follow functions that other programs call."""
        for function in [self._functions[name] for name in names if name in self._functions]:
            if function.name not in self._called:
                self._called.add(function.name)
                self.follow(function.body, {}, certain=True)

    def follow_uncalled(self) -> None:
        """Follow functions that the script never uses, because other programs may call them."""
        self.found += [one._replace(certain=False) for kept in self._kept.values() for one in kept]
        for name in [name for name in self._functions if name not in self._called]:
            self.follow(self._functions[name].body, {}, certain=False)

    def follow(self, statements: Iterable[ast.stmt], scope: Scope, *, certain: bool) -> None:
        """Follow statements in order."""
        for statement in statements:
            self._visits += 1
            if self._visits > _MAX_VISITS:
                raise _TooLongError
            act = getattr(self, f"_{type(statement).__name__.lower()}", self._other)
            act(statement, scope, certain)

    def _other(self, statement: ast.stmt, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        for node in ast.iter_child_nodes(statement):
            if isinstance(node, ast.expr):
                self._scan(node, scope, certain)

    def _functiondef(self, statement: ast.FunctionDef, _scope: Scope, _certain: bool) -> None:  # noqa: FBT001
        self._functions[statement.name] = statement

    def _classdef(self, statement: ast.ClassDef, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        """Skip classes: it is not known whether their methods are called."""

    def _import(self, statement: ast.Import, scope: Scope, _certain: bool) -> None:  # noqa: FBT001
        scope.update({f"import {name.asname}": name.name for name in statement.names if name.asname})

    def _importfrom(self, statement: ast.ImportFrom, scope: Scope, _certain: bool) -> None:  # noqa: FBT001
        for name in statement.names:
            full = f"{statement.module}.{name.name}"
            scope[f"import {name.asname or name.name}"] = full
            scope[name.asname or name.name] = self._evaluator.fact(full)

    def _assign(self, statement: ast.Assign, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        before = len(self.found)
        self._scan(statement.value, scope, certain)
        if isinstance(statement.targets[0], ast.Name) and isinstance(statement.value, ast.Call):
            self._keep(statement.targets[0].id, before)
        for target in statement.targets:
            self._bind(target, self._evaluator.value(statement.value, scope), scope)

    def _keep(self, name: str, before: int) -> None:
        """Count a named extension only where the name is used."""
        if len(self.found) == before + 1:
            self._kept.setdefault(name, []).append(self.found.pop())

    def _annassign(self, statement: ast.AnnAssign, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        if statement.value is not None:
            self._scan(statement.value, scope, certain)
            self._bind(statement.target, self._evaluator.value(statement.value, scope), scope)

    def _augassign(self, statement: ast.AugAssign, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        self._scan(statement.value, scope, certain)
        self._bind(statement.target, UNKNOWN, scope)

    def _bind(self, target: ast.expr, value: Any, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope[target.id] = value
        elif isinstance(target, (ast.Subscript, ast.Attribute)):
            self._bind(target.value, UNKNOWN, scope)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for item in target.elts:
                self._bind(item, UNKNOWN, scope)

    def _if(self, statement: ast.If, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        self._scan(statement.test, scope, certain)
        truth = self._evaluator.truth(statement.test, scope)
        if truth is not None:
            self.follow(statement.body if truth else statement.orelse, scope, certain=certain)
            return
        other = dict(scope)
        self.follow(statement.body, scope, certain=False)
        self.follow(statement.orelse, other, certain=False)
        for name in {*scope, *other}:
            if scope.get(name, UNKNOWN) != other.get(name, UNKNOWN):
                scope[name] = UNKNOWN

    def _try(self, statement: ast.Try, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        for part in (statement.body, statement.orelse, statement.finalbody):
            self.follow(part, scope, certain=certain)

    def _with(self, statement: ast.With, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        self.follow(statement.body, scope, certain=certain)

    def _for(self, statement: ast.For, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        self._scan(statement.iter, scope, certain)
        items = self._evaluator.value(statement.iter, scope)
        known = isinstance(items, tuple)
        for item in items if known else (UNKNOWN,):
            self._bind(statement.target, item, scope)
            self.follow(statement.body, scope, certain=certain and known)

    def _while(self, statement: ast.While, scope: Scope, _certain: bool) -> None:  # noqa: FBT001
        self.follow(statement.body, scope, certain=False)

    def _scan(self, node: ast.AST, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        """Follow relevant calls in an expression."""
        if isinstance(node, ast.IfExp):
            self._scan_choice(node, scope, certain)
            return
        if isinstance(node, ast.BoolOp):
            self._scan_operands(node, scope, certain)
            return
        if isinstance(node, ast.Call):
            self._take_call(node, scope, certain)
        if isinstance(node, ast.Name) and node.id in self._kept:
            self.found += [one._replace(certain=one.certain and certain) for one in self._kept[node.id]]
        for child in ast.iter_child_nodes(node):
            self._scan(child, scope, certain)

    def _scan_choice(self, node: ast.IfExp, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        truth = self._evaluator.truth(node.test, scope)
        for branch, taken in ((node.body, True), (node.orelse, False)):
            if truth in {None, taken}:
                self._scan(branch, scope, certain and truth is not None)

    def _scan_operands(self, node: ast.BoolOp, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        """Follow the operands of a boolean expression that are evaluated."""
        stops_at = isinstance(node.op, ast.Or)
        for operand in node.values:
            self._scan(operand, scope, certain)
            truth = self._evaluator.truth(operand, scope)
            if truth is stops_at:
                return
            certain = certain and truth is not None

    def _take_call(self, node: ast.Call, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        name = dotted_name(node.func, {}).rpartition(".")[2]
        if name.endswith("Extension") or name == "add_extension":
            self._take_extension(node, scope, certain)
        elif name in _UNNAMED:
            self._take_unnamed(node, scope, certain)
        elif name == "setup":
            self._take_setup(node, scope, certain)
        elif isinstance(node.func, ast.Name) and name in self._functions:
            self._enter(self._functions[name], node, scope, certain)
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            scope[node.func.value.id] = UNKNOWN  # such as append to a list

    def _take_unnamed(self, node: ast.Call, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        """Handle a call that makes modules from files; Cython's first argument names them, unless some are excluded."""
        given = self._evaluator.value(node.args[0], scope) if node.args else UNKNOWN
        paths = (given,) if isinstance(given, str) else given if isinstance(given, tuple) else ()
        excludes = any(keyword.arg in {"exclude", None} for keyword in node.keywords)
        is_plain = not excludes and all(isinstance(path, str) and path.endswith(".pyx") for path in paths)
        patterns = paths if is_plain else ()
        self.found.append(ScriptExtension(None, node.lineno, certain, patterns=patterns))

    def _take_extension(self, node: ast.Call, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        name = self._evaluator.value(node.args[0] if node.args else given.get("name", given.get("target")), scope)
        text = name.replace("/", ".") if isinstance(name, str) else None
        self.found.append(ScriptExtension(text, node.lineno, certain))

    def _take_setup(self, node: ast.Call, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        values = [self._evaluator.value(given[name], scope) for name in _PASSED_AS if name in given]
        self._setups.append(None in given or any(values))
        if "cffi_modules" in given:
            self.found.append(ScriptExtension(None, node.lineno, certain))
        elif UNKNOWN in values:
            self._doubtful.append(ScriptExtension(None, node.lineno, certain=False))

    def _enter(self, function: ast.FunctionDef, node: ast.Call, scope: Scope, certain: bool) -> None:  # noqa: FBT001
        self._called.add(function.name)
        if self._depth == _MAX_DEPTH:
            return
        self._depth += 1
        self.follow(function.body, {**scope, **self._arguments(function, node, scope)}, certain=certain)
        self._depth -= 1

    def _arguments(self, function: ast.FunctionDef, node: ast.Call, scope: Scope) -> Scope:
        positional = [argument.arg for argument in function.args.args]
        names = [*positional, *(argument.arg for argument in function.args.kwonlyargs)]
        given: dict[str | None, ast.expr] = dict(zip(names, node.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in node.keywords}
        defaults = dict(
            zip(reversed([one.arg for one in function.args.args]), reversed(function.args.defaults), strict=False)
        )
        return {name: self._evaluator.value(given.get(name, defaults.get(name)), scope) for name in names}
