"""Wheelyard: build, repair, prove and publish wheels from sdists on your own machines."""

from typing import Final

__version__: Final = "0.1.0"
