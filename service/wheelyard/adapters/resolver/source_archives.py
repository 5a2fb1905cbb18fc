"""Read the archive of a folder, or an sdist, that a caller sent: what it says of its project. Nothing is unpacked."""

import io
from collections.abc import Callable
from typing import Final

from wheelyard.adapters.resolver.sdists import UNREADABLE, member_parts, open_members

_IDENTITY_FILES: Final = frozenset({"pyproject.toml", "setup.cfg", "PKG-INFO"})
_MAX_TEXT: Final = 1 << 20
_DEPTH: Final = 2
_SHOWN: Final = 200


def read_identity_texts(archive: io.BufferedIOBase, filename: str) -> dict[str, str]:
    """Return the files in the archive's one top folder that may name its project, by name.

    The whole archive is read, so that what could never be unpacked is refused before it is stored. Raises ValueError
    with the reason, as a part of a sentence.
    """
    texts: dict[str, str] = {}
    tops: set[str] = set()
    archive.seek(0)
    try:
        with open_members(archive, filename=filename) as members:
            for name, read in members:
                parts = _parts_of(name)
                tops.add(parts[0])
                if len(tops) > 1:
                    raise ValueError("it has more than one top folder")
                if len(parts) == 1 and read is not None:
                    raise ValueError(f"it has the file {name[:_SHOWN]!r} outside of its top folder")
                if len(parts) == _DEPTH and parts[1] in _IDENTITY_FILES and read is not None:
                    _add(texts, parts[1], read)
    except UNREADABLE as error:
        raise ValueError(str(error) or type(error).__name__) from error
    if not tops:
        raise ValueError("it is empty")
    return texts


def _parts_of(name: str) -> list[str]:
    """Return the parts of a member's path; raise ValueError for one that no folder or sdist has."""
    parts = member_parts(name)
    if not parts:
        raise ValueError(f"its member {name[:_SHOWN]!r} has no name")
    if any(part.lower() == ".git" for part in parts):
        raise ValueError(f"its member {name[:_SHOWN]!r} belongs to a repository of git, not to a project")
    return parts


def _add(texts: dict[str, str], name: str, read: Callable[[], bytes]) -> None:
    if name in texts:
        raise ValueError(f"it has {name} twice")
    content = read()
    if len(content) > _MAX_TEXT:
        raise ValueError(f"its {name} has more than {_MAX_TEXT >> 20} MiB")
    texts[name] = content.decode(errors="replace")
