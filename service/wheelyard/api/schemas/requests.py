"""Models of requests for whole applications."""

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlencode

from pydantic import Field, StringConstraints

from wheelyard.api.schemas.base import ID_BEGINNING, NO_NUL, PLAIN_TEXT, Body, View
from wheelyard.api.schemas.builds import FileSourceView, GitSourceView, log_path
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.domain.builds.records import MAX_PAGE_SIZE, IdRange
from wheelyard.domain.dependencies.files import InputKind, Skipped
from wheelyard.domain.prebuilds.lists import PrebuildFilter, PrebuildPage, PrebuildState, PrebuildSummary
from wheelyard.domain.prebuilds.prebuild import Item, ItemStatus, Prebuild, Prefer, Source
from wheelyard.domain.prebuilds.webhook import Webhook, WebhookState

_MOST_FILES = 50
_MOST_REQUIREMENTS = 2000
_MOST_TARGETS = 24
_FILE_NAME = r"^[^\x00-\x1f\x7f]{1,300}$"
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=200)]
_Requirement = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=PLAIN_TEXT)]


class DependencyFiles(Body):
    """The dependency files of an application."""

    file: Annotated[str | None, Field(pattern=_FILE_NAME, examples=["requirements.txt"])] = None
    """Name of the main file; its text is in ``files``."""
    files: Annotated[
        dict[Annotated[str, StringConstraints(pattern=_FILE_NAME)], Annotated[str, StringConstraints(pattern=NO_NUL)]],
        Field(max_length=_MOST_FILES, examples=[{"requirements.txt": "lxml>=6\npyyaml\n"}]),
    ] = {}
    """Texts by relative path: the main file, and those that it includes with ``-r`` or ``-c``."""
    kind: InputKind | None = None
    """Format of the file. Default: from its name, else a requirements file."""


class NewRequest(DependencyFiles):
    """A request for all dependencies of an application, for several targets."""

    requirements: Annotated[list[_Requirement], Field(max_length=_MOST_REQUIREMENTS, examples=[["lxml>=6"]])] = []
    """Requirements in addition to the file, or without one."""
    extras: Annotated[list[_Name], Field(max_length=100)] = []
    """Extras of the application itself, for lock files and pyproject.toml."""
    groups: Annotated[list[_Name], Field(max_length=100)] = []
    """Dependency groups (PEP 735), for lock files and pyproject.toml."""
    default_groups: bool = True
    """Include the groups that the lock's own tool installs by default. For ``uv.lock``: ``dev``, or the default groups
    of the pyproject.toml in ``files``. For ``poetry.lock``: all groups that are not optional. For ``pylock.toml``: the
    default groups that it names."""
    pythons: Annotated[
        list[Annotated[str, Field(max_length=20)]], Field(max_length=_MOST_TARGETS, examples=[["3.11", "3.13"]])
    ] = []
    """Pythons of the application. Default: see ``GET /v1/targets``."""
    platforms: Annotated[
        list[Annotated[str, Field(max_length=80)]],
        Field(max_length=_MOST_TARGETS, examples=[["manylinux_2_31_x86_64", "manylinux_2_36_x86_64"]]),
    ] = []
    """Platforms of the application. Default: see ``GET /v1/targets``."""
    prefer: Prefer = Prefer.UPSTREAM
    """``upstream``: mirror upstream's wheel if it is compatible, else build. ``own``: build everything from source."""
    allow_skipped: bool = False
    """Ignore lines that cannot be served (a host that is not allowed, an unknown file). Otherwise such a line makes the
    request not installable."""

    webhook: Annotated[str | None, Field(max_length=2000, examples=["https://ci.example.org/hooks/wheelyard"])] = None
    """URL of a webhook to call when the request ends (signed, repeated until it arrives)."""


class OriginView(View):
    """The place of a requirement."""

    file: str
    line: int | None


class SkippedView(View):
    """A skipped line, which cannot be built."""

    file: str
    line: int | None
    text: str
    reason: str
    is_wanted: bool
    """True if the line requires what is not served: the request is then only installable with ``allow_skipped``."""

    @classmethod
    def of(cls, skipped: Skipped) -> Self:
        """Return the view of a skipped line."""
        origin = skipped.origin
        return cls(
            file=origin.file,
            line=origin.line,
            text=skipped.text,
            reason=skipped.reason,
            is_wanted=skipped.is_wanted,
        )


class ItemView(View):
    """A release for a target."""

    project: str
    version: str
    """Of a commit, it is known for sure once its wheel is built."""
    commit: GitSourceView | None = None
    """The commit that it is built from; null for a release of an index."""
    file: FileSourceView | None = None
    """The file at an address that it is made from; null for a release of an index."""
    python: str
    platform: str
    status: ItemStatus
    """``present``: our index has a compatible wheel. ``mirror``: upstream's wheel will be mirrored. ``build``: it will
    be built, or is being built. ``waiting``: a build for another target may provide the wheel. ``failed`` and
    ``impossible``: see the reason."""
    reason: str
    hint: str
    """What to do after a failure; may be empty."""
    filename: str | None
    """File name of the wheel."""
    source: Source | None
    """Origin of the wheel."""
    sha256: str | None
    build_id: str | None
    log_url: str | None
    """Path of the build's log."""
    origin: OriginView

    @classmethod
    def of(cls, item: Item) -> Self:
        """Return the view of an item."""
        return cls(
            project=item.project,
            version=item.made_version,
            commit=None if item.commit is None else GitSourceView.of(item.commit),
            file=None if item.file is None else FileSourceView.model_validate(item.file),
            python=item.target.python,
            platform=item.target.platform,
            status=item.status,
            reason=item.reason,
            hint=item.hint,
            filename=item.filename,
            source=item.source,
            sha256=item.sha256,
            build_id=item.build_id,
            log_url=None if item.build_id is None else log_path(item.build_id),
            origin=OriginView(file=item.origin.file, line=item.origin.line),
        )


class StartedView(View):
    """A build that a request started or joined; in a plan, one that it would start or join."""

    build_id: str | None
    """Null in a plan, unless the build exists."""
    project: str
    version: str
    python: str
    platform: str
    joined: bool
    """True if the build existed before."""


class PlanView(View):
    """The actions for each release and target."""

    prefer: Prefer
    mirror: Literal["allow", "never"] = "allow"
    """`never`: the operator does not allow mirroring (`WHEELYARD_MIRROR`). Wheels are built instead, and the item has a
    reason."""
    allow_skipped: bool
    counts: dict[ItemStatus, int]
    """Number of items by status."""
    builds: tuple[StartedView, ...]
    items: tuple[ItemView, ...]
    skipped: tuple[SkippedView, ...]

    @classmethod
    def of(cls, prebuild: Prebuild, *, may_mirror: bool = True) -> Self:
        """Return the view of a plan."""
        return cls(**_facts_of(prebuild, may_mirror=may_mirror)).with_items(prebuild)

    def with_items(self, prebuild: Prebuild) -> Self:
        """Return the view with its items. Items are validated one by one: 50,000 at once would block other requests."""
        return self.model_copy(update={"items": tuple([ItemView.of(item) for item in prebuild.items])})

    def as_json(self) -> str:
        """Return the JSON, written item by item: one call for 50,000 items would block other requests."""
        head = json.dumps(self.model_dump(mode="json", exclude={"items"}), ensure_ascii=False, separators=(",", ":"))
        items = ",".join(item.model_dump_json() for item in self.items)
        return f'{head[:-1]},"items":[{items}]}}'


class WebhookView(View):
    """A webhook that is called when a request ends, and its status."""

    host: str
    """Host of the URL; the rest may be secret."""
    state: WebhookState
    attempts: int
    fault: str | None
    """Why the last attempt failed."""

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        """Return the view of a webhook."""
        return cls(host=webhook.host, state=webhook.state, attempts=webhook.attempts, fault=webhook.fault)


class WebhookReceiver(Body):
    """A webhook receiver."""

    url: Annotated[str, Field(max_length=2000, examples=["https://ci.example.org/hooks/wheelyard"])]


class WebhookSecretView(View):
    """The secret that verifies a receiver's signatures."""

    secret: Annotated[str, Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="])]
    """Secret in the format of Standard Webhooks, for messages of this token to this URL."""


class RequestView(PlanView):
    """A request and its progress."""

    id: str
    url: str
    """Path of this document."""
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    cancelled: bool
    is_installable: bool
    """True when our index serves every item. Always false if the input has no valid line, or if a line was skipped that
    no index can serve and ``allow_skipped`` is false."""
    needs_lock: bool
    """True if the input does not lead installers to some of our wheels, because it names repositories or other hashes:
    install from the lock file that ``POST …/lock`` returns."""
    install: str | None
    """The command that installs from our index; null until the request is installable."""
    seconds_left: float | None
    """Estimated seconds for the running and remaining builds with the current workers, from earlier builds of these
    projects; null if unknown."""
    webhook: WebhookView | None

    @classmethod
    def of_request(
        cls, prebuild: Prebuild, links: IndexLinks, *, seconds_left: float | None = None, may_mirror: bool = True
    ) -> Self:
        """Return the view of a request."""
        done = bool(prebuild.items) and prebuild.is_installable
        return cls(
            **_facts_of(prebuild, may_mirror=may_mirror),
            id=prebuild.id,
            url=request_path(prebuild.id),
            requested_by=prebuild.requested_by,
            created_at=prebuild.created_at,
            finished_at=prebuild.finished_at,
            cancelled=prebuild.cancelled,
            is_installable=prebuild.is_installable,
            needs_lock=prebuild.needs_lock,
            install=links.install_command(_names(prebuild.items)) if done else None,
            seconds_left=seconds_left,
            webhook=WebhookView.of(prebuild.webhook) if prebuild.webhook else None,
        ).with_items(prebuild)


class RequestQuery(Body):
    """Filters and page of a list of requests."""

    state: PrebuildState | None = None
    """`open` (not finished), `done` or `cancelled`."""
    id: Annotated[str | None, Field(max_length=36, pattern=ID_BEGINNING)] = None
    """Only requests whose id begins with this."""
    before: uuid.UUID | None = None
    """Only requests created before this one."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 50

    def as_filter(self) -> PrebuildFilter:
        """Return the domain's filter."""
        before = None if self.before is None else str(self.before)
        ids = None if self.id is None else IdRange.of(self.id)
        return PrebuildFilter(state=self.state, ids=ids, before=before, limit=self.limit)

    def query_before(self, before: str) -> str:
        """Return the query string of the next page."""
        kept = {name: value for name, value in (("state", self.state), ("id", self.id)) if value}
        return urlencode({**kept, "limit": self.limit, "before": before})


class RequestSummaryView(View):
    """A request in a list."""

    id: str
    url: str
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    cancelled: bool
    targets: int
    """Number of targets."""
    counts: dict[ItemStatus, int]
    """Number of items by status."""

    @classmethod
    def of(cls, prebuild: PrebuildSummary) -> Self:
        """Return the view of a request without its items."""
        return cls(
            id=prebuild.id,
            url=request_path(prebuild.id),
            requested_by=prebuild.requested_by,
            created_at=prebuild.created_at,
            finished_at=prebuild.finished_at,
            cancelled=prebuild.cancelled,
            targets=prebuild.targets,
            counts=dict(prebuild.counts),
        )


class RequestListView(View):
    """One page of requests, newest first."""

    requests: tuple[RequestSummaryView, ...]
    next: str | None
    """Path of the next page with the same filters; null on the last page."""

    @classmethod
    def of(cls, page: PrebuildPage, *, next_path: str | None) -> Self:
        """Return the view of a page."""
        return cls(requests=tuple(map(RequestSummaryView.of, page.prebuilds)), next=next_path)


class LockView(View):
    """A lock file that installs from our index."""

    text: str
    """The lock file, with the files of our index."""
    files: dict[str, str]
    """The lock file and, for requirements, the files that it includes, by name."""


def request_path(request_id: str) -> str:
    """Return the path of a request."""
    return f"/v1/requests/{request_id}"


def _names(items: Iterable[Item]) -> str:
    """Return the releases for a command line, with markers if Pythons get different versions of a project."""
    pythons: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for item in items:
        pythons[item.project][item.made_version].add(item.target.python)
    return " ".join(
        f"{project}=={version}" if len(versions) == 1 else _marked(project, version, versions[version])
        for project, versions in sorted(pythons.items())
        for version in sorted(versions)
    )


def _marked(project: str, version: str, pythons: Iterable[str]) -> str:
    marker = " or ".join(f'python_version == "{python}"' for python in sorted(pythons))
    return f"'{project}=={version}; {marker}'"


def _facts_of(prebuild: Prebuild, *, may_mirror: bool) -> dict[str, object]:
    started = (
        StartedView(
            build_id=one.build_id,
            project=one.project,
            version=one.version,
            python=one.target.python,
            platform=one.target.platform,
            joined=one.joined,
        )
        for one in prebuild.started
        if not one.is_refused
    )
    return {
        "prefer": prebuild.prefer,
        "mirror": "allow" if may_mirror else "never",
        "allow_skipped": prebuild.allow_skipped,
        "counts": dict(Counter(item.status for item in prebuild.items)),
        "builds": tuple(started),
        "items": (),
        "skipped": tuple(map(SkippedView.of, prebuild.skipped)),
    }
