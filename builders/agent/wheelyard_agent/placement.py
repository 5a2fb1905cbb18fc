"""What a brought wheel puts where other projects, or the environment's owner, have their own files.

What Python runs at its start is judged by a list of what is harmless, because a line of a ``.pth`` file can hide
anything else. Of other projects' folders, only those of projects that most environments have are known.
"""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from wheelyard_agent.claims import lie
from wheelyard_agent.elf import installed_member

_LARGEST_TEXT = 64 << 10
_DEEPEST = 3
_MOST_LIES = 20
# Modules that Python, or a tool in front of it, imports by itself; an environment has one of each.
_STARTUP = frozenset({"sitecustomize", "usercustomize", "_virtualenv", "apport_python_hook"})
# The project that installs each, where its folder has another name.
_OWNERS = {
    "pkg_resources": "setuptools",
    "_distutils_hack": "setuptools",
    "_pytest": "pytest",
    "attr": "attrs",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "dateutil": "python-dateutil",
    "sklearn": "scikit-learn",
    "bs4": "beautifulsoup4",
}
_WELL_KNOWN = frozenset(
    {
        *(
            "pip",
            "setuptools",
            "wheel",
            "uv",
            "virtualenv",
            "packaging",
            "certifi",
            "urllib3",
            "requests",
            "idna",
        ),
        *(
            "charset_normalizer",
            "six",
            "typing_extensions",
            "attrs",
            "click",
            "jinja2",
            "markupsafe",
            "werkzeug",
            "flask",
        ),
        *("django", "cryptography", "cffi", "pydantic", "pydantic_core", "sqlalchemy", "lxml", "psutil", "aiohttp"),
        *("fastapi", "starlette", "pytest", "boto3", "botocore", "numpy", "scipy", "pandas", "matplotlib", "httpx"),
        *_OWNERS,
    }
)
_HARMLESS_IMPORTS = frozenset({"sys", "os", "types", "importlib", "site"})
_HARMLESS_CALLS = frozenset({"os.getenv", "os.environ.get"})
# What setuptools writes for namespace packages: https://github.com/pypa/setuptools/blob/v70.0.0/setuptools/namespaces.py
_NAMESPACE = re.compile(
    r"import sys, ?types, ?os; ?.{0,40}p = os\.path\.join\(.{1,400}sys\.modules\.setdefault\(.{1,600}"
)


def placement_lies(wheel: Path) -> list[dict[str, Any]]:
    """Return the start-up code of a wheel that may do anything, and its members in other projects' folders."""
    project = _plain(wheel.name.partition("-")[0])
    with zipfile.ZipFile(wheel) as bundle:
        members = {installed_member(name): name for name in bundle.namelist() if not name.endswith("/")}
        texts = {
            member: bundle.open(name).read(_LARGEST_TEXT).decode("utf-8-sig", errors="replace")
            for member, name in members.items()
            if "/" not in member and member.endswith(".pth")
        }
    tops = {_module(member) for member in members if not member.partition("/")[0].endswith((".dist-info", ".data"))}
    found = [
        lie("startup-code", name, problem) for name, text in texts.items() for problem in _pth_problems(text, tops)
    ]
    found += [
        lie("startup-code", top, "Python imports a module of this name by itself, and an environment has only one")
        for top in sorted(tops & _STARTUP)
        if _plain(top) != project
    ]
    return [*found, *_foreign_folders(members, project)][:_MOST_LIES]


def _foreign_folders(members: Iterable[str], project: str) -> Iterator[dict[str, Any]]:
    """Yield a lie for each folder of another project; a fork has that project's name in its own."""
    tops: dict[str, str] = {}
    for member in members:
        tops.setdefault(_module(member), member)
    for top, member in tops.items():
        owner = _OWNERS.get(top, _plain(top))
        if top in _WELL_KNOWN and owner not in project and _plain(top) not in project:
            yield lie(
                "foreign-folder", member, f"it would be installed among the files of {owner}, which is another project"
            )


def _module(member: str) -> str:
    """Return the top-level name by which Python imports what a member belongs to."""
    top, slash, _ = member.partition("/")
    return top if slash else top.partition(".")[0]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pth_problems(text: str, own: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with the lines of a ``.pth`` file, as Python's site module reads them."""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("#"):
            continue
        if line.startswith(("import ", "import\t")):
            does = "" if _NAMESPACE.fullmatch(line) else next(_effects(line, own, _DEEPEST), "")
            if does:
                yield f"Python runs its line {line[:100]!r} at each start, which {does}"
        elif line.startswith("/"):
            yield f"it has Python look for modules in {line[:100]!r}, a folder of the machine that it was built on"


def _effects(code: str, own: Collection[str], depth: int) -> Iterator[str]:
    """Yield what code does besides imports of the wheel's own modules, calls of these, and looks at the environment."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield "Python cannot parse"
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            for name in names:
                if name.partition(".")[0] not in _HARMLESS_IMPORTS and name.partition(".")[0] not in own:
                    yield f"imports {name[:100]}, which is not its own"
        elif isinstance(node, ast.Call):
            called, argument = ast.unparse(node.func), node.args[0] if node.args else None
            constant = argument.value if isinstance(argument, ast.Constant) else None
            if called in {"exec", "eval"} and isinstance(constant, str) and depth:
                yield from _effects(constant, own, depth - 1)
            elif called == "__import__" and isinstance(constant, str):
                yield from _effects(f"import {constant}", own, 0)
            elif called not in _HARMLESS_CALLS and re.split(r"\W+", _imported(called))[0] not in own:
                yield f"calls {called[:100]}"


def _imported(called: str) -> str:
    """Return the name of a call of ``__import__('x').y`` as ``x.y``."""
    return re.sub(r"^__import__\('(\w+)'\)", r"\1", called)
