"""Evaluate expressions of a setup.py for the target, without running it: a value, or UNKNOWN.

Known facts are the operating system, the Python, the environment and the command line.
"""

from __future__ import annotations

import ast
import operator
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

UNKNOWN: Any = type("Unknown", (), {"__repr__": lambda _: "UNKNOWN"})()
Scope = dict[str, Any]
_MAX_LENGTH = 1000

_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {"bool": bool, "int": int, "len": len, "str": str}
_TEXT_METHODS = ("startswith", "endswith", "lower", "upper", "strip", "replace")
_EXPECTED = (TypeError, ValueError, KeyError, IndexError, AttributeError)


def target_facts(python: tuple[int, int], env: Mapping[str, str]) -> dict[str, Any]:
    """Return facts of the target by the dotted names in scripts; a function's name stands for its result."""
    machine = os.uname().machine
    return {
        "sys.platform": "linux",
        "sys.version_info": (*python, 0, "final", 0),
        "sys.version_info.major": python[0],
        "sys.version_info.minor": python[1],
        "sys.maxsize": sys.maxsize,
        "sys.argv": ("setup.py", "bdist_wheel"),
        "sys.builtin_module_names": sys.builtin_module_names,
        "sys.implementation.name": "cpython",
        "os.name": "posix",
        "os.environ": dict(env),
        "platform.system()": "Linux",
        "platform.machine()": machine,
        "platform.python_implementation()": "CPython",
        "sysconfig.get_platform()": f"linux-{machine}",
    }


class Evaluator:
    """Evaluates expressions in a scope of known names."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    def fact(self, name: str) -> Any:
        """Return the fact of a dotted name."""
        return self._facts.get(name, UNKNOWN)

    def value(self, node: ast.expr | None, scope: Scope) -> Any:
        """Return an expression's value; UNKNOWN if it depends on an unknown value."""
        act = getattr(self, f"_{type(node).__name__.lower()}", None)
        if act is None:
            return UNKNOWN
        try:
            found = act(node, scope)
        except _EXPECTED:
            return UNKNOWN
        return UNKNOWN if isinstance(found, (str, bytes, tuple)) and len(found) > _MAX_LENGTH else found

    def truth(self, node: ast.expr, scope: Scope) -> bool | None:
        """Return whether a condition holds; None if it is not known."""
        value = self.value(node, scope)
        return None if value is UNKNOWN else bool(value)

    def _constant(self, node: ast.Constant, _scope: Scope) -> Any:
        return node.value

    def _name(self, node: ast.Name, scope: Scope) -> Any:
        return scope.get(node.id, UNKNOWN)

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        return self.fact(dotted_name(node, scope))

    def _tuple(self, node: ast.Tuple | ast.List | ast.Set, scope: Scope) -> Any:
        items = tuple(self.value(item, scope) for item in node.elts)
        return UNKNOWN if UNKNOWN in items else items

    _list = _set = _tuple

    def _dict(self, node: ast.Dict, _scope: Scope) -> Any:
        return UNKNOWN if node.keys else {}

    def _unaryop(self, node: ast.UnaryOp, scope: Scope) -> Any:
        value = self.value(node.operand, scope)
        return not value if isinstance(node.op, ast.Not) and value is not UNKNOWN else UNKNOWN

    def _boolop(self, node: ast.BoolOp, scope: Scope) -> Any:
        stops_at = isinstance(node.op, ast.Or)
        unknown = False
        value: Any = UNKNOWN
        for part in node.values:
            value = self.value(part, scope)
            if value is UNKNOWN:
                unknown = True
            elif bool(value) is stops_at:
                return value
        return UNKNOWN if unknown else value

    def _ifexp(self, node: ast.IfExp, scope: Scope) -> Any:
        truth = self.truth(node.test, scope)
        return UNKNOWN if truth is None else self.value(node.body if truth else node.orelse, scope)

    def _compare(self, node: ast.Compare, scope: Scope) -> Any:
        left = self.value(node.left, scope)
        for comparison, operand in zip(node.ops, node.comparators, strict=False):
            right = self.value(operand, scope)
            if left is UNKNOWN or right is UNKNOWN:
                return UNKNOWN
            if not _COMPARE[type(comparison)](left, right):
                return False
            left = right
        return True

    def _binop(self, node: ast.BinOp, scope: Scope) -> Any:
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        both = isinstance(left, (str, tuple)) and type(left) is type(right)
        return left + right if both and isinstance(node.op, ast.Add) else UNKNOWN

    def _joinedstr(self, node: ast.JoinedStr, scope: Scope) -> Any:
        parts = [self.value(getattr(part, "value", None) if _is_plain(part) else part, scope) for part in node.values]
        return "".join(parts) if all(isinstance(part, str) for part in parts) else UNKNOWN

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Any:
        whole = self.value(node.value, scope)
        if whole is UNKNOWN:
            return UNKNOWN
        if isinstance(node.slice, ast.Slice):
            ends = [None if end is None else self.value(end, scope) for end in (node.slice.lower, node.slice.upper)]
            return whole[ends[0] : ends[1]]
        return whole[self.value(node.slice, scope)]

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        name = dotted_name(node.func, scope)
        if name == "getattr":
            return self.fact(dotted_name(node, scope))
        arguments = [self.value(argument, scope) for argument in node.args]
        if name in {"os.environ.get", "os.getenv"}:
            default = arguments[1] if len(arguments) > 1 else None
            return UNKNOWN if arguments[0] is UNKNOWN else self.fact("os.environ").get(arguments[0], default)
        if name == "hasattr" and len(arguments) > 1:
            return False if str(arguments[1]).startswith("pypy_") else UNKNOWN
        if name in _FUNCTIONS and arguments and arguments[0] is not UNKNOWN:
            return _FUNCTIONS[name](arguments[0])
        if isinstance(node.func, ast.Attribute) and node.func.attr in _TEXT_METHODS:
            text = self.value(node.func.value, scope)
            if isinstance(text, str) and UNKNOWN not in arguments:
                return getattr(text, node.func.attr)(*arguments)
        return self.fact(f"{name}()")


def dotted_name(node: ast.expr, scope: Scope) -> str:
    """Return a dotted name, with the full name of an import; empty for other expressions."""
    if isinstance(node, ast.Name):
        return str(scope.get(f"import {node.id}", node.id))
    if isinstance(node, ast.Attribute):
        owner = dotted_name(node.value, scope)
        return f"{owner}.{node.attr}" if owner else ""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "getattr"
        and len(node.args) > 1
    ):
        owner, name = dotted_name(node.args[0], scope), node.args[1]
        return f"{owner}.{name.value!s}" if owner and isinstance(name, ast.Constant) else ""
    return ""


def _is_plain(part: ast.expr) -> bool:
    return isinstance(part, ast.FormattedValue) and part.conversion == -1 and part.format_spec is None
