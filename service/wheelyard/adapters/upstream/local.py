"""Files of this host as a source, beside an index."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import NormalizedName

from wheelyard.adapters.upstream.cache import ContentCache, PartialFile
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.errors import DownloadFailedError
from wheelyard.interfaces import SourceIndex

_SCHEME = "file"
_CHUNK_BYTES = 1 << 20


class LocalFiles:
    """A SourceIndex that copies files with ``file:`` URLs into a cache of its own, and asks another for the rest.

    The copy is what is checked and used, so that nobody changes the file in the meantime.
    """

    def __init__(self, source: SourceIndex, *, cache: Path, floor_bytes: int) -> None:
        self._source = source
        self._cache = ContentCache(root=cache, floor_bytes=floor_bytes)

    async def project(self, name: NormalizedName) -> ProjectFiles:
        """Return a project's page; see SourceIndex."""
        return await self._source.project(name)

    async def fetch(self, file: IndexFile) -> Path:
        """Return the copy of a file, after checking its sha256; see SourceIndex."""
        if urlsplit(file.url).scheme != _SCHEME:
            return await self._source.fetch(file)
        return await asyncio.to_thread(self._copy, file)

    def _copy(self, file: IndexFile) -> Path:
        known = self._cache.find(file)
        if known is not None:
            return known
        partial = PartialFile(self._cache, file)
        try:
            for chunk in _read(Path(unquote(urlsplit(file.url).path)), file):
                partial.write(chunk)
            return partial.keep()
        finally:
            partial.discard()


def _read(path: Path, file: IndexFile) -> Iterator[bytes]:
    """Yield a file's content; only its own problems are told of it, not those of the disk that it is copied to."""
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        problem = "it is gone" if isinstance(error, FileNotFoundError) else (error.strerror or str(error))
        raise DownloadFailedError(what=file.filename, tried=[f"{path}: {problem}"]) from error
