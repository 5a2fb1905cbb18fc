"""Read requirements or lock files, and the files that they name, to send them to the service."""

import os
import posixpath
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wheelyard.adapters.resolver.requirements import parse_requirements
from wheelyard.domain.dependencies.files import InputKind, Origin, kind_of_file
from wheelyard.domain.dependencies.requirements_file import FolderLine, NestedFile, nested_path
from wheelyard.errors import DependencyFileInvalidError, DependencyFileMissingError
from wheelyard.usecases.read_dependencies import project_beside

COMMAND_LINE: Final = "the command line"
"""Name of the made-up file that names the files of the command line, if there are several."""
_WITH_PROJECT: Final = frozenset({InputKind.UV_LOCK, InputKind.POETRY_LOCK})
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenFiles:
    """The files that the command line names, with their texts."""

    paths: tuple[Path, ...] = ()
    constraints: tuple[Path, ...] = ()
    start: str | None = None
    """Name of the first file to read, in ``files``."""
    files: dict[str, str] = field(default_factory=dict)
    """Texts by name."""

    @property
    def locks(self) -> list[str]:
        """Return the names of the files that get hashes."""
        names = (name for name in self.files if name != COMMAND_LINE)
        return [name for name in names if name == self.start or not name.endswith(".toml")]

    @property
    def is_open(self) -> bool:
        """Return whether they are requirements without hashes, which become a new lock file."""
        is_lock = kind_of_file(self.start or "") is not InputKind.REQUIREMENTS
        return not is_lock and not any("--hash" in text for text in self.files.values())

    @property
    def options(self) -> list[str]:
        """Return the options of a command that hands over the same files."""
        named = [("--requirements", path) for path in self.paths] + [
            ("--constraint", path) for path in self.constraints
        ]
        return [word for option, path in named for word in (option, str(path))]


def gather_files(paths: Sequence[Path], *, folder: Path, constraints: Sequence[Path] = ()) -> GivenFiles:
    """Return files and the files that they name; their names are relative to ``folder``.

    If a file is outside of ``folder``, the names are relative to the folder that holds all of them.

    Raises:
        DependencyFileMissingError: A file cannot be read.
        DependencyFileInvalidError: A file is not UTF-8 text, or the kinds of files cannot be combined.
    """
    given = [path.resolve() for path in (*paths, *constraints)]
    if not given:
        return GivenFiles()
    root = _root_of(given, folder.resolve())
    names = [path.relative_to(root).as_posix() for path in given]
    if len(given) == 1 and not constraints:
        (start,) = names
        files = _read_all(root, {start: None})
        beside = project_beside(start)
        if kind_of_file(start) in _WITH_PROJECT and (root / beside).is_file():
            files[beside] = _read(root / beside, beside, None)
    else:
        start = COMMAND_LINE
        _check_kinds(names)
        options = ["-r"] * len(paths) + ["-c"] * len(constraints)
        text = "".join(f"{option} {shlex.quote(name)}\n" for option, name in zip(options, names, strict=True))
        files = {start: text} | _read_all(root, dict.fromkeys(names))
    files |= _projects_of(files, folder.resolve())
    return GivenFiles(paths=tuple(paths), constraints=tuple(constraints), start=start, files=files)


def _projects_of(files: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the pyproject.toml of each of the user's own folders that requirements name (``-e .``).

    pip takes such a folder as relative to the working directory.
    """
    projects: dict[str, str] = {}
    for name, text in files.items():
        for line in parse_requirements(text) if kind_of_file(name) is InputKind.REQUIREMENTS else ():
            path = line.of(Origin(file=name, line=line.line)).path if isinstance(line, FolderLine) else None
            project = None if path is None else posixpath.normpath(f"{path}/{InputKind.PYPROJECT.value}")
            if project is not None and project not in {*files, *projects} and (folder / project).is_file():
                projects[project] = _read(folder / project, project, Origin(file=name, line=line.line))
    return projects


def _root_of(given: Iterable[Path], folder: Path) -> Path:
    inside = all(path.is_relative_to(folder) for path in given)
    return folder if inside else Path(os.path.commonpath([path.parent for path in given]))


def _check_kinds(names: Iterable[str]) -> None:
    for name in names:
        if (kind := kind_of_file(name)) is not InputKind.REQUIREMENTS:
            problem = f"it is a {kind.value}, and only requirements files can be combined; request each by itself"
            raise DependencyFileInvalidError(file=name, problems=[problem])


def _read_all(root: Path, waiting: dict[str, Origin | None]) -> dict[str, str]:
    """Return the texts of files and of the files that they name; ``waiting`` has the origin of each name."""
    files: dict[str, str] = {}
    while waiting:
        name = next(iter(waiting))
        files[name] = _read(root / name, name, waiting.pop(name))
        waiting |= {nested: origin for nested, origin in _named_in(files[name], name).items() if nested not in files}
    return files


def _read(path: Path, name: str, named_by: Origin | None) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        by = None if named_by is None else str(named_by)
        raise DependencyFileMissingError(file=name, reason=error.strerror or str(error), named_by=by) from error
    try:
        text = content.decode()  # without a change of line ends, which may be those of Windows
    except UnicodeDecodeError as error:
        encoding = (
            "UTF-16, as PowerShell writes it: save it as UTF-8" if content.startswith(_UTF_16) else "not UTF-8 text"
        )
        raise DependencyFileInvalidError(file=name, problems=[f"it is {encoding}"]) from error
    before, nul, _ = text.partition("\0")
    if nul:
        place = Origin(file=name, line=before.count("\n") + 1)
        hint = "Correct the line, or write the file again."
        raise DependencyFileInvalidError(file=name, problems=[f"{place}: it has a NUL character"], hint=hint)
    return text


def _named_in(text: str, name: str) -> dict[str, Origin]:
    if kind_of_file(name) is not InputKind.REQUIREMENTS:
        return {}
    nested = (line for line in parse_requirements(text) if isinstance(line, NestedFile))
    origins = {nested_path(name, line.name): Origin(file=name, line=line.line) for line in nested}
    return {path: origin for path, origin in origins.items() if path is not None}
