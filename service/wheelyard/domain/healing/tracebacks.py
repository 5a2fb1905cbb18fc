"""Read the Python tracebacks of a log: whether a build requirement or the project's own code raised the error."""

import re
from collections.abc import Iterator
from typing import Final

from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.signs import finding_of, line_at

_BEGIN: Final = "Traceback (most recent call last):"
_MAX_LINES: Final = 400
"""Lines of one traceback that are read."""
_FRAME: Final = re.compile(r"\s{0,20}+File \"([^\"]{1,400}+)\", line \d{1,9}+")
_ERROR: Final = re.compile(r"\s{0,20}+((?:\w|\.(?=\w)){1,300}+): ?+(.{0,600}+)")
_BACKENDS: Final = re.compile(
    r"/site-packages/(setuptools|numpy|Cython|pybind11|skbuild|scikit_build_core|wheel|mesonpy|mesonbuild|"
    r"poetry|flit_core|hatchling|setuptools_scm|setuptools_rust|maturin|cffi|pbr|sipbuild|pkgconfig|_distutils_hack|"
    r"pkg_resources)/"
)
_PROJECTS: Final = {
    "_distutils_hack": "setuptools",
    "Cython": "cython",
    "flit_core": "flit-core",
    "mesonbuild": "meson",
    "mesonpy": "meson-python",
    "pkg_resources": "setuptools",
    "poetry": "poetry-core",
    "scikit_build_core": "scikit-build-core",
    "setuptools_rust": "setuptools-rust",
    "setuptools_scm": "setuptools-scm",
    "sipbuild": "sip",
    "skbuild": "scikit-build",
}
"""Modules of build requirements whose project has another name."""
_DRIFTS: Final = frozenset(
    {"AttributeError", "ImportError", "TypeError", "AssertionError", "KeyError", "LookupError", "NameError"}
)
"""What code raises that is called in a way that it no longer knows."""
_OF_COMMANDS: Final = re.compile(
    r"(?i)\b(?:CalledProcessError|CompileError|LinkError|BackendUnavailable|BackendInvalid|ModuleNotFoundError|"
    r"SyntaxError|IndentationError|TabError|ExecError|DistutilsExecError|HookMissing)$|^(?:subprocess|pyproject_hooks)\."
)
"""Errors that only pass on that a program failed, or that have signs of their own."""
_NO_BACKEND_OF_IT: Final = "Ask for another release, or change what it misses by the recipe's env or patches."


def read_tracebacks(log: str) -> Iterator[tuple[int, Finding]]:
    """Yield what the tracebacks of a log mean, with the place of each one's last line."""
    place = log.find(_BEGIN)
    while place >= 0:
        following = log.find(_BEGIN, place + len(_BEGIN))
        text = log[place : following if following >= 0 else len(log)][: 64 << 10]
        found = _read_one(text, place, place - log.rfind("\n", 0, place) - 1)
        if found is not None:
            yield found
        place = following


def _read_one(text: str, place: int, indent: int) -> tuple[int, Finding] | None:
    """Return what one traceback means: by the file of its deepest frame, and its error.

    Its last line begins where its first one does: the one that names the error.
    """
    file = ""
    for line in text.split("\n", _MAX_LINES)[:_MAX_LINES]:
        if (frame := _FRAME.match(line)) is not None:
            file = frame[1]
        elif file and not line[:indent].strip() and line[indent : indent + 1].strip():
            error = _ERROR.match(line)
            finding = _meaning(file, error[1], error[2], line) if error else None
            return (place, finding) if finding is not None else None
        place += len(line) + 1
    return None


def _meaning(file: str, error: str, said: str, line: str) -> Finding | None:
    if _OF_COMMANDS.search(error):
        return None
    name = error.rpartition(".")[2]
    if not name[:1].isupper():
        return None
    backend = _BACKENDS.search(file)
    if backend is not None and name in _DRIFTS:
        project = _PROJECTS.get(backend[1], backend[1].replace("_", "-"))
        return finding_of(
            FindingKind.BACKEND_DRIFT,
            project,
            line=line_at(line, 0),
            cause=f"{project} fails on the project's settings: {name}: {said}",
            remedy=f"Put an upper bound of {project} into the recipe's build-constraints, such as the newest version "
            "of the day of the release, or ask for a newer release.",
        )
    return finding_of(
        FindingKind.PROJECT_REFUSES,
        "",
        line=line_at(line, 0),
        cause=f"its build code fails: {name}: {said}" if name != "SystemExit" else f"its build code refuses: {said}",
        remedy=_NO_BACKEND_OF_IT,
    )
