"""Names that stand in paths and bodies, as the API takes them. Without NUL, which no column of the database holds."""

from typing import Annotated, Final

from fastapi import Path

from wheelyard.api.schemas.base import PLAIN_TEXT

_LONGEST_FILE: Final = 400

WheelFilename = Annotated[str, Path(max_length=_LONGEST_FILE, pattern=PLAIN_TEXT)]
"""The file name of a wheel in a path."""
ProjectName = Annotated[str, Path(max_length=200, pattern=PLAIN_TEXT)]
"""The name of a project in a path, in any spelling."""
