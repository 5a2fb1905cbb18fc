"""Archives of vendored crates on disk, under the digest of what they were fetched for.

An archive's own sha256 is part of its name, so a damaged one is fetched again and not used.
"""

import asyncio
import hashlib
import shutil
from pathlib import Path

from wheelyard.adapters.host.disk import disk_errors
from wheelyard.adapters.host.files import open_atomic
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.metrics import CacheLookups


class CrateArchives:
    """A cache of crates in a directory, which several processes may share."""

    def __init__(self, room: ContentCache, *, lookups: CacheLookups | None = None) -> None:
        self._room = room
        self._lookups = lookups or CacheLookups()
        self._folder = room.root

    async def find(self, key: str) -> Path | None:
        """Return the archive of a key after a check of its content; None if there is none."""
        found = await asyncio.to_thread(self._find, key)
        self._lookups.note("crates", found=found is not None)
        return found

    async def keep(self, key: str, archive: Path) -> Path:
        """Copy an archive to its place and return its path; raise DiskFullError."""
        return await asyncio.to_thread(self._keep, key, archive)

    def _find(self, key: str) -> Path | None:
        return next((path for path in self._folder.glob(f"{key}-*.tar.gz") if path == self._place(key, path)), None)

    def _keep(self, key: str, archive: Path) -> Path:
        self._room.check_room(archive.stat().st_size)
        place = self._place(key, archive)
        with (
            disk_errors(self._room.root, floor_bytes=self._room.floor_bytes),
            archive.open("rb") as stream,
            open_atomic(place) as partial,
        ):
            shutil.copyfileobj(stream, partial)
        return place

    def _place(self, key: str, archive: Path) -> Path:
        """Return where an archive with this content belongs."""
        with archive.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return self._folder / f"{key}-{digest}.tar.gz"
