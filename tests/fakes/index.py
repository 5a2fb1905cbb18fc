"""The in-memory fake of DevpiIndex, with faults to switch on. The contract test holds both to the same behaviour."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from wheelyard.adapters.devpi.upload import FileUpload, read_sdist_upload, read_upload
from wheelyard.domain.index.index import HeldFile, Level, PublishedFile
from wheelyard.errors import IndexConflictError, IndexUnavailableError, NotFoundError, PublishUnprovenError
from wheelyard.interfaces import Permit


@dataclass(kw_only=True, slots=True)
class Faults:
    """Faults that happen from now on."""

    down: bool = False
    """Nothing answers."""
    loses_uploads: bool = False
    """Uploads are acknowledged and forgotten."""
    alters_bytes: bool = False
    """What is read back is not what was uploaded."""


class MemoryIndex:
    """Wheels in a dictionary: an index of one level, and its wheel storage."""

    def __init__(self, level: Level = Level.PROD) -> None:
        self.faults = Faults()
        self.level = level
        self.files: dict[tuple[NormalizedName, str], bytes] = {}

    async def publish(self, wheel: Path, *, sha256: str, permit: Permit | None = None) -> PublishedFile:
        """Publish a wheel and verify it; see WheelIndex."""
        return await self._publish(await asyncio.to_thread(read_upload, wheel, sha256=sha256), permit)

    async def publish_sdist(self, sdist: Path, *, sha256: str, metadata: bytes) -> PublishedFile:
        """Publish an sdist and verify it; see WheelIndex."""
        return await self._publish(await asyncio.to_thread(read_sdist_upload, sdist, sha256=sha256, metadata=metadata))

    async def _publish(self, upload: FileUpload, permit: Permit | None = None) -> PublishedFile:
        key = (upload.project, upload.filename)
        await self.ping()
        uploaded = key not in self.files
        if uploaded and permit is not None:
            await permit()
        if uploaded and not self.faults.loses_uploads:
            self.files[key] = await asyncio.to_thread(upload.path.read_bytes)
        return self._prove(upload, uploaded=uploaded)

    async def sha256_of(self, project: NormalizedName, filename: str) -> str | None:
        """Return the hash that the index has for a file name; see WheelIndex."""
        await self.ping()
        held = self.files.get((project, filename))
        return None if held is None else hashlib.sha256(held).hexdigest()

    async def ping(self) -> None:
        """Return if the index answers; see WheelIndex."""
        if self.faults.down:
            raise IndexUnavailableError(index="our own", reason="it is switched off")

    @contextlib.asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Read a file; see WheelStorage."""
        await self.ping()
        project, _, filename = url.removeprefix("memory:").partition("/")
        if (content := self.files.get((canonicalize_name(project), filename))) is None:
            raise NotFoundError(kind="file", name=filename)
        yield _chunks(content)

    async def list_files(self) -> tuple[HeldFile, ...]:
        """Return everything that is held; see WheelStorage."""
        await self.ping()
        return tuple(
            HeldFile(
                level=self.level,
                project=project,
                filename=filename,
                sha256=hashlib.sha256(content).hexdigest(),
                url=f"memory:{project}/{filename}",
            )
            for (project, filename), content in self.files.items()
        )

    async def remove(self, project: str, filename: str) -> None:
        """Remove a file; see WheelStorage."""
        await self.ping()
        self.files.pop((canonicalize_name(project), filename), None)

    def filenames(self) -> Iterator[str]:
        """Yield the names of published files."""
        return (filename for _, filename in self.files)

    def _prove(self, upload: FileUpload, *, uploaded: bool) -> PublishedFile:
        held = self.files.get((upload.project, upload.filename))
        if held is None:
            raise PublishUnprovenError(filename=upload.filename, reason="its page does not list the file")
        found = hashlib.sha256(held).hexdigest()
        if found != upload.sha256:
            raise IndexConflictError(filename=upload.filename, held=found, ours=upload.sha256)
        if self.faults.alters_bytes:
            raise PublishUnprovenError(filename=upload.filename, reason="its bytes have another sha256")
        return PublishedFile(
            filename=upload.filename,
            url=f"memory:{upload.project}/{upload.filename}",
            index_url="memory:",
            sha256=found,
            size_bytes=upload.size_bytes,
            uploaded=uploaded,
            level=self.level,
            metadata=upload.metadata,
            contents=upload.contents,
        )


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content
