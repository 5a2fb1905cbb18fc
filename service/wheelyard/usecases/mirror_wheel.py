"""Copy an upstream wheel to our index, with the same bytes and the same name."""

import hashlib
from collections.abc import Callable
from datetime import datetime

from wheelyard.domain.index.index import PublishedFile
from wheelyard.domain.index.wheels import IndexedWheel, IndexEntry, WheelOrigin, requires_python_of
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.file_names import read_wheel_name
from wheelyard.interfaces import SourceIndex, WheelIndex, WheelStore


class MirrorWheel:
    """Fetches a wheel by hash, publishes it, and records it."""

    def __init__(
        self, *, source: SourceIndex, index: WheelIndex, wheels: WheelStore, now: Callable[[], datetime]
    ) -> None:
        self._source = source
        self._index = index
        self._wheels = wheels
        self._now = now

    async def __call__(self, file: IndexFile, target: Target) -> None:
        """Mirror a wheel; repeating it is harmless.

        Raises HashMismatchError, DownloadFailedError, DiskFullError, UntrustedOutputError, IndexConflictError,
        IndexRefusedError, IndexUnavailableError or PublishUnprovenError.
        """
        path = await self._source.fetch(file)
        published = await self._index.publish(path, sha256=file.sha256)
        wheel = self._describe(file, target, published, size_bytes=path.stat().st_size)
        await self._wheels.record(IndexEntry(wheel=wheel, metadata=published.metadata, contents=published.contents))

    def _describe(self, file: IndexFile, target: Target, published: PublishedFile, *, size_bytes: int) -> IndexedWheel:
        project, version, _, _ = read_wheel_name(file.filename)
        return IndexedWheel(
            filename=file.filename,
            project=project,
            version=str(version),
            origin=WheelOrigin.MIRRORED,
            build_id=None,
            python=target.python,
            platform=target.platform,
            tag="-".join(file.filename.removesuffix(".whl").split("-")[-3:]),
            sha256=file.sha256,
            size_bytes=size_bytes,
            requires_python=requires_python_of(published.metadata),
            metadata_sha256=hashlib.sha256(published.metadata).hexdigest(),
            level=published.level,
            url=published.url,
            uploaded_at=self._now(),
            file_count=published.contents.total if published.contents else None,
        )
