"""What the REST API takes and gives, as pydantic models. Must not hold rules: values come from the domain as they are.

Field docstrings become the descriptions in the OpenAPI document. Errors have a model of their own in
``wheelyard.api.problems``; the events of a followed log are in ``wheelyard.api.log_events``, and what a build
consists of in ``wheelyard.api.schemas.wheels``.
"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlencode
from uuid import UUID

from packaging.utils import canonicalize_name
from pydantic import Field

from wheelyard.api.schemas.base import ID_BEGINNING, PLAIN_TEXT, Body, View
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.api.schemas.wheels import AttemptView, BriefFailureView, FailureView, WheelView
from wheelyard.domain.builds.build import Build, BuildSummary, Stage, Status
from wheelyard.domain.builds.needed_release import AwaitedBuild
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
from wheelyard.domain.packaging.target import Target


class NewBuild(Body):
    """A wheel to be made."""

    requirement: Annotated[str, Field(min_length=1, max_length=500, examples=["pyyaml>=6,<7"])]
    """Project name with an optional version specifier (PEP 508, without markers and URLs); extras change no wheel."""
    python: Annotated[str | None, Field(max_length=20, examples=["3.13"])] = None
    """CPython version that the wheel is for. Default: the one that ``GET /v1/targets`` marks."""
    platform: Annotated[str | None, Field(max_length=80, examples=["manylinux_2_36_x86_64"])] = None
    """Platform that the wheel must run on, as a platform tag. Default: the one that ``GET /v1/targets`` marks."""
    priority: Priority = Priority.INTERACTIVE
    """``interactive`` builds go before all ``batch`` ones; among equals, requesters take turns."""


class BuildChoice(Body):
    """Which builds are meant."""

    project: Annotated[str | None, Field(max_length=200, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")] = None
    """Only this project's, in any spelling of its name."""
    status: Status | None = None
    """Only those with this status."""
    id: Annotated[str | None, Field(max_length=36, pattern=ID_BEGINNING)] = None
    """Only those whose id begins so."""
    failure_code: Annotated[str | None, Field(max_length=80, pattern=r"^[a-z0-9-]+$", examples=["build-failed"])] = None
    """Only those that failed with this code."""
    python: Annotated[str | None, Field(max_length=20, pattern=PLAIN_TEXT, examples=["3.13"])] = None
    """Only those for this Python."""
    platform: Annotated[str | None, Field(max_length=80, pattern=PLAIN_TEXT)] = None
    """Only those for this platform."""
    requested_by: Annotated[str | None, Field(max_length=200, pattern=PLAIN_TEXT, examples=["ci"])] = None
    """Only what this requester asked for: the name of a token, or the name with the token's id."""

    def as_filter(self) -> BuildFilter:
        """Say it in the domain's words."""
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
    """Which builds a list shows."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 50
    """How many at most."""
    before: UUID | None = None
    """Only those created before this build."""

    def as_filter(self) -> BuildFilter:
        """Say it in the domain's words."""
        before = None if self.before is None else str(self.before)
        return replace(super().as_filter(), before=before, limit=self.limit)

    def query_before(self, build_id: str) -> str:
        """Say it as the query of the page that begins after this build."""
        return urlencode({**self.model_dump(mode="json", exclude_none=True), "before": build_id})


class LogQuery(Body):
    """Which part of a log is wanted."""

    after: Annotated[str | None, Field(max_length=40)] = None
    """With events: go on after the event with this id; for clients that cannot set Last-Event-ID."""
    attempt: Annotated[int | None, Field(ge=1, le=999_999_999)] = None
    """As text: this attempt's log; without it, the newest one's."""


class RetryChoice(BuildChoice):
    """Which failed or cancelled builds are put back into the queue."""

    status: Literal[Status.FAILED, Status.CANCELLED] = Status.FAILED
    """Whether failed or cancelled ones are meant."""
    limit: Annotated[int, Field(ge=1, le=MAX_RETRIES)] = MAX_RETRIES
    """How many at most, the newest first."""

    def as_filter(self) -> BuildFilter:
        """Say it in the domain's words."""
        return replace(super().as_filter(), limit=self.limit)


class RetriedBuildView(View):
    """The build that a retry led to."""

    id: str
    url: str
    """Path of the build."""
    project: str
    version: str
    python: str
    platform: str
    status: Status
    joined: bool
    """True if an equal build was there already."""


class RetriedBuildsView(View):
    """What became of retrying many builds."""

    builds: tuple[RetriedBuildView, ...]
    more: bool
    """True if more builds fit: ask again for them."""

    @classmethod
    def of(cls, retried: RetriedBuilds) -> Self:
        """Show it."""
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


class BuildSummaryView(View):
    """A build as lists show it."""

    id: str
    url: str
    """Path of the whole build."""
    project: str
    version: str
    python: str
    platform: str
    status: Status
    stage: Stage | None
    """The stage that is running, if the build is."""
    created_at: datetime
    finished_at: datetime | None
    wheel_filename: str | None
    failure_code: str | None
    failure: BriefFailureView | None
    log_url: str
    """Path of its log."""
    priority: Priority
    not_before: datetime | None
    """When it is tried again, if it is queued after an attempt that failed for a reason that may pass."""
    waits: bool
    """True while it is queued until other builds are done; the whole build names them."""

    @classmethod
    def of(cls, build: BuildSummary) -> Self:
        """Show a build without its attempts."""
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
    """Path of the next page, with the same filters; null on the last one. The Link header has it too."""

    @classmethod
    def of(cls, page: BuildPage, *, next_path: str | None) -> Self:
        """Show a page."""
        return cls(builds=tuple(map(BuildSummaryView.of, page.builds)), next=next_path)


class AwaitedBuildView(View):
    """What a build waits for."""

    project: str
    version: str
    build_id: str | None
    """The build that makes its wheel; null until it is ordered, which takes a moment."""
    url: str | None
    """Path of that build."""

    @classmethod
    def of(cls, awaited: AwaitedBuild) -> Self:
        """Show it."""
        url = None if awaited.build_id is None else build_path(awaited.build_id)
        release = awaited.release
        return cls(project=release.project, version=release.version, build_id=awaited.build_id, url=url)


class BuildView(View):
    """One release for one target, and how far it has come."""

    id: str
    url: str
    """Path of this build."""
    log_url: str
    """Path of its log."""
    requirement: str
    """The requirement as it was first asked for."""
    project: str
    version: str
    python: str
    platform: str
    builder: str
    """Name of the builder's suite."""
    sdist: SdistView
    recipe_digest: str
    key: str
    """Content key: equal keys are one build."""
    status: Status
    stage: Stage | None
    """The stage that is running, if the build is."""
    priority: Priority
    not_before: datetime | None
    """When it is tried again, if it is queued after an attempt that failed for a reason that may pass."""
    waits_for: tuple[AwaitedBuildView, ...]
    """What it requires and has no wheel yet: it is queued until all of that is built."""
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: tuple[AttemptView, ...]
    """Oldest first; there is another one if a worker was lost or stopped, if something was down that may come back, or
    if somebody asked for a retry."""
    failure: FailureView | None
    wheel: WheelView | None

    @classmethod
    def of(cls, build: Build, *, links: IndexLinks) -> Self:
        """Show a build."""
        return cls.model_validate(_build_fields(build, links))


class SubmittedBuildView(BuildView):
    """The build that a request led to."""

    joined: bool
    """True if an equal build was there already, queued, running or succeeded."""

    @classmethod
    def of_submission(cls, submission: Submission, *, links: IndexLinks) -> Self:
        """Show a build, and whether it was there before."""
        return cls.model_validate({**_build_fields(submission.build, links), "joined": submission.joined})


class TargetView(View):
    """What can be asked for."""

    python: str
    platform: str
    default: bool
    """True for the one that a request means if it names none."""

    @classmethod
    def of(cls, target: Target, *, default: Target) -> Self:
        """Show a target."""
        return cls(python=target.python, platform=target.platform, default=target == default)


def build_path(build_id: str) -> str:
    """Say where a build is found."""
    return f"/v1/builds/{build_id}"


def log_path(build_id: str) -> str:
    """Say where a build's log is found."""
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
        "sdist": order.sdist,
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
        "wheel": build.wheel and WheelView.of(build.wheel, release=release, links=links),
    }
