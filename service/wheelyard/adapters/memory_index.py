"""The in-memory twin of DevpiIndex, with faults to switch on. Must behave as the real one (contract test)."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from wheelyard.adapters.upload_form import WheelUpload, read_upload
from wheelyard.domain.index import PublishedFile
from wheelyard.errors import IndexConflictError, IndexUnavailableError, PublishUnprovenError


@dataclass(kw_only=True, slots=True)
class Faults:
    """What goes wrong from now on."""

    down: bool = False
    """Nothing answers."""
    loses_uploads: bool = False
    """Uploads are acknowledged and forgotten."""
    alters_bytes: bool = False
    """What is read back is not what was uploaded."""


class MemoryIndex:
    """Wheels in a dictionary."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.files: dict[tuple[NormalizedName, str], bytes] = {}

    async def publish(self, wheel: Path, *, sha256: str) -> PublishedFile:
        """Publish a wheel and prove it; see WheelIndex."""
        upload = await asyncio.to_thread(read_upload, wheel, sha256=sha256)
        key = (upload.project, upload.filename)
        await self.ping()
        uploaded = key not in self.files
        if uploaded and not self.faults.loses_uploads:
            self.files[key] = await asyncio.to_thread(wheel.read_bytes)
        return self._prove(upload, uploaded=uploaded)

    async def sha256_of(self, project: NormalizedName, filename: str) -> str | None:
        """Tell what the index holds under a file name; see WheelIndex."""
        await self.ping()
        held = self.files.get((project, filename))
        return None if held is None else hashlib.sha256(held).hexdigest()

    async def ping(self) -> None:
        """Return if the index answers; see WheelIndex."""
        if self.faults.down:
            raise IndexUnavailableError(index="our own", reason="it is switched off")

    def filenames(self) -> Iterator[str]:
        """Yield what is published."""
        return (filename for _, filename in self.files)

    def _prove(self, upload: WheelUpload, *, uploaded: bool) -> PublishedFile:
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
        )
