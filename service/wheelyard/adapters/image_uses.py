"""When each image of this host was last of use: one empty file an image, whose time says it. Must know no engine.

A file and not a row of the database, because images belong to a host, and a host may have several workers or none.
"""

import os
from datetime import UTC, datetime
from pathlib import Path


class ImageUses:
    """The record of uses in one directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, image_id: str, *, now: datetime) -> bool:
        """Record a use; True if it is the first. Blocks."""
        file = self._file(image_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        is_first = not file.exists()
        file.touch()
        os.utime(file, (now.timestamp(), now.timestamp()))
        return is_first

    def last(self, image_id: str) -> datetime | None:
        """Tell when it was last used; None if nobody recorded it. Blocks."""
        try:
            return datetime.fromtimestamp(self._file(image_id).stat().st_mtime, tz=UTC)
        except FileNotFoundError:
            return None

    def forget(self, image_id: str) -> None:
        """Drop the record of an image that is gone. Blocks."""
        self._file(image_id).unlink(missing_ok=True)

    def _file(self, image_id: str) -> Path:
        return self._folder / image_id.rpartition(":")[2]
