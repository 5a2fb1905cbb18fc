"""Files that others bring: what their senders claim, and where each one stands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from wheelyard.domain.builds.build import Build, Failure, Status, Wheel
from wheelyard.errors import OwnershipHeldError, UploadConflictError

UPLOAD_SCHEME: Final = "upload"
"""The scheme of the URL of a brought file's bytes, before the file's id."""


class UploadState(StrEnum):
    """Where a brought file stands."""

    PENDING = "pending"
    """It is being proven, or the first wheel of an sdist is; the index does not list it."""
    PUBLISHED = "published"
    """The index lists it, or what repair made of it; wheels of an sdist may still follow."""
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
class SdistWheels:
    """What became of a brought sdist: the request for its wheels, and the wheels."""

    request_id: str
    is_open: bool
    """True while the request goes on, or any build of the sdist is queued or running."""
    open_targets: int
    """Number of targets for which it is not known yet whether there will be a wheel."""
    wheels: tuple[str, ...]
    """The wheels of it that the index has; wheels that were brought beside it count too."""
    is_listed: bool | None
    """Whether the index has the sdist itself; False if an operator deleted it, None if it was never there."""

    @property
    def state(self) -> UploadState:
        """Return where the sdist stands."""
        if self.is_listed is not None:
            return UploadState.PUBLISHED if self.is_listed else UploadState.DELETED
        # With a wheel on the index, it is published within seconds.
        return UploadState.PENDING if self.is_open or self.wheels else UploadState.REFUSED


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
    """The build that proves it; None if that is no longer stored, which only happens to builds that failed.

    For an sdist it is the first build that failed, if no wheel could be made.
    """
    status: Status | None
    """The build's status; None for an sdist."""
    wheel: Wheel | None = None
    """The wheel that was published; repair may have given it another name."""
    failure: Failure | None = None
    sdist: SdistWheels | None = None
    """What became of an sdist; None for a wheel."""
    attestations: tuple[Mapping[str, object], ...] = field(default=(), repr=False)

    @property
    def state(self) -> UploadState:
        """Return where it stands."""
        if self.sdist is not None:
            return self.sdist.state
        if self.status is Status.SUCCEEDED:
            return UploadState.PUBLISHED if self.wheel is None or self.wheel.url else UploadState.DELETED
        if self.status is None or self.status.is_final:
            return UploadState.REFUSED
        return UploadState.PENDING

    @property
    def is_done(self) -> bool:
        """Return whether nothing more happens to it, nor to the wheels of an sdist."""
        return self.state.is_final and (self.sdist is None or not self.sdist.is_open)

    @property
    def wheels(self) -> tuple[str, ...]:
        """Return the names of the wheels that the index has of it."""
        if self.sdist is not None:
            return self.sdist.wheels
        is_listed = self.wheel is not None and self.wheel.url is not None
        return (self.wheel.filename,) if self.wheel is not None and is_listed else ()

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


def check_unheld(project: str, *, listed: Sequence[str], opened: Sequence[str]) -> None:
    """Raise OwnershipHeldError if upstream's files could come beside our own under a project's name.

    Installers choose by the version alone, so whoever uploads a higher one upstream would be installed instead of ours.

    Args:
        project: The project, whose name upstream may be asked for again.
        listed: Files that the index lists and that were brought, or made from what was brought.
        opened: Brought files that may still be listed, because they are being built or tested.
    """
    if held_by := tuple(_holders(listed, opened)):
        raise OwnershipHeldError(project=project, held_by=held_by)


def _holders(listed: Sequence[str], opened: Sequence[str]) -> Iterator[str]:
    if listed:
        yield f"the index lists {', '.join(listed)}"
    if opened:
        yield f"{', '.join(opened)} is being built or tested"
