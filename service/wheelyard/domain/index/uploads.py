"""Files that others bring: what their senders claim, and where each one stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from wheelyard.domain.builds.build import Build, Failure, Status, Wheel
from wheelyard.errors import UploadConflictError

UPLOAD_SCHEME: Final = "upload"
"""The scheme of the URL of a brought file's bytes, before the file's id."""


class UploadState(StrEnum):
    """Where a brought file stands."""

    PENDING = "pending"
    """It is being audited, repaired and verified; the index does not list it."""
    PUBLISHED = "published"
    """The index lists it, or what repair made of it."""
    REFUSED = "refused"
    """It was not accepted, and its name is free again."""
    DELETED = "deleted"
    """It was published, and an operator deleted it since."""

    @property
    def is_final(self) -> bool:
        """Return whether nothing more happens to it by itself."""
        return self is not UploadState.PENDING


_HOLDERS: Final = {
    UploadState.PENDING: "another upload of it is being tested",
    UploadState.PUBLISHED: "it was uploaded and published before",
    UploadState.DELETED: "it was uploaded, and an operator deleted it from the index",
}
"""Why a name is taken, by the state of the file that stands for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUpload:
    """A file that was received and checked as data, to be stored with its build."""

    id: str
    """The id under which its bytes are stored."""
    filename: str
    project: str
    version: str
    sha256: str
    size_bytes: int
    uploaded_by: str
    token_id: str | None = None
    """The token of its sender, which must be valid until it is stored; None if no token sent it."""
    attestations: tuple[Mapping[str, object], ...] = ()
    """Attestations (PEP 740) exactly as they were sent; nothing here has verified them."""

    @property
    def url(self) -> str:
        """Return where workers find its bytes."""
        return f"{UPLOAD_SCHEME}:{self.id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A brought file, and what became of it."""

    id: str
    filename: str
    project: str
    version: str
    sha256: str
    size_bytes: int
    uploaded_by: str
    uploaded_at: datetime
    build_id: str | None
    """The build that proves it; None if that is no longer stored, which only happens to builds that failed."""
    status: Status | None
    """The build's status."""
    wheel: Wheel | None = None
    """The wheel that was published; repair may have given it another name."""
    failure: Failure | None = None
    attestations: tuple[Mapping[str, object], ...] = field(default=(), repr=False)

    @property
    def state(self) -> UploadState:
        """Return where it stands."""
        if self.status is Status.SUCCEEDED:
            return UploadState.PUBLISHED if self.wheel is None or self.wheel.url else UploadState.DELETED
        if self.status is None or self.status.is_final:
            return UploadState.REFUSED
        return UploadState.PENDING

    def answer(self, upload: NewUpload) -> "Upload | None":
        """Return this file if it stands for a new one with the same bytes; None if its name is free again.

        Raises UploadConflictError if the new one has other bytes, or this one was deleted.
        """
        if self.state is UploadState.REFUSED:
            return None
        if self.sha256 == upload.sha256 and self.state is not UploadState.DELETED:
            return self
        why = _HOLDERS[self.state]
        raise UploadConflictError(file=upload.filename, held=self.sha256, ours=upload.sha256, why=why)

    def with_build(self, build: Build) -> "Upload":
        """Return it as it stands with the present state of its build."""
        return replace(self, build_id=build.id, status=build.status, wheel=build.wheel, failure=build.failure)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredUpload:
    """The brought file that now stands for a name and its bytes."""

    upload: Upload
    is_new: bool
    """False if the same bytes had been brought before, and the file of that time stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadFilter:
    """Which brought files a list shows, newest first."""

    project: str | None = None
    uploaded_by: str | None = None
    """Show only files of this token: its name, or its name with its id as records have it."""
    before: str | None = None
    """Show files brought before this id (keyset paging)."""
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadPage:
    """One page of a list of brought files."""

    uploads: tuple[Upload, ...]
    next_before: str | None
