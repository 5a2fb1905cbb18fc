"""Find out how extension modules get on with a free-threaded Python: whether its GIL stays off, and calls from threads.

Python switches the global interpreter lock (GIL) on for good when it imports a module that does not declare that it can
do without (https://docs.python.org/3.14/howto/free-threading-extensions.html), also if another module imports that one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wheelyard_agent.imports import ImportResult

_THREADS = 8
_SECONDS = 20
_MOST_ALONE = 50
"""The maximum number of modules that are imported again, each in a process of its own."""
_MOST_CALLED = 20

# Each thread imports the module, reads its public names, and calls what is made in native code without arguments. Most
# calls raise TypeError, after the argument parser of the function has run; what they raise does not matter.
_PROGRAM = """
import importlib, os, sys, threading
name, count = sys.argv[1], int(sys.argv[2])
start = threading.Barrier(count)
def use():
    start.wait()
    module = importlib.import_module(name)
    for _ in range(20):
        for public in [one for one in dir(module) if not one.startswith("_")]:
            try:
                value = getattr(module, public)
                repr(value), hash(value), dir(value)
                if type(value).__name__ == "builtin_function_or_method" or isinstance(value, type):
                    value()
            except BaseException:
                pass
threads = [threading.Thread(target=use, daemon=True) for _ in range(count)]
for one in threads:
    one.start()
for one in threads:
    one.join()
os._exit(0)
"""


def is_free_threaded() -> bool:
    """Return whether this is a free-threaded Python, as that of the environment is then."""
    return "t" in sys.abiflags


def read_gil(
    results: Sequence[ImportResult],
    extensions: Sequence[str],
    import_alone: Callable[[str], Sequence[ImportResult]],
) -> dict[str, bool]:
    """Return, for each extension module that was imported, whether the GIL is off after its import.

    Modules of one package were imported in one process, so those after the first that switched the GIL on are imported
    again, each in a process of its own.
    """
    states: dict[str, bool] = {}
    switched: set[str] = set()
    alone = 0
    for one in results:
        top, is_on = one.module.partition(".")[0], one.gil
        if one.module in extensions and one.error is None and is_on is not None:
            if is_on and top in switched and alone < _MOST_ALONE:
                alone += 1
                is_on = next((again.gil for again in import_alone(one.module) if again.gil is not None), True)
            states[one.module] = not is_on
        if one.gil:
            switched.add(top)
    return states


def try_threads(modules: Sequence[str], *, python: str, env: Mapping[str, str]) -> dict[str, bool]:
    """Use modules from eight threads at once; return whether each one survived.

    A module is left out if one thread already crashes it or does not end in time: that says nothing about threads.
    """
    survived: dict[str, bool] = {}
    for name in modules[:_MOST_CALLED]:
        if _ends_well(name, 1, python=python, env=env):
            survived[name] = _ends_well(name, _THREADS, python=python, env=env) is not False
    return survived


def report_states(states: Mapping[str, bool], survived: Mapping[str, bool]) -> list[dict[str, Any]]:
    """Return what the worker gets to know of each extension module."""
    return [{"module": name, "off": off, "threads": survived.get(name)} for name, off in states.items()]


def _ends_well(name: str, threads: int, *, python: str, env: Mapping[str, str]) -> bool | None:
    """Return whether a program that uses a module ends well; None if it does not end in time."""
    command = [python, "-I", "-W", "ignore", "-c", _PROGRAM, name, str(threads)]
    nowhere = subprocess.DEVNULL
    try:
        process = subprocess.run(
            command,
            env=dict(env),
            cwd="/",
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return process.returncode >= 0
