"""Find what an installed wheel runs at each start of Python.

Python's site module does that (https://docs.python.org/3.14/library/site.html). From Python 3.15 on it also reads
``.start`` files (https://peps.python.org/829).
"""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from zipfile import ZipFile

from wheelyard.wheel_files.members import PROGRAMS, SITE, in_environment, installed_path, plain, shown

_TEXT_BYTES: Final = 64 << 10
_MOST_LINES: Final = 3
_MOST_TEXTS: Final = 50
_MOST_FOLDERS: Final = 50
"""The limit for all ``.pth`` files together."""
# https://github.com/astral-sh/uv/issues/6426, https://github.com/pypa/setuptools/pull/2305 and
# https://github.com/openedx/codejail/issues/9 describe the modules of virtual environments, setuptools and Ubuntu.
_MODULES: Final = {
    "sitecustomize": "Python imports a module of this name by itself.",
    "usercustomize": "Python imports a module of this name by itself.",
    "_virtualenv": "Virtual environments of virtualenv and uv import a module of this name by themselves.",
    "_distutils_hack": "Where setuptools is installed, Python imports a module of this name by itself.",
    "apport_python_hook": "Ubuntu's Python imports a module of this name by itself.",
}
_SUFFIXES: Final = frozenset({"py", "pyw", "pyc", "pyo", "so", "pyd", "dll", "dylib", "sl"})
_FOLDERS: Final = (SITE, "", "lib", PROGRAMS)
"""Folders in which Python may look for modules: site-packages; the environment itself, if a wheel is installed with
``--target``; on Windows ``lib``; and the folder of a program."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StartupFile:
    """A member of a wheel that Python runs at each of its starts."""

    name: str
    does: str
    """A sentence about what happens then."""

    @property
    def warning(self) -> str:
        """The warning for users."""
        return f"Python runs {shown(self.name)} of it at each of its starts, imported or not. {self.does}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Startup:
    """Everything that a wheel changes about Python's start."""

    files: tuple[StartupFile, ...] = ()
    folders: tuple[str, ...] = (SITE,)
    """The folders in which Python will look for modules, as installed paths."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _PathFile:
    """The content of a ``.pth`` file."""

    code: tuple[str, ...]
    folders: tuple[str, ...]


def find_startup(bundle: ZipFile) -> Startup:
    """Find what Python runs of a wheel at each of its starts; its members must be checked already.

    Raises ValueError if there are more such files than any project has, or larger ones, or ones that add more folders.
    """
    names = sorted(member.filename for member in bundle.infolist() if not member.is_dir())
    paths = {name: [plain(part) for part in installed_path(name).split("/")] for name in names}
    named = [name for name in names if _is_startup_text(paths[name])]
    if len(named) > _MOST_TEXTS:
        raise ValueError(f"it has {len(named)} .pth and .start files, and {_MOST_TEXTS} are allowed")
    texts = {name: _read(bundle, name) for name in named}
    pth = {name: _read_pth(name, text) for name, text in texts.items() if paths[name][-1].endswith(".pth")}
    lines = {folder for file in pth.values() for folder in file.folders}
    added = {place for folder in lines for place in _installed_folders(folder)}
    if len(added) > _MOST_FOLDERS:
        raise ValueError(f"its .pth files add {len(added)} folders, and {_MOST_FOLDERS} are allowed")
    folders = tuple(dict.fromkeys([*_FOLDERS, *sorted(added)]))
    found = []
    for name in names:
        if name in pth:
            found.append(StartupFile(name=name, does=_describe_pth(pth[name])))
        elif name in texts:
            found.append(StartupFile(name=name, does=_describe_start(texts[name])))
        elif module := _startup_module(paths[name], folders):
            found.append(StartupFile(name=name, does=_MODULES[module]))
    return Startup(files=tuple(found), folders=(SITE, *sorted(added)))


def _is_startup_text(parts: Sequence[str]) -> bool:
    return "/".join(parts[:-1]) in _FOLDERS and parts[-1].endswith((".pth", ".start"))


def _read(bundle: ZipFile, name: str) -> str | None:
    """Read a small text; return None if it is too large for one."""
    with bundle.open(name) as file:
        content = file.read(_TEXT_BYTES + 1)
    return None if len(content) > _TEXT_BYTES else content.decode("utf-8-sig", errors="replace")


def _lines(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").splitlines() if line.strip() and not line.startswith("#")]


def _read_pth(name: str, text: str | None) -> _PathFile:
    """Separate lines that Python runs from lines with folders, as its site module does; raise ValueError."""
    if text is None:
        raise ValueError(f"its {shown(name)} has more than {_TEXT_BYTES} bytes")
    code = tuple(line for line in _lines(text) if line.startswith(("import ", "import\t")))
    return _PathFile(code=code, folders=tuple(line for line in _lines(text) if line not in code))


def _installed_folders(line: str) -> Iterator[str]:
    """Return the installed paths that a folder in a ``.pth`` file may have.

    A folder outside of the environment is not the wheel's, unless it leads back into the environment by its name, which
    is not known here.
    """
    path = posixpath.normpath(posixpath.join(SITE, line.replace("\\", "/")))
    outside = path.removeprefix("../") if path.startswith("../") else ""
    while outside.startswith("../"):
        outside = outside.removeprefix("../")
    for one in filter(None, (path, outside.partition("/")[2])):
        yield "/".join(map(plain, in_environment(one).split("/")))


def _describe_pth(file: _PathFile) -> str:
    if file.code:
        return f"It runs {_listed(file.code)}."
    if file.folders:
        return f"It has Python look for modules in {_listed(file.folders)}, too."
    return "There is nothing in it yet."


def _describe_start(text: str | None) -> str:
    calls = _lines(text)
    return f"From Python 3.15 on it calls {_listed(calls)}." if calls else "There is nothing in it that can be read."


def _listed(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - _MOST_LINES} more" if len(lines) > _MOST_LINES else ""
    return ", ".join(map(shown, lines[:_MOST_LINES])) + more


def _startup_module(parts: Sequence[str], folders: Sequence[str]) -> str | None:
    """Return which of the modules that Python imports at its start a file is, in whatever form."""
    for module, folder in _modules_of([part for part in parts if part != "__pycache__"]):
        if module in _MODULES and folder in folders:
            return module
    return None


def _modules_of(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return the name by which a file can be imported, and the folder in which Python must look for it."""
    stem, _, rest = parts[-1].partition(".")
    if rest.rpartition(".")[2] not in _SUFFIXES:
        return
    yield stem, "/".join(parts[:-1])
    if stem == "__init__" and len(parts) > 1:
        yield parts[-2], "/".join(parts[:-2])
