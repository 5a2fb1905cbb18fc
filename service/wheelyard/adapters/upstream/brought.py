"""Files that others brought as a source, beside an index."""

import asyncio
import functools
from pathlib import Path
from urllib.parse import urlsplit

from packaging.utils import NormalizedName

from wheelyard.adapters.upstream.cache import ContentCache, PartialFile
from wheelyard.domain.index.uploads import UPLOAD_SCHEME
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.errors import DownloadFailedError
from wheelyard.interfaces import SourceIndex, UploadBytes
from wheelyard.memory_cache import SingleFlight


class BroughtFiles:
    """A SourceIndex that reads files with ``upload:`` URLs from the store, and asks another for the rest.

    So any worker finds them, whichever process received them.
    """

    def __init__(self, source: SourceIndex, store: UploadBytes, cache: ContentCache) -> None:
        self._source = source
        self._store = store
        self._cache = cache
        self._reading: SingleFlight[str, Path] = SingleFlight()

    async def project(self, name: NormalizedName) -> ProjectFiles:
        """Return a project's page; see SourceIndex."""
        return await self._source.project(name)

    async def fetch(self, file: IndexFile) -> Path:
        """Return the file in the cache, after checking its sha256; see SourceIndex."""
        if urlsplit(file.url).scheme != UPLOAD_SCHEME:
            return await self._source.fetch(file)
        return await self._reading.run(file.url, functools.partial(self._obtain, file))

    async def _obtain(self, file: IndexFile) -> Path:
        known = await asyncio.to_thread(self._cache.find, file)
        return known if known is not None else await self._copy(file)

    async def _copy(self, file: IndexFile) -> Path:
        await asyncio.to_thread(self._cache.check_room, file.size_bytes or 0)
        partial = PartialFile(self._cache, file)
        try:
            async for chunk in self._store.read(urlsplit(file.url).path):
                await asyncio.to_thread(partial.write, chunk)
            if not partial.size_bytes:
                raise DownloadFailedError(
                    what=file.filename, tried=["what was uploaded: it is not kept any more, upload it again"]
                )
            return await asyncio.to_thread(partial.keep)
        finally:
            partial.discard()
