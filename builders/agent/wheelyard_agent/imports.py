"""Import the modules of a wheel, each top-level one in a process of its own, and go on after one that kills it.

Code that is imported can do in its process whatever it likes, so it can write a report of its own there. It cannot
write another top-level module's: that is written to a pipe that only the other process has, and the processes run one
after the other (docs/decisions/0029).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from wheelyard_agent.job import end_other_processes

# What the dynamic linker says (glibc's elf/dl-load.c and dl-lookup.c), and CPython of a library without an entry point
# (Python/importdl.c); neither has error codes.
_LOADER_ERRORS = (
    *("cannot open shared object file", "undefined symbol", "symbol lookup error", "invalid ELF header"),
    "does not define module export function",
)
_MOST_ENDINGS = 20
"""After so many modules that ended their process nobody needs to hear of more."""
_LINE_BYTES = 16 << 10
_TEXT_LENGTH = 500
"""Where the program below cuts texts."""
_BLOCK = 1 << 16
_LOOK_MILLISECONDS = 100
_FORGED = "its code wrote a report of its own import"
_NOT_TRIED = "it was not tried, because too many modules before it ended the interpreter"

# Python runs this with -S, so without the start-up code of anything that is installed. It does what Python's site
# module does otherwise: it sets the prefix, defines exit() and its like, and reads .pth files. Of these it obeys the
# lines that name folders, and lines of code only in those files that its fourth argument names. Such a line may look
# for "sitedir" in the frame that runs it, as those of setuptools' -nspkg.pth files do.
#
# Reports go to a private descriptor, one JSON line a module; a module that ends the process leaves no line.
_PROGRAM = """
import importlib, json, os, site, sys
import_module, dumps, write, leave = importlib.import_module, json.dumps, os.write, os._exit
descriptor, sitedir, first_of_all, obeyed, *names = sys.argv[1:]
descriptor, obeyed = int(descriptor), json.loads(obeyed)
del sys.argv[1:]
os.set_inheritable(descriptor, False)
sys.prefix = sys.exec_prefix = os.path.dirname(os.path.dirname(sys.executable))
site.PREFIXES[:], site.ENABLE_USER_SITE = [sys.prefix], False
site.setquit(), site.setcopyright(), site.sethelper()
exec(first_of_all, {})
sys.path.append(sitedir)
def read_pth(sitedir, file):
    with open(os.path.join(sitedir, file), encoding="utf-8-sig", errors="replace") as text:
        for line in map(str.rstrip, text.read().splitlines()):
            if line.startswith(("import ", "import\\t")):
                if file in obeyed:
                    exec(line)
            elif line and not line.startswith("#") and "\\0" not in line:
                folder = os.path.abspath(os.path.join(sitedir, line))
                if os.path.isdir(folder) and folder not in sys.path:
                    sys.path.append(folder)
for file in sorted(os.listdir(sitedir)):
    if file.endswith(".pth") and not file.startswith("."):
        try:
            read_pth(sitedir, file)
        except Exception as error:
            print(f"{file}: {error!r}", file=sys.stderr)
def text(error):
    return f"{type(error).__name__}: {error}"[:500]
def first(error):
    seen = []
    while error is not None and not any(error is one for one in seen):
        seen.append(error)
        error = error.__cause__ or error.__context__
    return seen[-1]
def missing(error):
    return isinstance(error, ModuleNotFoundError) and error.name and str(error.name)[:500] or None
for name in names:
    try:
        import_module(name)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        behind = text(first(error)) if first(error) is not error else None
        wants = missing(error) or missing(first(error))
        standard = (missing(error) or "").partition(".")[0] in sys.stdlib_module_names
        line = {"name": name, "error": text(error), "behind": behind, "wants": wants, "standard": standard}
    else:
        line = {"name": name, "error": None, "behind": None, "wants": None, "standard": False}
    write(descriptor, dumps(line).encode() + b"\\n")
leave(0)
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


class _Interpreter(NamedTuple):
    """How modules are imported."""

    python: str
    env: Mapping[str, str]
    obeyed: Collection[str]
    """Files ``.pth`` of its site-packages whose code is run."""
    first: str
    """A program that is run before anything else."""

    def command(self, report: int, names: Sequence[str]) -> list[str]:
        program = [self.python, "-I", "-S", "-c", _PROGRAM]
        return [*program, str(report), str(site_of(self.python)), self.first, json.dumps(sorted(self.obeyed)), *names]


def import_modules(  # noqa: PLR0913  all of them are about how, and named
    names: Sequence[str],
    *,
    python: str,
    env: Mapping[str, str],
    lost: Collection[str] = (),
    obeyed: Collection[str] = (),
    first: str = "",
    settle: Callable[[str], None] = lambda _: None,
) -> list[ImportResult]:
    """Import modules; one that kills its process counts as failed, and those after it are imported in a new one.

    No start-up code of what is installed runs before them, but that of the ``.pth`` files in ``obeyed``.

    Args:
        names: the modules. Those that have their top-level package in common share a process.
        python: the interpreter, of a virtual environment.
        env: its environment variables.
        lost: names of extension modules that the sdist has sources of and the wheel has not: what wants one is broken.
            Any other module that is missing, the project itself leaves out on this platform, or in every wheel.
        obeyed: names of ``.pth`` files.
        first: a program of ours, which each process runs before it knows of anything that is installed.
        settle: is called after each process, when nothing of it runs any more, with the name of what was imported.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition(".")[0], []).append(name)
    judge = _Judge(set(groups), {name.rpartition(".")[2] for name in lost})
    interpreter = _Interpreter(python, env, obeyed, first)
    results: dict[str, ImportResult] = {}
    for top, group in groups.items():
        for result in _import_group(group, interpreter, judge, partial(settle, top)):
            results[result.module] = result
    return [results[name] for name in names]


def load_library(library: Path, *, python: str, env: Mapping[str, str]) -> bool:
    """Tell whether the dynamic linker loads an extension module with all of its symbols, without importing it."""
    command = [python, "-I", "-S", "-c", "import ctypes, sys; ctypes.PyDLL(sys.argv[1])", str(library)]
    process = subprocess.Popen(
        command, env={**env, "LD_BIND_NOW": "1"}, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True
    )
    _await_end(process)
    return _end(process) == 0


def site_of(python: str) -> Path:
    """Give the site-packages folder of a virtual environment's interpreter."""
    return Path(python).parents[1] / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


def _import_group(
    names: Sequence[str], interpreter: _Interpreter, judge: _Judge, settle: Callable[[], None]
) -> list[ImportResult]:
    """Import the modules of one top-level package; only one that is broken takes another process."""
    results: list[ImportResult] = []
    left, endings = list(names), 0
    while left and endings < _MOST_ENDINGS:
        lines, broken = _import_run(left, interpreter)
        settle()
        results.extend(map(judge.result, lines))
        left = left[len(lines) :]
        if broken is not None and left:
            results.append(ImportResult(left.pop(0), broken, is_broken=True))
            endings += 1
    return [*results, *(ImportResult(name, _NOT_TRIED, is_broken=True) for name in left)]


def _import_run(names: Sequence[str], interpreter: _Interpreter) -> tuple[list[dict[str, Any]], str | None]:
    """Import modules in one process; return what it reports of the first of them, and what is wrong with the next."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as report:
        try:
            # LD_BIND_NOW: a symbol that no library has must show now, not when an application first calls it.
            process = subprocess.Popen(
                interpreter.command(writer, names),
                env={**interpreter.env, "LD_BIND_NOW": "1"},
                pass_fds=[writer],
                stdin=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(writer)
        most = _LINE_BYTES * (len(names) + 1)
        said, code = _listen(process, report.fileno(), most=most)
    return ([], _FORGED) if len(said) > most else read_report(said, names, code)


def read_report(said: bytes, names: Sequence[str], code: int) -> tuple[list[dict[str, Any]], str | None]:
    """Read what a process that has ended said of its modules, and what is wrong with the first that has no line.

    A line that speaks of a module out of turn, or in another form than the program above writes it, is a forgery: it
    breaks the module whose turn it was. Anything else is noise of a program that writes to descriptors at random.
    """
    lines: list[dict[str, Any]] = []
    for line in said.split(b"\n")[:-1]:
        if (found := _read_object(line)) is None or "name" not in found:
            continue
        if len(lines) == len(names) or not _is_result(found, names[len(lines)]):
            return lines[: len(names) - 1], _FORGED
        lines.append(found)
    if len(lines) == len(names):
        return lines, None
    how = f"signal {-code}" if code < 0 else f"code {code}"
    return lines, f"it ended the interpreter with {how}"


def _listen(process: subprocess.Popen[bytes], report: int, *, most: int) -> tuple[bytes, int]:
    """Read a report until its process ends, whoever else holds the other end of the pipe; return the exit code, too."""
    os.set_blocking(report, False)
    poll, said, is_open = select.poll(), b"", True
    poll.register(report, select.POLLIN)
    while len(said) <= most and not _has_ended(process):
        if not is_open:
            _await_end(process)
        elif poll.poll(_LOOK_MILLISECONDS):
            block = _read(report)
            said, is_open = said + (block or b""), block != b""
    code = _end(process)
    while len(said) <= most and (block := _read(report)):
        said += block
    return said, code


def _read(report: int) -> bytes | None:
    """Read what is there; nothing if nobody holds the other end any more, None if somebody does."""
    try:
        return os.read(report, _BLOCK)
    except BlockingIOError:
        return None


# A process that has ended stays in the table until all of its own are ended: so nobody else gets its number before.


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _await_end(process: subprocess.Popen[bytes]) -> None:
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def _end(process: subprocess.Popen[bytes]) -> int:
    """End a process with all that it started; return its exit code."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    end_other_processes()
    return code


def _read_object(line: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _is_result(said: Mapping[str, Any], name: str) -> bool:
    texts = ("error", "behind", "wants")
    has_form = said.keys() == {"name", "standard", *texts} and isinstance(said["standard"], bool)
    return has_form and said["name"] == name and all(_is_text(said[key]) for key in texts)


def _is_text(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= _TEXT_LENGTH)
