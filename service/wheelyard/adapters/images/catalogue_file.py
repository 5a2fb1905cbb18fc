"""Read the catalogue of builders from its files: the built-in one, and the operator's own."""

from pathlib import Path

from wheelyard.domain.catalogue.catalogue import Catalogue, lay_over, parse_catalogue
from wheelyard.errors import CatalogueInvalidError


def read_catalogue(shipped: Path, own: Path | None) -> Catalogue:
    """Return the built-in catalogue, overridden by the operator's own if there is one. Blocks.

    Raises:
        CatalogueInvalidError: Names the operator's file and every key that is wrong in it.
    """
    text = shipped.read_text(encoding="utf-8")
    return lay_over(text, _read_own(own), source=str(own)) if own else parse_catalogue(text)


def _read_own(own: Path) -> str:
    try:
        return own.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CatalogueInvalidError(problems=[f"it cannot be read: {reason}"], source=str(own)) from error
