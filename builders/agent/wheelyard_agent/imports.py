"""Import modules one by one in a process of their own, and go on after one that kills it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# What the dynamic linker says (glibc's elf/dl-load.c and dl-lookup.c); it has no error codes.
_LOADER_ERRORS = ("cannot open shared object file", "undefined symbol", "symbol lookup error", "invalid ELF header")

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
for name in sys.argv[2:]:
    report.write(json.dumps({"begin": name}) + "\\n")
    try:
        importlib.import_module(name)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        missing = isinstance(error, ModuleNotFoundError) and error.name or None
        behind = text(first(error)) if first(error) is not error else None
        standard = missing is not None and missing.partition(".")[0] in sys.stdlib_module_names
        line = {"name": name, "error": text(error), "behind": behind, "missing": missing, "standard": standard}
    else:
        line = {"name": name, "error": None, "behind": None, "missing": None, "standard": False}
    report.write(json.dumps(line) + "\\n")
report.close()
os._exit(0)
"""


class ImportResult(NamedTuple):
    """What happened when a module was imported."""

    module: str
    error: str | None
    is_broken: bool
    """True if the wheel itself is at fault: a library or symbol that cannot be found, a module of the wheel's own that
    is missing, or an interpreter that did not survive. Other errors may be the module's right answer to a place
    without its optional companions, its configuration or its operating system."""
    is_excused: bool = False
    """True if it wants a part of the standard library that the image's Python was built without, such as Tk: whether it
    works elsewhere cannot be told here."""


def import_modules(names: Sequence[str], *, python: str, env: Mapping[str, str]) -> list[ImportResult]:
    """Import each module; one that kills the process counts as failed, and the rest goes on in a new process."""
    results: list[ImportResult] = []
    left = list(names)
    roots = {name.partition(".")[0] for name in names}
    while left:
        done, killer = _import_run(left, roots, python=python, env=env)
        results.extend(done)
        left = left[len(done) :]
        if killer is not None and left:
            results.append(ImportResult(left.pop(0), killer, is_broken=True))
    return results


def _import_run(
    names: Sequence[str], roots: set[str], *, python: str, env: Mapping[str, str]
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
    done = [_result(line, roots) for line in lines if "name" in line]
    if len(done) == len(names):
        return done, None
    how = f"it ended the interpreter with signal {-code}" if code < 0 else f"it ended the interpreter with code {code}"
    return done, how


def _result(line: Mapping[str, Any], roots: set[str]) -> ImportResult:
    """Judge by the last error alone; the first one, which a module may have made another of, is said beside it."""
    error, behind, missing = line["error"], line["behind"], line["missing"]
    own = missing is not None and missing.partition(".")[0] in roots
    unloadable = error is not None and any(mark in error for mark in _LOADER_ERRORS)
    said = f"{error}, after {behind}" if behind else error
    return ImportResult(line["name"], said, is_broken=own or unloadable, is_excused=line["standard"])
