"""Import the modules of a wheel, each top-level one in its own process, and continue after a crash.

Imported code controls its process, so it can forge the report of its own module, if it searches the process' memory for
the key of the report. It cannot forge the report of another top-level module, which is written to a pipe that only the
other process has. The processes run one after the other (docs/decisions/0029).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from wheelyard_agent.job import end_other_processes
from wheelyard_agent.platforms import names_other_platform, wants_other_platform

# Messages of the dynamic linker (glibc's elf/dl-load.c and dl-lookup.c), and of CPython for a missing entry point
# (Python/importdl.c); neither has error codes.
_LOADER_ERRORS = (
    *("cannot open shared object file", "undefined symbol", "symbol lookup error", "invalid ELF header"),
    "does not define module export function",
)
# What ctypes and cffi raise for a library or symbol that Python code asks for by name. Nothing is linked to it, so only
# one inside of the wheel is the wheel's own.
_BY_NAME = ("OSError: ", "AttributeError: ")
_PROGRAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_MOST_PROGRAMS = 5
_MOST_ENDINGS = 20
"""The maximum number of crashed modules in a report."""
_LINE_BYTES = 16 << 10
_KEY_BYTES = 16
_TEXT_LENGTH = 500
"""The length at which the program below cuts texts."""
_BLOCK = 1 << 16
_LOOK_MILLISECONDS = 100
_FORGED = "its code wrote a report of its own import"
_NOT_TRIED = "it was not tried, because too many modules before it ended the interpreter"

# Python runs this with -S, so without the start-up code of anything that is installed. It does what Python's site
# module does otherwise: it sets the prefix, defines exit() and its like, and reads .pth files. Of these it obeys the
# lines that name folders, and lines of code only in those files that its fourth argument names. Such a line may look
# for "sitedir" in the frame that runs it, as those of setuptools' -nspkg.pth files do.
#
# Reports go to a private descriptor, one JSON line per module; a module that ends the process leaves no line. Each line
# has the key that came on standard input, so that a line which anything else writes does not count.
_PROGRAM = """
import importlib, json, os, site, sys
import_module, dumps, write, leave = importlib.import_module, json.dumps, os.write, os._exit
key = os.read(0, 100).decode()
nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(nothing, 0), os.close(nothing)
descriptor, sitedir, first_of_all, obeyed, parents, *names = sys.argv[1:]
descriptor, obeyed, parents = int(descriptor), json.loads(obeyed), json.loads(parents)
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
wanted_programs = []
def note_program(event, args):
    if event == "subprocess.Popen":
        name = os.fsdecode(args[0]) if isinstance(args[0], (str, bytes)) else ""
        folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
        if name and "/" not in name and not any(os.access(f"{folder}/{name}", os.X_OK) for folder in folders):
            wanted_programs.append(name[:100])
sys.addaudithook(note_program)
is_free = "t" in sys.abiflags
gil_enabled = getattr(sys, "_is_gil_enabled", None)
def missing(error):
    return isinstance(error, ModuleNotFoundError) and error.name and str(error.name)[:500] or None
for name in parents:
    try:
        import_module(name)
    except Exception as error:
        print(f"{name}: {error!r}", file=sys.stderr)
for name in names:
    wanted_programs.clear()
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
    line["programs"], line["key"] = wanted_programs[:5], key
    line["gil"] = bool(gil_enabled()) if is_free else None
    write(descriptor, dumps(line).encode() + b"\\n")
leave(0)
"""


class ImportResult(NamedTuple):
    """The result of a module's import."""

    module: str
    error: str | None
    is_broken: bool
    """True if the wheel itself is at fault: a missing library or symbol, a lost extension module, or a crashed
    interpreter. Other errors may be correct for a module whose optional companions, configuration or operating system
    are missing."""
    is_foreign: bool = False
    """True if it is at the top or lacks a library or symbol, and is for another platform, by its name or by what it
    lacks."""
    wants_library: bool = False
    """True if its Python code asks by name for a library or symbol that is not in the wheel, and not on this host."""
    is_excused: bool = False
    """True if it needs a part of the standard library that the image's Python lacks, such as Tk. It may work on other
    hosts."""
    lacks: str | None = None
    """A missing module of the wheel's own that it needs."""
    companion: str | None = None
    """A missing module of another distribution that it needs."""
    programs: tuple[str, ...] = ()
    """Programs that its import tried to start and that are not there."""
    gil: bool | None = None
    """Whether the GIL is on after its import; None if this Python is not a free-threaded one."""


class _Judge(NamedTuple):
    """Distinguishes a wheel's own faults from other errors."""

    roots: set[str]
    lost: set[str]
    site: str

    def result(self, line: Mapping[str, Any]) -> ImportResult:
        """Return the result for the last error; the message also has the first one, which may have caused it."""
        error, behind, wants = line["error"], line["behind"], line["wants"]
        said = f"{error}, after {behind}" if behind else error
        is_own = wants is not None and wants.partition(".")[0] in self.roots
        is_lost = is_own and wants.rpartition(".")[2] in self.lost
        is_unlinked = error is not None and any(mark in error for mark in _LOADER_ERRORS)
        is_foreign = (is_unlinked or (error is not None and "." not in line["name"])) and (
            names_other_platform(line["name"]) or wants_other_platform(said, wants)
        )
        by_name = is_unlinked and error.startswith(_BY_NAME) and f"{self.site}/" not in error
        return ImportResult(
            line["name"],
            said,
            is_broken=is_lost or (is_unlinked and not is_foreign and not by_name),
            is_foreign=is_foreign,
            wants_library=by_name and not is_foreign,
            is_excused=line["standard"],
            lacks=wants if is_own else None,
            companion=None if is_own or line["standard"] else wants,
            programs=tuple(name for name in line["programs"] if _PROGRAM_NAME.fullmatch(name)),
            gil=line["gil"],
        )

    def ended(self, name: str, how: str) -> ImportResult:
        """Return the result for a module that left no report; one of another platform may call whatever it likes."""
        is_foreign = names_other_platform(name)
        return ImportResult(name, how, is_broken=not is_foreign, is_foreign=is_foreign)


class _Interpreter(NamedTuple):
    """The settings for imports."""

    python: str
    env: Mapping[str, str]
    obeyed: Collection[str]
    """``.pth`` files of its site-packages whose code is run."""
    first: str
    """A program to run before anything else."""
    parents: Sequence[str] = ()
    """Modules to import before those that are proven."""

    def command(self, report: int, names: Sequence[str]) -> list[str]:
        program = [self.python, "-I", "-S", "-c", _PROGRAM]
        settings = (self.first, json.dumps(sorted(self.obeyed)), json.dumps(list(self.parents)))
        return [*program, str(report), str(site_of(self.python)), *settings, *names]


def import_modules(  # noqa: PLR0913  all of them are about how, and named
    names: Sequence[str],
    *,
    python: str,
    env: Mapping[str, str],
    lost: Collection[str] = (),
    obeyed: Collection[str] = (),
    first: str = "",
    parents: Sequence[str] = (),
    settle: Callable[[str], None] = lambda _: None,
) -> list[ImportResult]:
    """Import modules; one that ends its process counts as failed, and a new process imports the next ones.

    No start-up code of installed projects runs before them, except that of the ``.pth`` files in ``obeyed``.

    Args:
        names: The modules. Those with the same top-level package share a process.
        python: The interpreter of a virtual environment.
        env: Its environment variables.
        lost: Names of extension modules that the wheel lacks although the sdist has sources: importing one is a fault.
            The project itself leaves out any other missing module on this platform, or in every wheel.
        obeyed: Names of ``.pth`` files.
        first: A program that each process runs before site-packages is on its path.
        parents: Modules that each process imports before, such as those of the project that a module is a part of.
        settle: Called after each process has ended completely, with the name of the imported package.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition(".")[0], []).append(name)
    judge = _Judge(set(groups), {name.rpartition(".")[2] for name in lost}, str(site_of(python)))
    interpreter = _Interpreter(python, env, obeyed, first, parents)
    results: dict[str, ImportResult] = {}
    for top, group in groups.items():
        for result in _import_group(group, interpreter, judge, partial(settle, top)):
            results[result.module] = result
    return [results[name] for name in names]


def load_library(library: Path, *, python: str, env: Mapping[str, str]) -> bool:
    """Return whether the dynamic linker loads an extension module with all its symbols, without importing it."""
    command = [python, "-I", "-S", "-c", "import ctypes, sys; ctypes.PyDLL(sys.argv[1])", str(library)]
    process = subprocess.Popen(
        command, env={**env, "LD_BIND_NOW": "1"}, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True
    )
    _await_end(process)
    return _end(process) == 0


def site_of(python: str) -> Path:
    """Return the site-packages folder of a virtual environment's interpreter."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}{sys.abiflags}"  # abiflags: "t" if it is free-threaded
    return Path(python).parents[1] / "lib" / f"python{version}" / "site-packages"


def _import_group(
    names: Sequence[str], interpreter: _Interpreter, judge: _Judge, settle: Callable[[], None]
) -> list[ImportResult]:
    """Import the modules of one top-level package; a new process starts only after a broken one."""
    results: list[ImportResult] = []
    left, endings = list(names), 0
    while left and endings < _MOST_ENDINGS:
        lines, broken = _import_run(left, interpreter)
        settle()
        results.extend(map(judge.result, lines))
        left = left[len(lines) :]
        if broken is not None and left:
            results.append(judge.ended(left.pop(0), broken))
            endings += 1
    return [*results, *(ImportResult(name, _NOT_TRIED, is_broken=True) for name in left)]


def _import_run(names: Sequence[str], interpreter: _Interpreter) -> tuple[list[dict[str, Any]], str | None]:
    """Import modules in one process; return its reports of the first ones, and the problem of the next one."""
    key = secrets.token_hex(_KEY_BYTES)
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as report, _pipe_of(key) as stdin:
        try:
            # LD_BIND_NOW: a missing symbol must show now, not at its first call (ld.so(8)).
            process = subprocess.Popen(
                interpreter.command(writer, names),
                env={**interpreter.env, "LD_BIND_NOW": "1"},
                pass_fds=[writer],
                stdin=stdin,
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(writer)
        most = _LINE_BYTES * (len(names) + 1)
        said, code = _listen(process, report.fileno(), most=most)
    return ([], _FORGED) if len(said) > most else read_report(said, names, code, key=key)


@contextlib.contextmanager
def _pipe_of(text: str) -> Iterator[int]:
    """Yield the descriptor of a pipe that holds a short text."""
    reader, writer = os.pipe()
    try:
        os.write(writer, text.encode())
        os.close(writer)
        yield reader
    finally:
        os.close(reader)


def read_report(said: bytes, names: Sequence[str], code: int, *, key: str) -> tuple[list[dict[str, Any]], str | None]:
    """Return the reports of an ended process, and the problem of the first module without one.

    A line without the process' key, about a module out of turn, or in another form than that of the program above, is a
    forgery: it breaks the module whose turn it was. Anything else is noise of a program that writes to descriptors at
    random.
    """
    lines: list[dict[str, Any]] = []
    for line in said.split(b"\n")[:-1]:
        if (found := _read_object(line)) is None or "name" not in found:
            continue
        if len(lines) == len(names) or not _is_result(found, names[len(lines)], key):
            return lines[: len(names) - 1], _FORGED
        lines.append(found)
    if len(lines) == len(names):
        return lines, None
    how = f"signal {-code}" if code < 0 else f"code {code}"
    return lines, f"it ended the interpreter with {how}"


def _listen(process: subprocess.Popen[bytes], report: int, *, most: int) -> tuple[bytes, int]:
    """Read a report until its process ends, even if others hold the pipe open; return report and exit code."""
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
    """Read available data; return empty bytes at the end of the pipe, None if there is no data yet."""
    try:
        return os.read(report, _BLOCK)
    except BlockingIOError:
        return None


# The ended process is only reaped after all its children, so that its id is not reused before.


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _await_end(process: subprocess.Popen[bytes]) -> None:
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def _end(process: subprocess.Popen[bytes]) -> int:
    """End a process and all its children; return its exit code."""
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


def _is_result(said: Mapping[str, Any], name: str, key: str) -> bool:
    texts = ("error", "behind", "wants")
    has_form = said.keys() == {"name", "standard", "programs", "gil", "key", *texts}
    has_form = has_form and isinstance(said["standard"], bool)
    return (
        has_form
        and said["key"] == key
        and _are_programs(said["programs"])
        and (said["gil"] is None or isinstance(said["gil"], bool))
        and said["name"] == name
        and all(_is_text(said[key]) for key in texts)
    )


def _are_programs(value: object) -> bool:
    return isinstance(value, list) and len(value) <= _MOST_PROGRAMS and all(isinstance(one, str) for one in value)


def _is_text(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= _TEXT_LENGTH)
