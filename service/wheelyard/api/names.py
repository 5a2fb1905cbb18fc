"""Names that stand in paths and bodies, as the API takes them. Without NUL, which no column of the database holds."""

from typing import Annotated, Final

from fastapi import Path

PLAIN_TEXT: Final = r"^[^\x00-\x1f\x7f-\x9f]+$"
"""One line that can be shown on terminals and in pages."""
NO_NUL: Final = r"^[^\x00]*$"
"""Any text that PostgreSQL can hold."""
_LONGEST_FILE: Final = 400

WheelFilename = Annotated[str, Path(max_length=_LONGEST_FILE, pattern=PLAIN_TEXT)]
"""The file name of a wheel in a path."""
ProjectName = Annotated[str, Path(max_length=200, pattern=PLAIN_TEXT)]
"""The name of a project in a path, in any spelling."""
