"""Files that others brought, from the store that received them."""

import asyncio
import functools
from pathlib import Path
from urllib.parse import urlsplit

from wheelyard.adapters.upstream.cache import ContentCache, PartialFile
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import DownloadFailedError
from wheelyard.interfaces import UploadBytes
from wheelyard.memory_cache import SingleFlight


class BroughtFiles:
    """Fetches files with ``upload:`` URLs, in any process, whichever process received them."""

    def __init__(self, store: UploadBytes, cache: ContentCache) -> None:
        self._store = store
        self._cache = cache
        self._reading: SingleFlight[str, Path] = SingleFlight()

    async def fetch(self, file: IndexFile) -> Path:
        """Return the file in the cache, after checking its sha256; see SourceIndex."""
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
