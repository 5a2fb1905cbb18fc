"""Models of files that others brought."""

from datetime import datetime
from typing import Annotated, Final, Self
from urllib.parse import quote, urlencode
from uuid import UUID

from packaging.utils import canonicalize_name
from pydantic import Field

from wheelyard.api.schemas.base import PLAIN_TEXT, Body, View
from wheelyard.api.schemas.builds import build_path
from wheelyard.api.schemas.wheels import FailureView
from wheelyard.domain.builds.records import MAX_PAGE_SIZE
from wheelyard.domain.index.uploads import Upload, UploadFilter, UploadPage, UploadState
from wheelyard.domain.prebuilds.sdists import NamedTargets

MOST_TARGETS: Final = 50


class UploadQuery(Body):
    """What is said about the file in the body of an upload."""

    filename: Annotated[str, Field(min_length=1, max_length=255, pattern=PLAIN_TEXT)]
    """The file's name."""
    sha256: Annotated[str | None, Field(pattern=r"^[0-9a-fA-F]{64}$")] = None
    """The file's sha256, to notice a file that was damaged on its way."""
    wait: bool = True
    """Wait until it is published or refused, for at most ``WHEELYARD_UPLOAD_WAIT_SECONDS``."""
    pythons: Annotated[list[Annotated[str, Field(max_length=20)]], Field(max_length=MOST_TARGETS)] = []
    """Pythons to build an sdist for. Default: all of ``GET /v1/targets`` but free-threaded ones."""
    platforms: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=MOST_TARGETS)] = []
    """Platforms to build an sdist for. Default: all of ``GET /v1/targets``."""

    @property
    def targets(self) -> NamedTargets:
        """Return what an sdist is to be built for."""
        return NamedTargets(pythons=tuple(self.pythons), platforms=tuple(self.platforms))


class FilesQuery(Body):
    """Filters and page of a list of files."""

    project: Annotated[str | None, Field(max_length=200, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")] = None
    """Only files of this project; the name need not be normalised."""
    uploaded_by: Annotated[str | None, Field(max_length=200, pattern=PLAIN_TEXT)] = None
    """Only files of this token: its name, or its name with its id."""
    before: UUID | None = None
    """Only files uploaded before the one with this id."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 50
    """Maximum number of files."""

    def as_filter(self) -> UploadFilter:
        """Return the domain's filter."""
        return UploadFilter(
            project=self.project and canonicalize_name(self.project),
            uploaded_by=self.uploaded_by,
            before=None if self.before is None else str(self.before),
            limit=self.limit,
        )

    def query_before(self, upload_id: str) -> str:
        """Return the query string of the page after this file."""
        return urlencode({**self.model_dump(mode="json", exclude_none=True), "before": upload_id})


class FileView(View):
    """A file that was brought, and what became of it."""

    id: str
    url: str
    """Path of the file that now stands for this name."""
    filename: str
    project: str
    version: str
    sha256: str
    size_bytes: int
    uploaded_by: str
    """Name of the token, with the beginning of its id."""
    uploaded_at: datetime
    state: UploadState
    """``pending`` while it is tested, then ``published`` or ``refused``; ``deleted`` once an operator deleted it. An
    sdist is published with the first of its wheels."""
    build_id: str | None
    """The build that audits, repairs and verifies a wheel; null if its record was deleted. For an sdist that was
    refused, the first build that failed; else null."""
    build_url: str | None
    """Path of the build; ``/builds/ID`` is its page for people."""
    wheel_filename: str | None
    """The name on the index, which differs if repair changed the wheel; null for an sdist."""
    request_id: str | None
    """The request for the wheels of an sdist; null for a wheel."""
    request_url: str | None
    """Path of that request; ``/requests/ID`` is its page for people."""
    wheels: tuple[str, ...]
    """The wheels that the index has of it: of an sdist one or more, also those that were uploaded beside it."""
    open_targets: int
    """Number of targets of an sdist for which it is not known yet whether there will be a wheel."""
    is_done: bool
    """Whether nothing more happens to it, nor to the wheels of an sdist."""
    changes: tuple[str, ...]
    """What repair changed, one sentence each; empty if the wheel is byte for byte what was brought."""
    warnings: tuple[str, ...]
    """Warnings for the wheel's users."""
    failure: FailureView | None
    """Why it was refused, with its findings."""
    attestations: int
    """Number of attestations (PEP 740) that were sent; they are stored as they came, and not verified."""

    @classmethod
    def of(cls, upload: Upload) -> Self:
        """Return the view of an upload."""
        wheel, sdist = upload.wheel, upload.sdist
        return cls(
            **{name: getattr(upload, name) for name in ("id", "filename", "project", "version", "sha256")},
            url=file_path(upload.filename),
            size_bytes=upload.size_bytes,
            uploaded_by=upload.uploaded_by,
            uploaded_at=upload.uploaded_at,
            state=upload.state,
            build_id=upload.build_id,
            build_url=None if upload.build_id is None else build_path(upload.build_id),
            wheel_filename=None if wheel is None else wheel.filename,
            request_id=None if sdist is None else sdist.request_id,
            request_url=None if sdist is None else f"/v1/requests/{sdist.request_id}",
            wheels=upload.wheels,
            open_targets=0 if sdist is None else sdist.open_targets,
            is_done=upload.is_done,
            changes=() if wheel is None else wheel.changes,
            warnings=() if wheel is None else wheel.warnings,
            failure=None if upload.failure is None else FailureView.model_validate(upload.failure),
            attestations=len(upload.attestations),
        )


class FileListView(View):
    """A page of files."""

    files: tuple[FileView, ...]
    next: str | None
    """Path of the next page; null on the last page."""

    @classmethod
    def of(cls, page: UploadPage, *, next_path: str | None) -> Self:
        """Return the view of a page."""
        return cls(files=tuple(map(FileView.of, page.uploads)), next=next_path)


def file_path(filename: str) -> str:
    """Return the path of a file."""
    return f"/v1/files/{quote(filename, safe='')}"
