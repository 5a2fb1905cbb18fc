"""Extension modules on a free-threaded Python: whether the GIL stays off, and what eight threads do to them."""

import os
import sys
from pathlib import Path

import pytest

from wheelyard_agent.imports import ImportResult
from wheelyard_agent.threads import read_gil, report_states, try_threads


def imported(module: str, *, gil: bool | None, error: str | None = None) -> ImportResult:
    return ImportResult(module, error, is_broken=False, gil=gil)


def test_module_after_one_that_switched_the_gil_on_is_tried_alone() -> None:
    alone = []

    def import_alone(name: str) -> list[ImportResult]:
        alone.append(name)
        return [imported(name, gil=False)]

    results = [
        imported("demo", gil=False),
        imported("demo._a", gil=False),
        imported("demo._b", gil=True),
        imported("demo._c", gil=True),
        imported("other._d", gil=True),
    ]
    found = read_gil(results, ["demo._a", "demo._b", "demo._c", "other._d"], import_alone)
    assert found == {"demo._a": True, "demo._b": False, "demo._c": True, "other._d": False}
    assert alone == ["demo._c"]


def test_failed_module_may_have_switched_the_gil_on_and_has_no_state_itself() -> None:
    results = [imported("demo._a", gil=True, error="ImportError: no"), imported("demo._b", gil=True)]
    assert read_gil(results, ["demo._a", "demo._b"], lambda name: [imported(name, gil=True)]) == {"demo._b": False}


def test_other_pythons_have_nothing_to_tell() -> None:
    assert read_gil([imported("demo._a", gil=None)], ["demo._a"], lambda _: []) == {}


@pytest.mark.parametrize(
    ("code", "survives"),
    [
        ("def called(): raise SystemExit", True),
        (
            """
import os, threading
class Called:
    def __init__(self):
        if threading.active_count() > 2:
            os.abort()
""",
            False,
        ),
        (
            """
import threading, time
class Called:
    def __init__(self):
        if threading.active_count() > 2:
            time.sleep(60)
""",
            None,
        ),
        ("import os\nclass Called:\n    def __init__(self):\n        os.abort()\n", None),
    ],
)
def test_only_what_one_thread_survives_is_tried_by_eight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, *, survives: bool | None
) -> None:
    monkeypatch.setattr("wheelyard_agent.threads._SECONDS", 5)
    Path(tmp_path, "used.py").write_text(code)
    program = tmp_path / "python"
    # -I ignores PYTHONPATH, so the module's folder comes by a program in Python's place.
    rest = "'import sys; sys.path.insert(0, sys.argv.pop(1)); exec(sys.argv.pop(1))'"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c {rest} {tmp_path} "$5" "$6" "$7"\n')
    program.chmod(0o755)
    found = try_threads(["used"], python=str(program), env=dict(os.environ))
    assert found == ({} if survives is None else {"used": survives})
    assert report_states({"used": True}, found) == [{"module": "used", "off": True, "threads": survives}]
