"""Reads an sdist as data: its members' names and a few small texts. Nothing is unpacked and nothing runs."""

from pathlib import Path, PurePosixPath
from typing import Final

from wheelyard.adapters.resolver.sdists import UNREADABLE, open_members
from wheelyard.domain.recipes.sdist_contents import SdistContents, is_telling
from wheelyard.errors import InvalidSdistError

_MAX_TEXT: Final = 1 << 20
_MAX_TEXTS: Final = 16 << 20
"""How much of all texts together is kept."""


def read_sdist(archive: Path, *, filename: str) -> SdistContents:
    """List an sdist and read the texts that tell how it is built; raises InvalidSdistError."""
    names: list[str] = []
    texts: dict[str, str] = {}
    left = _MAX_TEXTS
    try:
        with open_members(archive, filename=filename) as members:
            for name, read in members:
                if read is not None:
                    path = _below_top(name)
                    names.append(path)
                    if left > 0 and is_telling(path):
                        texts[path] = read()[:_MAX_TEXT].decode(errors="replace")
                        left -= len(texts[path])
    except UNREADABLE as error:
        raise InvalidSdistError(file=filename, reason=f"it cannot be read ({error})") from error
    return SdistContents(names=tuple(names), texts=texts)


def _below_top(name: str) -> str:
    """Give a member's path without the one top folder of an sdist (PEP 625)."""
    return str(PurePosixPath(*PurePosixPath(name).parts[1:]))
