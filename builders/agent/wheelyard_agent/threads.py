"""Find out how extension modules get on with a free-threaded Python: whether its GIL stays off, and calls from threads.

Python switches the global interpreter lock (GIL) on for good when it imports a module that does not declare that it can
do without (https://docs.python.org/3.14/howto/free-threading-extensions.html), also if another module imports that one.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wheelyard_agent.imports import ImportResult

_THREADS = 8
_SECONDS = 20
_SECONDS_OF_ALL = 120
"""How long all modules of a wheel may take: the proof has a time limit, and this must not be what reaches it."""
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

    A module is left out if one thread already crashes it, which says nothing about threads, if its calls do not end in
    time, or if there is no time left.
    """
    survived: dict[str, bool] = {}
    end = time.monotonic() + _SECONDS_OF_ALL
    for name in modules[:_MOST_CALLED]:
        if time.monotonic() > end:
            break
        if _ends_well(name, 1, python=python, env=env):
            ends_well = _ends_well(name, _THREADS, python=python, env=env)
            if ends_well is not None:
                survived[name] = ends_well
    return survived


def report_states(states: Mapping[str, bool], survived: Mapping[str, bool]) -> list[dict[str, Any]]:
    """Return what the worker gets to know of each extension module."""
    return [{"module": name, "off": off, "threads": survived.get(name)} for name, off in states.items()]


def _ends_well(name: str, threads: int, *, python: str, env: Mapping[str, str]) -> bool | None:
    """Return whether a program that uses a module ends well; None if it does not end in time."""
    command = [python, "-I", "-W", "ignore", "-c", _PROGRAM, name, str(threads)]
    no = subprocess.DEVNULL
    try:
        process = subprocess.run(
            command, env=env, cwd="/", stdin=no, stdout=no, stderr=no, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return process.returncode >= 0
