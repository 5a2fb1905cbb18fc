"""Importing modules of unknown conduct: each is tried, and what is the wheel's own fault is told from the rest."""

import _ctypes
import os
import shutil
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from wheelyard_agent.imports import ImportResult, import_modules, load_library


class Site:
    """A virtual environment to lay modules into."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = str(folder / "bin" / "python")
        (self._site,) = folder.glob("lib/python*/site-packages")

    def imported(self, lost: Sequence[str] = (), **modules: str) -> dict[str, ImportResult]:
        """Write modules and import them, in the order that they are given."""
        shutil.rmtree(self._site / "__pycache__", ignore_errors=True)  # it may hold an equally long text's code
        for name, text in modules.items():
            (self._site / f"{name}.py").write_text(text)
        env = {"PATH": os.defpath, "HOME": "/", "PYTHONDONTWRITEBYTECODE": "1"}
        results = import_modules(list(modules), python=self.python, env=env, lost=lost)
        assert [result.module for result in results] == list(modules)
        return {result.module: result for result in results}


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
