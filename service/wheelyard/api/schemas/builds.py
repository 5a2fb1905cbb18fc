"""Models of builds; attempts, failures and wheels are in ``wheelyard.api.schemas.wheels``.

Field docstrings become the descriptions in the OpenAPI document.
"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlencode
from uuid import UUID

from packaging.utils import canonicalize_name
from pydantic import Field, model_validator

from wheelyard.api.schemas.base import ID_BEGINNING, PLAIN_TEXT, Body, View
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.api.schemas.wheels import AttemptView, BriefFailureView, FailureView, WheelView
from wheelyard.domain.builds.build import AwaitedBuild, Build, BuildSummary, Stage, Status
from wheelyard.domain.builds.git_source import GitOrigin, GitRequest
from wheelyard.domain.builds.local_source import LocalKind
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.builds.records import (
    MAX_PAGE_SIZE,
    MAX_RETRIES,
    BuildFilter,
    BuildPage,
    IdRange,
    RetriedBuilds,
    Submission,
)
from wheelyard.domain.catalogue.reach import PythonReach, unreachable_error
from wheelyard.domain.index.wheels import origin_of
from wheelyard.domain.packaging.target import Target


class NewGitSource(Body):
    """A commit, tag or branch of a git repository, on a host that the operator lists."""

    git: Annotated[str, Field(min_length=1, max_length=500, examples=["https://git.example/acme/billing"])]
    """Address of the repository, without a user, password or query."""
    ref: Annotated[str | None, Field(max_length=200, examples=["v1.2"])] = None
    """Tag, branch, or commit with all its digits. Default: the repository's default branch."""
    subdirectory: Annotated[str | None, Field(max_length=200)] = None
    """Folder of the project in the repository. Default: its root."""
    project: Annotated[str | None, Field(max_length=200)] = None
    """Name of the project; needed only if its ``pyproject.toml`` or ``setup.cfg`` does not state it."""

    def as_request(self) -> GitRequest:
        """Return the domain's request; raise GitSourceInvalidError."""
        return GitRequest.of(url=self.git, ref=self.ref, subdirectory=self.subdirectory, project=self.project)


class NewBuild(Body):
    """A wheel to build: of a release (``requirement``), or of a commit (``source``)."""

    requirement: Annotated[str | None, Field(min_length=1, max_length=500, examples=["pyyaml>=6,<7"])] = None
    """Project name with an optional version specifier (PEP 508, no markers or URLs). Extras have no effect."""
    source: NewGitSource | None = None
    """A source in git, in place of a requirement."""
    python: Annotated[str | None, Field(max_length=20, examples=["3.13"])] = None
    """CPython version of the wheel. Default: see ``GET /v1/targets``."""
    platform: Annotated[str | None, Field(max_length=80, examples=["manylinux_2_36_x86_64"])] = None
    """Platform of the wheel, as a platform tag. Default: see ``GET /v1/targets``."""
    priority: Priority = Priority.INTERACTIVE
    """``interactive`` builds run before all ``batch`` builds; requesters of the same priority take turns."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.requirement is None) == (self.source is None):
            raise ValueError("give either a requirement or a source")
        return self


class LocalSourceQuery(Body):
    """What is said about the folder or sdist in the body of a request."""

    kind: LocalKind
    """``folder`` for a gzipped tar archive of a project's folder, ``sdist`` for an sdist."""
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=PLAIN_TEXT, examples=["billing"])]
    """Name of the folder, or file name of the sdist."""
    sha256: Annotated[str | None, Field(pattern=r"^[0-9a-fA-F]{64}$")] = None
    """Digest of the body, to notice one that was damaged on its way."""
    project: Annotated[str | None, Field(max_length=200, pattern=PLAIN_TEXT)] = None
    """Name of the project; needed only if its ``pyproject.toml`` or ``setup.cfg`` does not state it."""
    commit: Annotated[str | None, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")] = None
    """The commit of git that the folder is, without changes. It is shown beside the build, and not verified."""
    tag: Annotated[str | None, Field(max_length=200, pattern=PLAIN_TEXT)] = None
    """The nearest tag of git before the folder's state, for projects that ask git for their version."""
    python: Annotated[str | None, Field(max_length=20, pattern=PLAIN_TEXT)] = None
    """CPython version of the wheel. Default: see ``GET /v1/targets``."""
    platform: Annotated[str | None, Field(max_length=80, pattern=PLAIN_TEXT)] = None
    """Platform of the wheel, as a platform tag. Default: see ``GET /v1/targets``."""
    priority: Priority = Priority.INTERACTIVE
    """As in a request for a release."""


class BuildChoice(Body):
    """Filters of builds."""

    project: Annotated[str | None, Field(max_length=200, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")] = None
    """Only builds of this project; the name need not be normalised."""
    status: Status | None = None
    """Only builds with this status."""
    id: Annotated[str | None, Field(max_length=36, pattern=ID_BEGINNING)] = None
    """Only builds whose id begins with this."""
    failure_code: Annotated[str | None, Field(max_length=80, pattern=r"^[a-z0-9-]+$", examples=["build-failed"])] = None
    """Only builds that failed with this code."""
    python: Annotated[str | None, Field(max_length=20, pattern=PLAIN_TEXT, examples=["3.13"])] = None
    """Only builds for this Python."""
    platform: Annotated[str | None, Field(max_length=80, pattern=PLAIN_TEXT)] = None
    """Only builds for this platform."""
    requested_by: Annotated[str | None, Field(max_length=200, pattern=PLAIN_TEXT, examples=["ci"])] = None
    """Only builds of this requester: a token's name, or its name with its id."""

    def as_filter(self) -> BuildFilter:
        """Return the domain's filter."""
        return BuildFilter(
            project=self.project and canonicalize_name(self.project),
            status=self.status,
            ids=None if self.id is None else IdRange.of(self.id),
            failure_code=self.failure_code,
            python=self.python,
            platform=self.platform,
            requested_by=self.requested_by,
        )


class ListQuery(BuildChoice):
    """Filters and page of a list of builds."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 50
    """Maximum number of builds."""
    before: UUID | None = None
    """Only builds created before this one."""

    def as_filter(self) -> BuildFilter:
        """Return the domain's filter."""
        before = None if self.before is None else str(self.before)
        return replace(super().as_filter(), before=before, limit=self.limit)

    def query_before(self, build_id: str) -> str:
        """Return the query string of the page after this build."""
        return urlencode({**self.model_dump(mode="json", exclude_none=True), "before": build_id})


class LogQuery(Body):
    """The part of a log to return."""

    after: Annotated[str | None, Field(max_length=40)] = None
    """For events: continue after the event with this id, for clients that cannot set Last-Event-ID."""
    attempt: Annotated[int | None, Field(ge=1, le=999_999_999)] = None
    """For plain text: number of the attempt. Default: the newest."""


class RetryChoice(BuildChoice):
    """Filters of the failed or cancelled builds to retry."""

    status: Literal[Status.FAILED, Status.CANCELLED] = Status.FAILED
    """Retry failed or cancelled builds."""
    limit: Annotated[int, Field(ge=1, le=MAX_RETRIES)] = MAX_RETRIES
    """Maximum number of builds, newest first."""

    def as_filter(self) -> BuildFilter:
        """Return the domain's filter."""
        return replace(super().as_filter(), limit=self.limit)


class RetriedBuildView(View):
    """The build of a retry."""

    id: str
    url: str
    """Path of the build."""
    project: str
    version: str
    python: str
    platform: str
    status: Status
    joined: bool
    """True if the build existed before."""


class RetriedBuildsView(View):
    """The result of retrying many builds."""

    builds: tuple[RetriedBuildView, ...]
    more: bool
    """True if more builds match: repeat the request for them."""

    @classmethod
    def of(cls, retried: RetriedBuilds) -> Self:
        """Return the view."""
        views = (
            RetriedBuildView(
                id=one.build.id,
                url=build_path(one.build.id),
                project=one.build.order.project,
                version=one.build.order.version,
                python=one.build.order.target.python,
                platform=one.build.order.target.platform,
                status=one.build.status,
                joined=one.joined,
            )
            for one in retried.submissions
        )
        return cls(builds=tuple(views), more=retried.has_more)


class SdistView(View):
    """The source distribution that a build starts from."""

    filename: str
    url: str
    sha256: str
    size_bytes: int | None


class GitSourceView(View):
    """The commit that a build starts from."""

    git: str
    """Address of the repository."""
    ref: str
    """The tag, branch or commit that was requested."""
    commit: str
    """What it was when the build was requested."""
    subdirectory: str
    tag: str | None
    """The tag, if ``ref`` is one."""
    version: str | None
    """The version that the project gives itself; null until its sdist is made."""
    warnings: tuple[str, ...]
    """What users must know of it, such as that the tag was moved."""

    @classmethod
    def of(cls, origin: GitOrigin) -> Self:
        """Return the view."""
        return cls(
            git=origin.url,
            ref=origin.ref,
            commit=origin.commit,
            subdirectory=origin.subdirectory,
            tag=origin.tag,
            version=origin.version,
            warnings=origin.warnings,
        )


class LocalSourceView(View):
    """The folder or sdist that a caller sent, and that a build starts from."""

    kind: LocalKind
    name: str
    """Name of the folder or file."""
    sha256: str
    """Digest of the file that was sent; its beginning is in the wheel's version."""
    size_bytes: int
    sent_by: str
    """The token that sent it."""
    commit: str | None
    """The commit of git that the folder was without changes, as its sender says. Nothing has verified it."""
    tag: str | None
    """The nearest tag before it, as its sender says."""
    version: str | None
    """The version that the project gives itself; null until its sdist is made."""


class FileSourceView(View):
    """The sdist or wheel at an address that a build starts from."""

    address: str
    name: str
    """Its file name."""
    sha256: str
    """Its digest; its beginning is in the wheel's version."""
    version: str
    """The version in its name."""


class BuildSummaryView(View):
    """A build in a list."""

    id: str
    url: str
    """Path of the complete build."""
    project: str
    version: str
    python: str
    platform: str
    status: Status
    stage: Stage | None
    """The running stage; null if the build is not running."""
    created_at: datetime
    finished_at: datetime | None
    wheel_filename: str | None
    failure_code: str | None
    failure: BriefFailureView | None
    log_url: str
    """Path of the log."""
    priority: Priority
    not_before: datetime | None
    """Earliest time of the next attempt, after an attempt that failed for a temporary reason."""
    waits: bool
    """True while it is queued and waits for other builds; the complete build names them."""

    @classmethod
    def of(cls, build: BuildSummary) -> Self:
        """Return the view of a build without its attempts."""
        return cls(
            id=build.id,
            url=build_path(build.id),
            project=build.project,
            version=build.version,
            python=build.target.python,
            platform=build.target.platform,
            status=build.status,
            stage=build.stage,
            created_at=build.created_at,
            finished_at=build.finished_at,
            wheel_filename=build.wheel_filename,
            failure_code=build.failure_code,
            failure=BriefFailureView.model_validate(build.failure) if build.failure else None,
            log_url=log_path(build.id),
            priority=build.priority,
            not_before=build.not_before,
            waits=build.waits,
        )


class BuildListView(View):
    """One page of builds, newest first."""

    builds: tuple[BuildSummaryView, ...]
    next: str | None
    """Path of the next page with the same filters, as in the Link header; null on the last page."""

    @classmethod
    def of(cls, page: BuildPage, *, next_path: str | None) -> Self:
        """Return the view of a page."""
        return cls(builds=tuple(map(BuildSummaryView.of, page.builds)), next=next_path)


class AwaitedBuildView(View):
    """A release that a build waits for."""

    project: str
    version: str
    build_id: str | None
    """The build of the release; null for a moment until it is queued."""
    url: str | None
    """Path of that build."""

    @classmethod
    def of(cls, awaited: AwaitedBuild) -> Self:
        """Return the view."""
        url = None if awaited.build_id is None else build_path(awaited.build_id)
        release = awaited.release
        return cls(project=release.project, version=release.version, build_id=awaited.build_id, url=url)


class BuildView(View):
    """A build of a release for a target."""

    id: str
    url: str
    """Path of this build."""
    log_url: str
    """Path of the log."""
    requirement: str
    """The requirement of the first request."""
    project: str
    version: str
    python: str
    platform: str
    builder: str
    """Name of the builder's suite."""
    sdist: SdistView | None
    """Null until the sdist of a commit or folder is made."""
    source: GitSourceView | None = None
    """The commit that the sdist is made of; null for a release of the index."""
    local_source: LocalSourceView | None = None
    """The folder or sdist that a caller sent; null for all other builds."""
    file_source: FileSourceView | None = None
    """The sdist or wheel at an address that the wheel is made from; null for all other builds."""
    recipe_digest: str
    key: str
    """Content key: requests with the same key share one build."""
    status: Status
    stage: Stage | None
    """The running stage; null if the build is not running."""
    priority: Priority
    not_before: datetime | None
    """Earliest time of the next attempt, after an attempt that failed for a temporary reason."""
    waits_for: tuple[AwaitedBuildView, ...]
    """Required releases without a wheel: the build is queued until all of them are built."""
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: tuple[AttemptView, ...]
    """Oldest first. There is a new attempt after a worker was lost or stopped, after a temporary failure, or after a
    retry."""
    failure: FailureView | None
    wheel: WheelView | None

    @classmethod
    def of(cls, build: Build, *, links: IndexLinks) -> Self:
        """Return the view of a build."""
        return cls.model_validate(_build_fields(build, links))


class SubmittedBuildView(BuildView):
    """The build of a request."""

    joined: bool
    """True if the build existed before, queued, running or succeeded."""

    @classmethod
    def of_submission(cls, submission: Submission, *, links: IndexLinks) -> Self:
        """Return the view of a submission's build."""
        return cls.model_validate({**_build_fields(submission.build, links), "joined": submission.joined})


class SourceTryView(View):
    """An address where the source of a Python was looked for."""

    url: str
    answer: str
    """What came back, such as `it answered 404 Not Found`."""


class TargetProblemView(View):
    """Why nothing can be built for a target now."""

    code: str
    """The error of a request for it: `source-unreachable`."""
    summary: str
    hint: str
    """What to do about it."""
    tried: tuple[SourceTryView, ...]
    """The addresses without its source."""

    @classmethod
    def of(cls, reach: PythonReach) -> Self:
        """Return the view of what is known of an unreachable Python."""
        error = unreachable_error(reach)
        tried = tuple(SourceTryView.model_validate(one) for one in reach.tried)
        return cls(code=error.code, summary=error.summary, hint=error.hint, tried=tried)


class TargetView(View):
    """A Python and a platform that wheels are built for."""

    python: str
    platform: str
    default: bool
    """True for the default target of requests."""
    reachable: bool = True
    """False if nothing can be built for it now: no worker has the image of its Python, or can fetch its source."""
    release: str = ""
    """The release of CPython that its wheels are built with, such as `3.13.15`; empty before a worker reports it."""
    problem: TargetProblemView | None = None
    """Why it is not reachable."""

    @classmethod
    def of(cls, target: Target, *, default: Target, reach: PythonReach | None = None) -> Self:
        """Return the view of a target, with what is known of its Python."""
        return cls(
            python=target.python,
            platform=target.platform,
            default=target == default,
            reachable=reach is None or reach.reachable,
            release=reach.version if reach else "",
            problem=None if reach is None or reach.reachable else TargetProblemView.of(reach),
        )


def build_path(build_id: str) -> str:
    """Return the path of a build."""
    return f"/v1/builds/{build_id}"


def log_path(build_id: str) -> str:
    """Return the path of a build's log."""
    return f"{build_path(build_id)}/log"


def _build_fields(build: Build, links: IndexLinks) -> dict[str, object]:
    order = build.order
    release = f"{order.project}=={order.version}"
    return {
        "id": build.id,
        "url": build_path(build.id),
        "log_url": log_path(build.id),
        "requirement": order.requirement,
        "project": order.project,
        "version": order.version,
        "python": order.target.python,
        "platform": order.target.platform,
        "builder": order.builder,
        "sdist": order.sdist if order.sdist.sha256 else None,
        "source": order.sdist.git and GitSourceView.of(order.sdist.git),
        "local_source": order.sdist.local,
        "file_source": order.sdist.file,
        "recipe_digest": order.recipe_digest,
        "key": order.key,
        "status": build.status,
        "stage": build.stage,
        "priority": build.priority,
        "not_before": build.not_before,
        "waits_for": tuple(map(AwaitedBuildView.of, build.waits_for)),
        "cancel_requested": build.cancel_requested,
        "created_at": build.created_at,
        "started_at": build.started_at,
        "finished_at": build.finished_at,
        "attempts": build.attempts,
        "failure": build.failure,
        "wheel": build.wheel and WheelView.of(build.wheel, release=release, links=links, origin=origin_of(build.order)),
    }
