"""When something last happened to each image of this host: one empty file an image, whose time says it.

Uses, and the moment when a refresh superseded an image. Must know no engine.

A file and not a row of the database, because images belong to a host, and a host may have several workers or none.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path


class ImageUses:
    """The record of moments in one directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, image_id: str, *, now: datetime) -> bool:
        """Record a moment; True if it is the first. Blocks."""
        file = self._file(image_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        is_first = not file.exists()
        file.touch()
        os.utime(file, (now.timestamp(), now.timestamp()))
        return is_first

    def last(self, image_id: str) -> datetime | None:
        """Tell the last moment; None if nobody recorded one. Blocks."""
        try:
            return datetime.fromtimestamp(self._file(image_id).stat().st_mtime, tz=UTC)
        except FileNotFoundError:
            return None

    def read(self) -> tuple[tuple[str, datetime], ...]:
        """List every image with its moment, in order. Blocks."""
        return tuple(sorted(self._read()))

    def _read(self) -> Iterator[tuple[str, datetime]]:
        for file in self._folder.glob("*"):
            image_id = f"sha256:{file.name}"
            if (moment := self.last(image_id)) is not None:
                yield image_id, moment

    def forget(self, image_id: str) -> None:
        """Drop the record of an image that is gone. Blocks."""
        self._file(image_id).unlink(missing_ok=True)

    def _file(self, image_id: str) -> Path:
        return self._folder / image_id.rpartition(":")[2]
