"""Importing modules of unknown conduct: each is tried, and what is the wheel's own fault is told from the rest."""

import _ctypes
import contextlib
import json
import os
import shutil
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelyard_agent.imports import ImportResult, import_modules, load_library, read_report


class Site:
    """A virtual environment to lay modules into."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = str(folder / "bin" / "python")
        (self._site,) = folder.glob("lib/python*/site-packages")

    def imported(
        self,
        lost: Sequence[str] = (),
        obeyed: Sequence[str] = (),
        first: str = "",
        settle: Callable[[str], None] = lambda _: None,
        **modules: str,
    ) -> dict[str, ImportResult]:
        """Write modules and import them, in the order that they are given."""
        shutil.rmtree(self._site / "__pycache__", ignore_errors=True)  # it may hold an equally long text's code
        for name, text in modules.items():
            (self._site / f"{name}.py").write_text(text)
        results = self.run(list(modules), lost=lost, obeyed=obeyed, first=first, settle=settle)
        assert [result.module for result in results] == list(modules)
        return {result.module: result for result in results}

    def run(
        self,
        names: Sequence[str],
        lost: Sequence[str] = (),
        obeyed: Sequence[str] = (),
        first: str = "",
        settle: Callable[[str], None] = lambda _: None,
    ) -> list[ImportResult]:
        """Import modules that are there."""
        env = {"PATH": os.defpath, "HOME": "/", "PYTHONDONTWRITEBYTECODE": "1"}
        return import_modules(names, python=self.python, env=env, lost=lost, obeyed=obeyed, first=first, settle=settle)

    @contextlib.contextmanager
    def startup(self, **files: str) -> Iterator[None]:
        """Lay files beside the modules for a while."""
        for name, text in files.items():
            (self._site / name).parent.mkdir(exist_ok=True)
            (self._site / name).write_text(text)
        yield
        for name in files:
            (self._site / name).unlink()


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


def test_modules_that_can_be_imported_are_fine(python: Site) -> None:
    results = python.imported(fine_one="", fine_two="import fine_one")
    assert [(result.error, result.is_broken) for result in results.values()] == [(None, False)] * 2


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "with signal 9"),
        ("import os; os._exit(3)", "with code 3"),
        ("import os; os._exit(0)", "with code 0"),
    ],
)
def test_module_that_kills_the_interpreter_is_broken_and_the_rest_goes_on(python: Site, text: str, how: str) -> None:
    results = python.imported(before_it="", killer=text, after_it="", killer_two=text, last="")
    assert {name for name, result in results.items() if result.is_broken} == {"killer", "killer_two"}
    assert results["killer"].error == f"it ended the interpreter {how}"
    assert results["last"].error is None


def test_extension_module_of_the_wheels_own_that_was_lost_breaks_it(python: Site) -> None:
    result = python.imported(own="import own._speedups", lost=["src.own._speedups"])["own"]
    assert (result.is_broken, result.lacks) == (True, "own._speedups")
    assert "own._speedups" in (result.error or "")


def test_module_of_the_wheels_own_that_nobody_promised_is_told(python: Site) -> None:
    result = python.imported(own="import own._windows", lost=["own._speedups"])["own"]
    assert (result.is_broken, result.lacks, result.companion) == (False, "own._windows", None)


@pytest.mark.parametrize("behind", ["", "\nexcept ModuleNotFoundError:\n    raise ImportError('get it') from None"])
def test_module_of_another_distribution_that_is_missing_is_a_companion(python: Site, behind: str) -> None:
    text = f"try:\n    import some_companion{behind}" if behind else "import some_companion"
    result = python.imported(optional=text, lost=["some_companion"])["optional"]
    assert (result.is_broken, result.lacks, result.companion) == (False, None, "some_companion")
    assert not result.is_excused


@pytest.mark.parametrize(("content", "loads"), [(None, False), (b"\x7fELF no program", False), (b"real", True)])
def test_extension_module_is_loaded_without_being_imported(
    python: Site,
    tmp_path: Path,
    content: bytes | None,
    loads: bool,  # noqa: FBT001
) -> None:
    library = Path(_ctypes.__file__) if content == b"real" else tmp_path / "_c.so"
    if content not in {None, b"real"}:
        library.write_bytes(content)
    assert load_library(library, python=python.python, env={"PATH": os.defpath}) == loads


def test_part_of_the_standard_library_that_is_missing_is_told_from_the_rest(python: Site) -> None:
    result = python.imported(gui="raise ModuleNotFoundError('none', name='tkinter.ttk')")["gui"]
    assert (result.is_broken, result.is_excused) == (False, True)


@pytest.mark.parametrize(
    "error",
    [
        "libyaml-0.so.2: cannot open shared object file: No such file or directory",
        "/x/_c.so: undefined symbol: yaml_parser_parse",
        "/x/_c.so: invalid ELF header",
        "dynamic module does not define module export function (PyInit__c)",
    ],
)
def test_library_or_symbol_that_cannot_be_found_breaks_it(python: Site, error: str) -> None:
    result = python.imported(native=f"raise ImportError({error!r})")["native"]
    assert (result.is_broken, result.error) == (True, f"ImportError: {error}")


@pytest.mark.parametrize(
    "text",
    [
        "import ctypes\nctypes.CDLL('libnowhere.so.7')",
        "import ctypes\nctypes.CDLL(None).no_such_function_of_macos",
    ],
)
def test_library_or_symbol_that_python_code_asks_the_host_for_is_no_fault_of_the_wheel(python: Site, text: str) -> None:
    result = python.imported(asks=text)["asks"]
    assert (result.is_broken, result.is_foreign, result.wants_library) == (False, False, True)


def test_library_of_the_wheel_that_is_missing_breaks_it_however_it_is_loaded(python: Site) -> None:
    text = "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), 'libown.so'))"
    result = python.imported(loads=text)["loads"]
    assert (result.is_broken, result.wants_library) == (True, False)


def test_programs_that_an_import_looks_for_in_vain_are_told(python: Site) -> None:
    text = "import subprocess\nfor one in (['no-git'], ['sh', '-c', ''], ['/no/path'], ['--odd']):\n"
    text += "    try:\n        subprocess.run(one)\n    except OSError:\n        pass\nraise ImportError"
    results = python.imported(starts=text, quiet="raise ImportError")
    assert [one.programs for one in results.values()] == [("no-git",), ()]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pkg_macos", "import ctypes\nctypes.CDLL('libnowhere.so.7')"),
        ("pkg_win32", "import os; os.abort()"),
        ("security", "import ctypes\nctypes.CDLL('/System/Library/Frameworks/Security.framework/Security')"),
        ("registry", "import winreg"),
        ("dialog", "import ctypes\nctypes.windll.user32"),
    ],
)
def test_module_for_another_platform_is_known_by_its_name_and_by_what_it_misses(
    python: Site, name: str, text: str
) -> None:
    with python.startup(**{f"{name}.py": text}):
        (result,) = python.run([name])
    assert result.error is not None
    assert (result.is_broken, result.is_foreign) == (False, True)


@pytest.mark.parametrize(
    "text", ["raise RuntimeError('configure me')", "raise OSError", "import sys; sys.exit(1)", "1/0"]
)
def test_refusal_of_the_modules_own_is_an_error_but_no_fault_of_the_wheel(python: Site, text: str) -> None:
    result = python.imported(unwilling=text)["unwilling"]
    assert result.error is not None
    assert not result.is_broken


def test_module_that_exits_does_not_end_the_others(python: Site) -> None:
    results = python.imported(leaver="import sys; sys.exit(0)", follower="")
    assert (results["leaver"].error, results["follower"].error) == ("SystemExit: 0", None)


def test_noise_on_standard_output_is_no_report(python: Site) -> None:
    forged = """print('{"name": "noisy", "error": null, "missing": null}'); import sys; sys.stdout.flush(); 1 / 0"""
    assert (python.imported(noisy=forged)["noisy"].error or "").startswith("ZeroDivisionError")


def test_what_a_module_leaves_for_the_end_is_not_run(python: Site) -> None:
    text = "import atexit, os; atexit.register(os.abort)"
    assert python.imported(late=text)["late"] == ImportResult("late", None, is_broken=False)


def test_symbols_are_bound_at_once(python: Site) -> None:
    assert python.imported(bound="import os; assert os.environ['LD_BIND_NOW'] == '1'")["bound"].error is None


def test_long_error_is_cut(python: Site) -> None:
    assert len(python.imported(wordy="raise ValueError('x' * 9999)")["wordy"].error or "") == 500


def test_nothing_to_import_is_nothing(python: Site) -> None:
    assert python.imported() == {}


def test_what_came_before_the_last_error_is_said_too(python: Site) -> None:
    text = """
try:
    raise ImportError("libexpat.so.1: cannot open shared object file: No such file or directory")
except ImportError:
    import _elsewhere
"""
    result = python.imported(swig=text)["swig"]
    assert result.error == (
        "ModuleNotFoundError: No module named '_elsewhere', after "
        "ImportError: libexpat.so.1: cannot open shared object file: No such file or directory"
    )
    assert not result.is_broken


def test_errors_in_a_circle_have_an_end(python: Site) -> None:
    text = "one, two = ValueError('one'), ValueError('two')\none.__cause__, two.__cause__ = two, one\nraise one\n"
    assert python.imported(circle=text)["circle"].error == "ValueError: one, after ValueError: two"


KEY = "ab" * 16


def line(name: str, error: str | None = None, **more: object) -> bytes:
    """Write a line as an honest process reports it."""
    nothing: dict[str, object] = {"behind": None, "wants": None, "standard": False, "programs": [], "gil": None}
    said = {"name": name, "error": error, "key": KEY, **nothing, **more}
    return json.dumps(said).encode() + b"\n"


# Writes lines to whatever descriptor may be the report, the way it is found without being told.
FORGE = """
import glob, json, os
def said(name):
    nothing = {{"behind": None, "wants": None, "standard": False, "programs": [], "gil": None}}
    line = {{"name": name, "error": None, **nothing}}
    return json.dumps(line).encode() + b"\\n"
for number in range(3, 64):
    try:
        os.write(number, b"".join(map(said, {names})))
    except OSError:
        pass
{then}
"""


ENDS = pytest.mark.parametrize("then", ["", "os._exit(0)", "raise SystemExit", "os.close(number)", "os.fork()"])


@ENDS
def test_module_cannot_report_its_own_import_blindly(python: Site, then: str) -> None:
    results = python.imported(before_it="", forger=FORGE.format(names=["forger"], then=then), after_it="")
    assert (results["forger"].is_broken, results["forger"].error) == (True, "its code wrote a report of its own import")
    assert (results["before_it"].error, results["after_it"].error) == (None, None)


def test_key_of_the_report_is_nowhere_but_in_the_process(python: Site) -> None:
    text = """
import os, sys
key = sys.modules["__main__"].key
assert len(key) == 32
shown = [*sys.orig_argv, *sys.argv, *os.environ.values()]
for name in ("cmdline", "environ"):
    shown.append(open(f"/proc/self/{name}").read())
assert not [one for one in shown if key in one], shown
assert sys.stdin.read() == ""
"""
    assert python.imported(seeker=text)["seeker"].error is None


@ENDS
def test_module_cannot_report_another_modules_import(python: Site, then: str) -> None:
    forger = FORGE.format(names=["forger", "honest", "broken"], then=then)
    results = python.imported(before_it="", forger=forger, broken="raise ImportError('no')", after_it="")
    assert results["broken"].error == "ImportError: no"
    assert (results["forger"].is_broken, results["forger"].error) == (True, "its code wrote a report of its own import")
    assert (results["before_it"].error, results["after_it"].error) == (None, None)


def test_module_that_breaks_the_reporting_breaks_its_own(python: Site) -> None:
    text = """
import builtins, importlib, json, os, sys
json.dumps = importlib.import_module = lambda *_: '{"name": "broken", "error": null}'
os.write = os._exit = builtins.__import__ = None
sys.modules["broken"] = sys.modules["other"] = sys
sys.meta_path[:] = []
"""
    results = python.imported(patcher=text, broken="1 / 0", other="")
    assert results["broken"].error == "ZeroDivisionError: division by zero"
    assert results["other"].error is None


@pytest.mark.parametrize("text", ["while True: os.write(number, b'x' * 9999)", "os.write(number, b'xxx')"])
def test_report_without_end_or_sense_is_refused(python: Site, text: str) -> None:
    forge = f"import os, sys\nfor number in range(3, 64):\n  try:\n    {text}\n  except OSError: pass\n"
    results = python.imported(endless=forge, after_it="")
    assert (results["endless"].is_broken, results["after_it"].error) == (True, None)


def test_process_that_a_module_leaves_is_ended_and_not_waited_for(python: Site, tmp_path: Path) -> None:
    text = f"""
import os, time
if not os.fork():
    open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
    time.sleep(600)
while not os.path.exists({str(tmp_path / "pid")!r}) or not open({str(tmp_path / "pid")!r}).read(): time.sleep(0.01)
"""
    assert python.imported(leaver=text, after_it="")["leaver"].error is None
    pid = int((tmp_path / "pid").read_text())
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_thread_that_never_ends_does_not_hold_up_the_rest(python: Site) -> None:
    text = "import threading, time; threading.Thread(target=time.sleep, args=[600]).start()"
    assert python.imported(threaded=text)["threaded"].error is None


def test_only_modules_of_one_package_share_a_process(python: Site, tmp_path: Path) -> None:
    note = f"import os\nwith open({str(tmp_path / 'pids')!r}, 'a') as file: file.write(f'{{os.getpid()}} ')"
    with python.startup(
        **{"package/__init__.py": "", "package/one.py": note, "package/two.py": note, "single.py": note}
    ):
        python.run(["package.one", "single", "package.two"])
    one, two, single = (tmp_path / "pids").read_text().split()
    assert one == two != single


def test_start_up_code_does_not_run_before_a_proof(python: Site) -> None:
    forge = FORGE.format(names=["broken"], then="os._exit(0)")
    with python.startup(**{"evil.pth": "import forger\n", "sitecustomize.py": forge, "forger.py": forge}):
        assert python.imported(broken="raise ImportError('no')")["broken"].error == "ImportError: no"


def test_folders_of_pth_files_are_found_and_only_code_that_is_obeyed_runs(python: Site) -> None:
    spaced = "import sys, os; sys.from_line = os.path.basename(sys._getframe(1).f_locals['sitedir'])\n"
    with python.startup(
        **{"a.pth": f"# no\n\nextra\n{spaced}", "b.pth": "import no_such_module\n", "extra/deep.py": ""}
    ):
        assert python.imported(path="import deep, sys; assert not hasattr(sys, 'from_line')")["path"].error is None
        text = "import sys; assert sys.from_line == 'site-packages'"
        assert python.imported(obeyed=["a.pth", "b.pth"], code=text)["code"].error is None


def test_our_own_program_runs_before_anything_else(python: Site) -> None:
    text = "import sys; assert sys.ours == 1"
    ours = "import sys; assert not any('site-packages' in one for one in sys.path); sys.ours = 1"
    assert python.imported(first=ours, after=text)["after"].error is None


def test_process_is_as_sites_own_would_be(python: Site) -> None:
    text = "import sys; assert sys.prefix == sys.exec_prefix != sys.base_prefix; exit, quit, help, copyright, license"
    assert python.imported(usual=text)["usual"].error is None


def test_each_process_is_settled_before_the_next_begins(python: Site) -> None:
    settled: list[str] = []
    python.imported(settle=settled.append, one="", killer="import os; os._exit(3)", two="")
    assert settled == ["one", "killer", "two"]


def test_module_after_module_that_ends_the_interpreter_is_not_tried_for_ever(python: Site) -> None:
    settled: list[str] = []
    names = [f"deadly.m{number}" for number in range(30)]
    with python.startup(**{f"{name.replace('.', '/')}.py": "import os; os._exit(1)" for name in names}):
        results = python.run(names, settle=settled.append)
    assert len(settled) == 20
    assert all(result.is_broken for result in results)
    assert results[-1].error == "it was not tried, because too many modules before it ended the interpreter"


names = st.lists(st.sampled_from(["demo", "demo.a", "demo.b", "other"]), unique=True, min_size=1)
values = st.recursive(
    st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
lines = st.one_of(
    st.builds(line, st.sampled_from(["demo", "demo.a", "demo.b", "other"]), st.none() | st.text(max_size=600)),
    st.binary(max_size=60),
    values.map(lambda value: json.dumps(value).encode() + b"\n"),
)


@given(names=names, said=st.lists(lines, max_size=6).map(b"".join), code=st.integers(-64, 255))
def test_whatever_is_written_proves_no_module_out_of_turn(names: list[str], said: bytes, code: int) -> None:
    found, broken = read_report(said, names, code, key=KEY)
    assert [one["name"] for one in found] == names[: len(found)]
    assert (broken is None) == (len(found) == len(names))
    assert broken is None or len(found) < len(names)


@pytest.mark.parametrize(
    "said",
    [
        line("other"),
        line("demo", error="x" * 501),
        line("demo", wants=3),
        line("demo", standard=None),
        line("demo", programs="git"),
        line("demo", programs=[1]),
        line("demo", programs=["git"] * 6),
        line("demo", more=1),
        line("demo", key="cd" * 16),
        line("demo", key=None),
        line("demo") + line("other"),
        line("demo") * 2,
    ],
)
def test_line_of_a_module_that_no_honest_process_writes_is_a_forgery(said: bytes) -> None:
    assert read_report(said, ["demo"], 0, key=KEY) == ([], "its code wrote a report of its own import")


@pytest.mark.parametrize(
    "noise", [b"[" * 100_000, b'{"number": ' + b"9" * 5000 + b"}", b"\xff", b"", b'{"kind": "report"}', b'["name"]']
)
def test_noise_in_a_report_is_ignored(noise: bytes) -> None:
    found, broken = read_report(noise + b"\n" + line("demo") + noise + b"\n", ["demo"], 0, key=KEY)
    assert ([one["name"] for one in found], broken) == (["demo"], None)
    assert read_report(noise + b"\n", ["demo"], 3, key=KEY) == ([], "it ended the interpreter with code 3")
