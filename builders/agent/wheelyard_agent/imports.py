"""Import modules one by one in a process of their own, and go on after one that kills it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

# What the dynamic linker says (glibc's elf/dl-load.c and dl-lookup.c), and CPython of a library without an entry point
# (Python/importdl.c); neither has error codes.
_LOADER_ERRORS = (
    *("cannot open shared object file", "undefined symbol", "symbol lookup error", "invalid ELF header"),
    "does not define module export function",
)

# Reports go to a private descriptor, one JSON line a module; a module that ends the process leaves no line.
_PROGRAM = """
import importlib, json, os, sys
report = os.fdopen(int(sys.argv[1]), "w", buffering=1)
def text(error):
    return f"{type(error).__name__}: {error}"[:500]
def first(error):
    seen = []
    while error is not None and not any(error is one for one in seen):
        seen.append(error)
        error = error.__cause__ or error.__context__
    return seen[-1]
def missing(error):
    return isinstance(error, ModuleNotFoundError) and error.name or None
for name in sys.argv[2:]:
    report.write(json.dumps({"begin": name}) + "\\n")
    try:
        importlib.import_module(name)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        behind = text(first(error)) if first(error) is not error else None
        wants = missing(error) or missing(first(error))
        standard = (missing(error) or "").partition(".")[0] in sys.stdlib_module_names
        line = {"name": name, "error": text(error), "behind": behind, "wants": wants, "standard": standard}
    else:
        line = {"name": name, "error": None, "behind": None, "wants": None, "standard": False}
    report.write(json.dumps(line) + "\\n")
report.close()
os._exit(0)
"""


class ImportResult(NamedTuple):
    """What happened when a module was imported."""

    module: str
    error: str | None
    is_broken: bool
    """True if the wheel itself is at fault: a library or symbol that cannot be found, a lost extension module, or an
    interpreter that did not survive. Other errors may be the module's right answer to a place without its optional
    companions, its configuration or its operating system."""
    is_excused: bool = False
    """True if it wants a part of the standard library that the image's Python was built without, such as Tk: whether it
    works elsewhere cannot be told here."""
    lacks: str | None = None
    """A module of the wheel's own that it wants and that is not there."""
    companion: str | None = None
    """A module of another distribution that it wants and that is not there."""


class _Judge(NamedTuple):
    """Tells a wheel's own faults from the rest."""

    roots: set[str]
    lost: set[str]

    def result(self, line: Mapping[str, Any]) -> ImportResult:
        """Judge by the last error alone; the first one, which a module may have made another of, is said beside it."""
        error, behind, wants = line["error"], line["behind"], line["wants"]
        said = f"{error}, after {behind}" if behind else error
        is_own = wants is not None and wants.partition(".")[0] in self.roots
        is_lost = is_own and wants.rpartition(".")[2] in self.lost
        return ImportResult(
            line["name"],
            said,
            is_broken=is_lost or (error is not None and any(mark in error for mark in _LOADER_ERRORS)),
            is_excused=line["standard"],
            lacks=wants if is_own else None,
            companion=None if is_own or line["standard"] else wants,
        )


def import_modules(
    names: Sequence[str], *, python: str, env: Mapping[str, str], lost: Collection[str] = ()
) -> list[ImportResult]:
    """Import each module; one that kills the process counts as failed, and the rest goes on in a new process.

    ``lost`` names extension modules that the sdist has sources of and the wheel has not: what wants one is broken. Any
    other module that is missing, the project itself leaves out on this platform, or in every wheel.
    """
    results: list[ImportResult] = []
    left = list(names)
    judge = _Judge({name.partition(".")[0] for name in names}, {name.rpartition(".")[2] for name in lost})
    while left:
        done, killer = _import_run(left, judge, python=python, env=env)
        results.extend(done)
        left = left[len(done) :]
        if killer is not None and left:
            results.append(ImportResult(left.pop(0), killer, is_broken=True))
    return results


def load_library(library: Path, *, python: str, env: Mapping[str, str]) -> bool:
    """Tell whether the dynamic linker loads an extension module with all of its symbols, without importing it."""
    command = [python, "-I", "-c", "import ctypes, sys; ctypes.PyDLL(sys.argv[1])", str(library)]
    return subprocess.call(command, env={**env, "LD_BIND_NOW": "1"}, stdin=subprocess.DEVNULL, cwd="/") == 0


def _import_run(
    names: Sequence[str], judge: _Judge, *, python: str, env: Mapping[str, str]
) -> tuple[list[ImportResult], str | None]:
    reader, writer = os.pipe()
    command = [python, "-I", "-c", _PROGRAM, str(writer), *names]
    # LD_BIND_NOW: a symbol that no library has must show now, not when an application first calls it.
    process = subprocess.Popen(
        command, env={**env, "LD_BIND_NOW": "1"}, pass_fds=[writer], stdin=subprocess.DEVNULL, cwd="/"
    )
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as report:
        lines = [json.loads(line) for line in report if line.startswith("{") and line.endswith("\n")]
    code = process.wait()
    done = [judge.result(line) for line in lines if "name" in line]
    if len(done) == len(names):
        return done, None
    how = f"it ended the interpreter with signal {-code}" if code < 0 else f"it ended the interpreter with code {code}"
    return done, how
