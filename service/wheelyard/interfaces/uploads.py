"""Files that others bring, and their bytes until they are published."""

from collections.abc import AsyncIterator
from typing import Protocol

from packaging.utils import NormalizedName

from wheelyard.domain.builds.build import BuildOrder
from wheelyard.domain.index.sdists import BroughtSdist
from wheelyard.domain.index.uploads import NewUpload, StoredUpload, Upload, UploadFilter, UploadPage
from wheelyard.domain.prebuilds.prebuild import Prebuild
from wheelyard.domain.trace import NO_TRACE, Trace


class UploadBytes(Protocol):
    """The bytes of uploaded files, by the file's id. Those without a file are deleted after some time."""

    async def put_chunk(self, file_id: str, number: int, data: bytes) -> None:
        """Store a part of a file's bytes; parts are numbered from 0 without gaps."""
        ...

    def read(self, file_id: str) -> AsyncIterator[bytes]:
        """Yield a file's bytes, a part at a time; none if they were deleted."""
        ...

    async def drop_chunks(self, *, days: float) -> int:
        """Delete the bytes that nothing needs any more; return the number of parts.

        Those are the bytes of published files, of files that were refused longer ago than ``days`` (0 is never) or
        replaced, and what was left by uploads that were broken off a day ago.
        """
        ...


class UploadStore(UploadBytes, Protocol):
    """Uploaded files, and what became of them."""

    async def discard(self, file_id: str) -> None:
        """Delete the bytes of a file that was not submitted; those of a stored file stay."""
        ...

    async def submit(self, upload: NewUpload, order: BuildOrder, *, trace: Trace = NO_TRACE) -> StoredUpload:
        """Store a file whose bytes are stored, and submit its build, in one transaction.

        If its name stands for the same bytes already, pending or published, return that file and submit nothing. A file
        that was refused gives its name free. Raises UploadConflictError if the name stands for other bytes, here or on
        the index, and TooMuchOpenError.
        """
        ...

    async def submit_sdist(self, upload: NewUpload, sdist: BroughtSdist, request: Prebuild) -> StoredUpload:
        """Store an sdist whose bytes are stored, and the request for its wheels, in one transaction.

        Its project is the organisation's own from then on. As ``submit``, and raises UploadConflictError too if the
        release has another sdist that was not refused, or wheels that were built from another source.
        """
        ...

    async def disown(self, project: NormalizedName, *, by: str) -> tuple[str, ...]:
        """Forget the sdists that made a project the organisation's own; return their names, the oldest first.

        The files' history stays, and an sdist that is uploaded later makes the name own again. ``by`` is the name in
        the audit log. Raises NotFoundError if no sdist made it own, and OwnershipHeldError while the index lists a file
        that was brought, or made from what was, or while such a file is being built or tested.
        """
        ...

    async def find(self, filename: str) -> Upload:
        """Return the file that now stands for a name, or was refused last; raise NotFoundError."""
        ...

    async def standing(self, filename: str) -> Upload | None:
        """Return what ``find`` returns; None if there is none."""
        ...

    async def list_uploads(self, wanted: UploadFilter) -> UploadPage:
        """Return files, newest first, including those that were refused and replaced since."""
        ...
