"""The place of the data files that are shipped with the program: in an installed wheel, or in a checkout."""

from pathlib import Path
from typing import Final

_INSTALLED: Final = Path(__file__).parent / "_data"
_CHECKOUT: Final = Path(__file__).parents[2]


def data_path(name: str) -> Path:
    """Return the path of ``builders``, ``recipes``, ``guide.zip`` or ``devpi.lock``."""
    installed = _INSTALLED / name
    return installed if installed.exists() else _CHECKOUT / name
