"""Models of the index: wheels, projects, checks."""

from datetime import datetime
from typing import Annotated, Self
from urllib.parse import quote, urlencode

from packaging.utils import canonicalize_name
from pydantic import Field, StringConstraints

from wheelyard.api.schemas.base import NO_NUL, PLAIN_TEXT, Body, View
from wheelyard.domain.builds.records import MAX_PAGE_SIZE
from wheelyard.domain.index.check import Difference, IndexReport, LastReport
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import (
    MAX_REASON,
    FileKind,
    IndexedWheel,
    ProjectDetails,
    ProjectFilter,
    ProjectPage,
    ProjectSummary,
    Standing,
    WheelFilter,
    WheelOrigin,
    WheelPage,
)
from wheelyard.domain.packaging.wheel_contents import WheelContents

_PROJECT: str = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"


class YankReason(Body):
    """The reason for yanking a wheel."""

    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_REASON, pattern=PLAIN_TEXT),
        Field(examples=["leaks memory with libyaml 0.2.4; use 6.0.3"]),
    ]
    """Installers show it when they install the wheel."""


class CheckOrder(Body):
    """Options of a check of the index."""

    mend: bool = False
    """Repair differences where possible."""


class WheelQuery(Body):
    """Filters and page of a list of wheels."""

    project: Annotated[str | None, Field(max_length=200, pattern=_PROJECT)] = None
    """Only files of this project; the name need not be normalised."""
    kind: FileKind | None = None
    """Only wheels, or only sdists."""
    origin: WheelOrigin | None = None
    """Only files that were built here, mirrored, or brought."""
    standing: Standing | None = None
    """Only offered, yanked or deleted wheels."""
    level: Level | None = None
    """Only wheels on this level."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 50
    """Maximum number of entries."""
    before: Annotated[str | None, Field(max_length=300, pattern=PLAIN_TEXT)] = None
    """Only wheels uploaded before the one with this file name."""

    def as_filter(self) -> WheelFilter:
        """Return the domain's filter."""
        return WheelFilter(
            project=self.project and canonicalize_name(self.project),
            kind=self.kind,
            origin=self.origin,
            standing=self.standing,
            level=self.level,
            before=self.before,
            limit=self.limit,
        )

    def query_before(self, filename: str) -> str:
        """Return the query string of the page after this wheel."""
        return urlencode({**self.model_dump(mode="json", exclude_none=True), "before": filename})


class ProjectQuery(Body):
    """Filters and page of a list of projects."""

    prefix: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    """Only names that begin with this; it need not be normalised."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 50
    """Maximum number of entries."""
    after: Annotated[str | None, Field(max_length=200, pattern=NO_NUL)] = None
    """Only names after this one."""

    def as_filter(self) -> ProjectFilter:
        """Return the domain's filter."""
        return ProjectFilter(prefix=canonicalize_name(self.prefix), after=self.after, limit=self.limit)

    def query_after(self, name: str) -> str:
        """Return the query string of the page after this project."""
        return urlencode({**self.model_dump(mode="json", exclude_none=True), "after": name})


class IndexedWheelView(View):
    """A wheel or an sdist on the index."""

    filename: str
    url: str
    """Path of this document."""
    file_url: str
    """Path of the file; with `.metadata` added, of its METADATA (PEP 658)."""
    project: str
    version: str
    kind: FileKind = FileKind.WHEEL
    """`wheel`, or `sdist` for the source that wheels of the release were made from."""
    origin: WheelOrigin
    """`built` by this service, `brought` by a user, or `mirrored`: the same file as on the upstream index."""
    build_id: str | None
    """The build of the wheel; null if it was mirrored from upstream, and for an sdist."""
    python: str | None
    """The Python that the wheel was made for; null for an sdist, as `platform` and `tag`."""
    platform: str | None
    tag: str | None
    sha256: str
    size_bytes: int
    requires_python: str | None
    metadata_sha256: str | None
    """Digest of its METADATA; null if it was not recorded, or if wheels made from the sdist may differ from it."""
    level: Level
    """`prod` for the main index, `staging` before promotion."""
    standing: Standing
    """Installers ignore `yanked` wheels unless the exact version is requested; `deleted` wheels are not available."""
    uploaded_at: datetime
    yanked_at: datetime | None
    yanked_reason: str | None
    deleted_at: datetime | None
    file_count: int | None
    """Number of files in the wheel; null if it was not recorded, and for an sdist."""

    @classmethod
    def of(cls, wheel: IndexedWheel) -> Self:
        """Return the view of a wheel."""
        facts = {name: getattr(wheel, name) for name in cls.model_fields if name not in {"url", "file_url"}}
        return cls(**facts, url=wheel_path(wheel.filename), file_url=f"/files/{quote(wheel.filename)}")


class MemberView(View):
    """A file in a wheel."""

    path: str
    size_bytes: int
    """Unpacked size."""


class ContentsView(View):
    """The contents of a wheel."""

    files: tuple[MemberView, ...]
    """The first 2,000 by path."""
    total: int
    """Number of all files."""
    size_bytes: int
    """Unpacked size of all files."""

    @classmethod
    def of(cls, contents: WheelContents) -> Self:
        """Return the view of a wheel's contents."""
        files = tuple(map(MemberView.model_validate, contents.members))
        return cls(files=files, total=contents.total, size_bytes=contents.size_bytes)


class WheelListView(View):
    """One page of wheels, newest first."""

    wheels: tuple[IndexedWheelView, ...]
    next: str | None
    """Path of the next page with the same filters; null on the last page."""

    @classmethod
    def of(cls, page: WheelPage, *, next_path: str | None) -> Self:
        """Return the view of a page."""
        return cls(wheels=tuple(map(IndexedWheelView.of, page.wheels)), next=next_path)


class ProjectSummaryView(View):
    """A project in a list."""

    name: str
    url: str
    """Path of the complete project."""
    releases: int
    wheels: int
    origins: tuple[WheelOrigin, ...]
    """Origins of its wheels."""
    newest_upload_at: datetime

    @classmethod
    def of(cls, project: ProjectSummary) -> Self:
        """Return the view of a project without its wheels."""
        return cls(
            name=project.name,
            url=f"/v1/projects/{project.name}",
            releases=project.releases,
            wheels=project.wheels,
            origins=project.origins,
            newest_upload_at=project.newest_upload_at,
        )


class ProjectListView(View):
    """One page of projects, by name."""

    projects: tuple[ProjectSummaryView, ...]
    next: str | None
    """Path of the next page; null on the last page."""

    @classmethod
    def of(cls, page: ProjectPage, *, next_path: str | None) -> Self:
        """Return the view of a page."""
        return cls(projects=tuple(map(ProjectSummaryView.of, page.projects)), next=next_path)


class ReleaseView(View):
    """A release with its wheels and its sdist."""

    version: str
    wheels: tuple[IndexedWheelView, ...]
    """Newest upload first, including deleted files. `kind` tells an sdist from the wheels."""


class DisownedView(View):
    """A project whose name may be asked of upstream again."""

    project: str
    """Its name, normalised."""
    sdists: tuple[str, ...]
    """The uploaded sdists that had made it the organisation's own, the oldest first."""


class ProjectView(View):
    """A project with all of its published files."""

    name: str
    simple_url: str
    """Path of its Simple API page."""
    own_simple_url: str
    """Path of its Simple API page without mirrored wheels; not found if all wheels are mirrored."""
    releases: tuple[ReleaseView, ...]
    """Newest version first."""

    @classmethod
    def of(cls, project: ProjectDetails) -> Self:
        """Return the view of a project."""
        releases = tuple(
            ReleaseView(version=release.version, wheels=tuple(map(IndexedWheelView.of, release.wheels)))
            for release in project.releases
        )
        return cls(
            name=project.name,
            simple_url=f"/simple/{project.name}/",
            own_simple_url=f"/own/simple/{project.name}/",
            releases=releases,
        )


class FindingView(View):
    """A difference between devpi and the database."""

    difference: Difference
    filename: str
    project: str
    detail: str
    mended: bool


class LastReportView(View):
    """The last comparison of devpi and the database."""

    checked_at: datetime
    wheels: int
    files: int
    found: int
    """Number of differences that were not repaired."""
    findings: tuple[FindingView, ...]
    """The first 300 differences."""

    @classmethod
    def of(cls, report: LastReport) -> Self:
        """Return the view of the last report."""
        return cls.model_validate(report)


class IndexReportView(View):
    """A comparison of devpi and the database."""

    wheels: int
    """Number of wheels in the database."""
    files: int
    """Number of files in devpi."""
    sound: bool
    """True if no differences remain."""
    findings: tuple[FindingView, ...]

    @classmethod
    def of(cls, report: IndexReport) -> Self:
        """Return the view of a report."""
        findings = tuple(map(FindingView.model_validate, report.findings))
        return cls(wheels=report.wheels, files=report.files, sound=report.is_sound, findings=findings)


def wheel_path(filename: str) -> str:
    """Return the path of a wheel."""
    return f"/v1/wheels/{quote(filename)}"
