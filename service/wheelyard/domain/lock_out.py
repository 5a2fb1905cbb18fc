"""Put our own wheels' hashes into the lock file that they were built for, and change nothing else in it.

Must not read files, nor take anything out: what upstream's files may be is the lock's to say.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import tomlkit
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from wheelyard.domain.dependencies import InputKind
from wheelyard.domain.requirements_text import LineParser, RequirementLine, exact_version
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.toml_text import check_cost
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import DependencyFileInvalidError

Release = tuple[NormalizedName, Version]


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnWheel:
    """A wheel of our own that a lock is to allow."""

    filename: str
    url: str
    """Where our index serves it."""
    sha256: str
    size_bytes: int


OwnWheels = Mapping[Release, Sequence[OwnWheel]]


def add_to_lock(kind: InputKind, text: str, wheels: OwnWheels, *, file: str, parse_lines: LineParser) -> str:
    """Return the lock file's text with the wheels allowed beside those that it has.

    Args:
        kind: What the file is; a pyproject.toml is no lock and comes back as it is.
        text: The lock file.
        wheels: Our wheels of each release.
        file: Its name, for messages.
        parse_lines: What tells the lines of a requirements file.

    Raises:
        DependencyFileInvalidError: It is not TOML, or not of the form that its kind has.
    """
    # What is added ends as the file's other lines do.
    is_windows = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    added = _add(kind, text.replace("\r\n", "\n") if is_windows else text, wheels, file, parse_lines)
    return added.replace("\n", "\r\n") if is_windows else added


def _add(kind: InputKind, text: str, wheels: OwnWheels, file: str, parse_lines: LineParser) -> str:
    if kind is InputKind.REQUIREMENTS:
        return _add_to_requirements(text, wheels, parse_lines)
    if (form := _FORMS.get(kind)) is not None:
        try:
            return _add_to_toml(text, wheels, form)
        except (TOMLKitError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise DependencyFileInvalidError(file=file, problems=[str(error)]) from error
    return text


def _add_to_requirements(text: str, wheels: OwnWheels, parse_lines: LineParser) -> str:
    lines = text.splitlines(keepends=True)
    # From the end, so that what is put in moves no line that is still to come.
    for line in reversed(parse_lines(text)):
        if not isinstance(line, RequirementLine) or not line.hashes:
            continue
        version = exact_version(line.requirement)
        own = wheels.get((canonicalize_name(line.requirement.name), version), ()) if version else ()
        new = [f"sha256:{wheel.sha256}" for wheel in own if f"sha256:{wheel.sha256}" not in line.hashes]
        if new:
            last = _last_line(lines, line.line - 1)
            lines[last : last + 1] = _with_hashes(lines[last], dict.fromkeys(new))
    return "".join(lines)


def _last_line(lines: Sequence[str], first: int) -> int:
    """Find where a requirement that goes on over several lines ends, if need be with the file."""
    ends = (number for number in range(first, len(lines)) if not lines[number].rstrip("\r\n").endswith("\\"))
    return next(ends, len(lines) - 1)


def _with_hashes(line: str, hashes: Iterable[str]) -> list[str]:
    """Put hashes on lines of their own behind a requirement; a comment stays at the end."""
    end = line[len(line.rstrip("\r\n")) :]
    code, mark, comment = line.rstrip("\r\n").partition(" #")
    parts = [code.removesuffix("\\").rstrip(), *(f"    --hash={digest}" for digest in hashes)]
    go_on = " \\" + (end or "\n")
    return [part + go_on for part in parts[:-1]] + [f"{parts[-1]}{' ' + mark if mark else ''}{comment}{end}"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _TomlForm:
    """How a kind of lock file lists a package's files."""

    packages: str
    files: str
    entry: Callable[[OwnWheel], dict[str, Any]]
    sha256_of: Callable[[Mapping[str, Any]], str]


def _add_to_toml(text: str, wheels: OwnWheels, form: _TomlForm) -> str:
    check_cost(text)
    document = tomlkit.parse(text)
    for package in document.get(form.packages, ()):
        release = _release_of(package)
        for wheel in wheels.get(release, ()) if release else ():
            files = package.setdefault(form.files, tomlkit.array())
            if wheel.sha256 not in {form.sha256_of(file) for file in files}:
                _append(files, form.entry(wheel))
    return tomlkit.dumps(document)


def _release_of(package: Mapping[str, Any]) -> Release | None:
    try:
        return canonicalize_name(str(package["name"])), read_version(str(package["version"]))
    except (KeyError, RefusedTextError):
        return None


def _append(files: Array, entry: Mapping[str, Any]) -> None:
    """Append as the tools write it: a line for each file."""
    table = tomlkit.inline_table()
    for key, value in entry.items():
        table[key] = value
    files.append(table) if not files or "\n" not in files.as_string() else files.add_line(table, newline=True)


def _pylock_entry(wheel: OwnWheel) -> dict[str, Any]:
    hashes = tomlkit.inline_table()
    hashes["sha256"] = wheel.sha256
    return {"name": wheel.filename, "url": wheel.url, "size": wheel.size_bytes, "hashes": hashes}


_FORMS: Final = {
    InputKind.PYLOCK: _TomlForm(
        packages="packages",
        files="wheels",
        entry=_pylock_entry,
        sha256_of=lambda file: str(file.get("hashes", {}).get("sha256", "")),
    ),
    InputKind.UV_LOCK: _TomlForm(
        packages="package",
        files="wheels",
        entry=lambda wheel: {"url": wheel.url, "hash": f"sha256:{wheel.sha256}", "size": wheel.size_bytes},
        sha256_of=lambda file: str(file.get("hash", "")).removeprefix("sha256:"),
    ),
    InputKind.POETRY_LOCK: _TomlForm(
        packages="package",
        files="files",
        entry=lambda wheel: {"file": wheel.filename, "hash": f"sha256:{wheel.sha256}"},
        sha256_of=lambda file: str(file.get("hash", "")).removeprefix("sha256:"),
    ),
}
