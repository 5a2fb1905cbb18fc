"""What the REST API takes and gives of our index: wheels, projects, checks. Must not hold rules."""

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
    """Why a wheel is yanked."""

    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_REASON, pattern=PLAIN_TEXT),
        Field(examples=["leaks memory with libyaml 0.2.4; use 6.0.3"]),
    ]
    """Shown by installers to whoever takes the wheel nevertheless."""


class CheckOrder(Body):
    """What a check of the index does."""

    mend: bool = False
    """Put right what can be."""


class WheelQuery(Body):
    """Which wheels a list shows."""

    project: Annotated[str | None, Field(max_length=200, pattern=_PROJECT)] = None
    """Only this project's, in any spelling of its name."""
    origin: WheelOrigin | None = None
    """Only those that were built here, or mirrored."""
    standing: Standing | None = None
    """Only those that are offered, yanked or deleted."""
    level: Level | None = None
    """Only those on this level."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 50
    """How many at most."""
    before: Annotated[str | None, Field(max_length=300, pattern=PLAIN_TEXT)] = None
    """Only those that were uploaded before this file name."""

    def as_filter(self) -> WheelFilter:
        """Say it in the domain's words."""
        return WheelFilter(
            project=self.project and canonicalize_name(self.project),
            origin=self.origin,
            standing=self.standing,
            level=self.level,
            before=self.before,
            limit=self.limit,
        )

    def query_before(self, filename: str) -> str:
        """Say it as the query of the page that begins after this wheel."""
        return urlencode({**self.model_dump(mode="json", exclude_none=True), "before": filename})


class ProjectQuery(Body):
    """Which projects a list shows."""

    prefix: Annotated[str, Field(max_length=200, pattern=NO_NUL)] = ""
    """Only names that begin so, in any spelling."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 50
    """How many at most."""
    after: Annotated[str | None, Field(max_length=200, pattern=NO_NUL)] = None
    """Only names that sort after this one."""

    def as_filter(self) -> ProjectFilter:
        """Say it in the domain's words."""
        return ProjectFilter(prefix=canonicalize_name(self.prefix), after=self.after, limit=self.limit)

    def query_after(self, name: str) -> str:
        """Say it as the query of the page that begins after this project."""
        return urlencode({**self.model_dump(mode="json", exclude_none=True), "after": name})


class IndexedWheelView(View):
    """A wheel as our index lists it."""

    filename: str
    url: str
    """Path of this document."""
    file_url: str
    """Path of its bytes; with `.metadata` added, of its METADATA (PEP 658)."""
    project: str
    version: str
    origin: WheelOrigin
    """`built` by this service, or `mirrored`: the very same bytes as on the upstream index."""
    build_id: str | None
    """The build that made it; null if it was mirrored from upstream."""
    python: str
    platform: str
    tag: str
    sha256: str
    size_bytes: int
    requires_python: str | None
    metadata_sha256: str | None
    """Digest of its METADATA; null if that is not kept."""
    level: Level
    """`staging` before everybody gets it, `prod` for what users install."""
    standing: Standing
    """`yanked` wheels are taken only by who asks for the exact version; `deleted` ones are gone."""
    uploaded_at: datetime
    yanked_at: datetime | None
    yanked_reason: str | None
    deleted_at: datetime | None
    file_count: int | None
    """How many files it contains; null if that was not recorded."""

    @classmethod
    def of(cls, wheel: IndexedWheel) -> Self:
        """Show a wheel."""
        facts = {name: getattr(wheel, name) for name in cls.model_fields if name not in {"url", "file_url"}}
        return cls(**facts, url=wheel_path(wheel.filename), file_url=f"/files/{quote(wheel.filename)}")


class MemberView(View):
    """A file in a wheel."""

    path: str
    size_bytes: int
    """Unpacked."""


class ContentsView(View):
    """What a wheel contains."""

    files: tuple[MemberView, ...]
    """The first 2,000 by path."""
    total: int
    """How many files there are."""
    size_bytes: int
    """What all of them take, unpacked."""

    @classmethod
    def of(cls, contents: WheelContents) -> Self:
        """Show what a wheel contains."""
        files = tuple(map(MemberView.model_validate, contents.members))
        return cls(files=files, total=contents.total, size_bytes=contents.size_bytes)


class WheelListView(View):
    """One page of wheels, newest first."""

    wheels: tuple[IndexedWheelView, ...]
    next: str | None
    """Path of the next page, with the same filters; null on the last one."""

    @classmethod
    def of(cls, page: WheelPage, *, next_path: str | None) -> Self:
        """Show a page."""
        return cls(wheels=tuple(map(IndexedWheelView.of, page.wheels)), next=next_path)


class ProjectSummaryView(View):
    """A project as lists show it."""

    name: str
    url: str
    """Path of the whole project."""
    releases: int
    wheels: int
    origins: tuple[WheelOrigin, ...]
    """Where its wheels come from."""
    newest_upload_at: datetime

    @classmethod
    def of(cls, project: ProjectSummary) -> Self:
        """Show a project without its wheels."""
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
    """Path of the next page; null on the last one."""

    @classmethod
    def of(cls, page: ProjectPage, *, next_path: str | None) -> Self:
        """Show a page."""
        return cls(projects=tuple(map(ProjectSummaryView.of, page.projects)), next=next_path)


class ReleaseView(View):
    """A release and its wheels."""

    version: str
    wheels: tuple[IndexedWheelView, ...]
    """The newest upload first; deleted ones too."""


class ProjectView(View):
    """A project with everything that was ever published of it."""

    name: str
    simple_url: str
    """Path of its page for installers."""
    own_simple_url: str
    """Path of its page without mirrored wheels; there is none if all are mirrored."""
    releases: tuple[ReleaseView, ...]
    """The newest version first."""

    @classmethod
    def of(cls, project: ProjectDetails) -> Self:
        """Show a project."""
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
    """A disagreement between devpi and the database."""

    difference: Difference
    filename: str
    project: str
    detail: str
    mended: bool


class LastReportView(View):
    """How devpi and the database compared at the last look."""

    checked_at: datetime
    wheels: int
    files: int
    found: int
    """How many disagreements were found and not mended."""
    findings: tuple[FindingView, ...]
    """The first 300 of all."""

    @classmethod
    def of(cls, report: LastReport) -> Self:
        """Show the last report."""
        return cls.model_validate(report)


class IndexReportView(View):
    """How devpi and the database compare."""

    wheels: int
    """How many wheels we list."""
    files: int
    """How many files devpi holds."""
    sound: bool
    """True if nothing is left to be mended."""
    findings: tuple[FindingView, ...]

    @classmethod
    def of(cls, report: IndexReport) -> Self:
        """Show a report."""
        findings = tuple(map(FindingView.model_validate, report.findings))
        return cls(wheels=report.wheels, files=report.files, sound=report.is_sound, findings=findings)


def wheel_path(filename: str) -> str:
    """Say where a wheel is found."""
    return f"/v1/wheels/{quote(filename)}"
