"""A recipe's scripts: in order, in the sdist, with the build's variables, and the first failure ends the build."""

import base64
from pathlib import Path

import pytest

from wheelyard_agent.hooks import run_hooks
from wheelyard_agent.job import JobError

ENV = {"PATH": "/usr/bin:/bin", "FLAG": "set"}


def ran(folder: Path, **scripts: str) -> str:
    """Run scripts, and give what they left in a file of the sdist."""
    source = folder / "src"
    source.mkdir()
    (source / "out").touch()
    files = [
        {"name": f"{name}.sh", "base64": base64.b64encode(text.encode()).decode()} for name, text in scripts.items()
    ]
    run_hooks("before-build", files, source=source, scratch=folder, env=ENV)
    return (source / "out").read_text()


def test_scripts_run_in_order_in_the_sdist_with_the_builds_variables(tmp_path: Path) -> None:
    assert ran(tmp_path, one="echo one $FLAG >> out", two="echo two >> out") == "one set\ntwo\n"


def test_script_may_have_an_interpreter_of_its_own(tmp_path: Path) -> None:
    assert ran(tmp_path, one='#!/usr/bin/env -S awk -f\nBEGIN { print 6 * 7 > "out" }\n') == "42\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("false\necho too far > out", "it ended with exit code 1"),
        ("exit 7", "it ended with exit code 7"),
        ("kill -9 $$", "it was ended by signal 9"),
        ("#!/no/such/interpreter", "it cannot be run (No such file or directory)"),
    ],
)
def test_script_that_fails_ends_the_build_and_is_named(tmp_path: Path, script: str, reason: str) -> None:
    with pytest.raises(JobError) as caught:
        ran(tmp_path, bad=script, next="echo too far > out")
    assert (caught.value.code, caught.value.details) == (
        "hook-failed",
        {"hook": "before-build/bad.sh", "exit_reason": reason},
    )
    assert (tmp_path / "src" / "out").read_text() == ""


def test_no_hooks_are_no_work(tmp_path: Path) -> None:
    assert ran(tmp_path) == ""
