"""What the files of a commit say of its project's name and version, read without running anything."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelyard.domain.untrusted.file_names import read_project_name
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.toml_text import read_toml
from wheelyard.domain.untrusted.versions import find_version

_MAX_CHARACTERS: Final = 512 << 10
_MAX_LINE: Final = 1000
_SECTION: Final = re.compile(r"\[([A-Za-z0-9_.:-]{1,100})\]\s*")
_KEY: Final = re.compile(r"(name|version)\s{0,20}[=:]\s{0,20}(\S{1,200})\s{0,20}", re.IGNORECASE)
_TABLES: Final = (("project",), ("tool", "poetry"), ("tool", "flit", "metadata"))


@dataclass(frozen=True, kw_only=True, slots=True)
class GitIdentity:
    """The name and version that files state; None for what they leave to the project's code."""

    project: NormalizedName | None = None
    version: Version | None = None


def read_identity(texts: Mapping[str, str]) -> GitIdentity:
    """Return what ``pyproject.toml`` and ``setup.cfg`` state, in this order, else ``PKG-INFO``."""
    stated = [
        *_of_pyproject(texts.get("pyproject.toml", "")),
        *_of_lines(texts.get("setup.cfg", ""), section="metadata"),
    ]
    stated += _of_lines(texts.get("PKG-INFO", ""), section=None)
    names = (_find_name(value) for key, value in stated if key == "name")
    versions = (find_version(value) for key, value in stated if key == "version")
    return GitIdentity(
        project=next((name for name in names if name is not None), None),
        version=next((version for version in versions if version is not None), None),
    )


def _of_pyproject(text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and version of a pyproject.toml, by PEP 621, Poetry or flit; nothing if it cannot be read."""
    try:
        content = read_toml(text, max_bytes=_MAX_CHARACTERS)
    except RefusedTextError:
        return
    for path in _TABLES:
        table: Any = content
        for part in path:
            table = table.get(part) if isinstance(table, dict) else None
        if not isinstance(table, dict):
            continue
        for key in ("name", "version", "dist-name"):
            value = table.get(key)
            if isinstance(value, str) and len(value) <= _MAX_LINE:
                yield ("name" if key == "dist-name" else key), value


def _of_lines(text: str, *, section: str | None) -> Iterator[tuple[str, str]]:
    """Yield the name and version of a section of ``setup.cfg``, or of headers."""
    if len(text) > _MAX_CHARACTERS:
        return
    current: str | None = None
    for line in text.splitlines():
        if section is None and not line.strip():
            return
        if heading := _SECTION.fullmatch(line[:_MAX_LINE]):
            current = heading[1]
        elif current == section and len(line) <= _MAX_LINE and (match := _KEY.fullmatch(line)):
            yield match[1].lower(), match[2]


def _find_name(text: str) -> NormalizedName | None:
    try:
        return read_project_name(text)
    except RefusedTextError:
        return None
