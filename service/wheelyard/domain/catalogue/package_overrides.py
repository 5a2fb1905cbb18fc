"""Packages that a person's word prefers to what the ranking says, each with its reason; only where it is wrong."""

from typing import Final

from wheelyard.domain.catalogue.archive_files import FileKind, WantedFile

_OVERRIDES: Final[dict[tuple[FileKind, str], tuple[str, str]]] = {}


def find_overrides(wanted: WantedFile) -> tuple[tuple[str, str], ...]:
    """Return the preferred packages of a wanted file, each with the reason."""
    found = _OVERRIDES.get((wanted.kind, wanted.name))
    return (found,) if found else ()
