"""What Python tracebacks of a log mean."""

import textwrap

import pytest

from wheelyard.domain.healing.tracebacks import read_tracebacks

SETUP = """\
Traceback (most recent call last):
  File "/src/setup.py", line 12, in <module>
    find_it()
Exception: It is nowhere.
Look for it yourself
"""


@pytest.mark.parametrize("indent", ["", "         "])
def test_error_of_the_projects_own_code_is_its_refusal(indent: str) -> None:
    ((_, found),) = read_tracebacks(textwrap.indent(SETUP, indent))
    assert (found.kind.value, found.line) == ("project-refuses", "Exception: It is nowhere.")


@pytest.mark.parametrize(
    "last",
    [
        "hint: this is no error",
        "subprocess.CalledProcessError: Command 'make' returned non-zero exit status 2.",
        "setuptools.errors.CompileError: command '/usr/bin/gcc' failed",
        "",
    ],
)
def test_errors_that_only_pass_a_failure_on_say_nothing(last: str) -> None:
    assert list(read_tracebacks(SETUP.replace("Exception: It is nowhere.\nLook for it yourself", last))) == []


def test_error_raised_inside_a_build_requirement_is_drift() -> None:
    log = SETUP.replace("/src/setup.py", "/env/lib/python3.13/site-packages/Cython/Build/Dependencies.py")
    assert [one.kind.value for _, one in read_tracebacks(log)] == ["project-refuses"]
    ((_, found),) = read_tracebacks(log.replace("Exception: It", "TypeError: it"))
    assert (found.kind.value, found.name) == ("backend-drift", "cython")
