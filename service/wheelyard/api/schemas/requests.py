"""What the REST API takes and gives of requests for whole applications. Must not hold rules."""

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlencode

from pydantic import Field, StringConstraints

from wheelyard.api.schemas.base import ID_BEGINNING, NO_NUL, PLAIN_TEXT, Body, View
from wheelyard.api.schemas.builds import log_path
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
    """What an application depends on, as its files say it."""

    file: Annotated[str | None, Field(pattern=_FILE_NAME, examples=["requirements.txt"])] = None
    """The file to begin with; its text is in ``files``."""
    files: Annotated[
        dict[Annotated[str, StringConstraints(pattern=_FILE_NAME)], Annotated[str, StringConstraints(pattern=NO_NUL)]],
        Field(max_length=_MOST_FILES, examples=[{"requirements.txt": "lxml>=6\npyyaml\n"}]),
    ] = {}
    """Texts by relative path: the file, and those that it names with ``-r`` or ``-c``."""
    kind: InputKind | None = None
    """What the file is. Default: what its name says; a requirements file if that says nothing."""


class NewRequest(DependencyFiles):
    """Everything that an application depends on, for several targets."""

    requirements: Annotated[list[_Requirement], Field(max_length=_MOST_REQUIREMENTS, examples=[["lxml>=6"]])] = []
    """Requirements beside the file, or without one."""
    extras: Annotated[list[_Name], Field(max_length=100)] = []
    """Extras of the application itself, for lock files and pyproject.toml."""
    groups: Annotated[list[_Name], Field(max_length=100)] = []
    """Dependency groups (PEP 735), for lock files and pyproject.toml."""
    default_groups: bool = True
    """Also the groups that the lock's own tool installs without being asked: for ``uv.lock``, ``dev``, or what the
    pyproject.toml beside it says, if its text is in ``files``; for ``poetry.lock``, all but those that this file calls
    optional; for ``pylock.toml``, what it says itself."""
    pythons: Annotated[
        list[Annotated[str, Field(max_length=20)]], Field(max_length=_MOST_TARGETS, examples=[["3.11", "3.13"]])
    ] = []
    """Pythons that it runs on. Default: the one that ``GET /v1/targets`` marks."""
    platforms: Annotated[
        list[Annotated[str, Field(max_length=80)]],
        Field(max_length=_MOST_TARGETS, examples=[["manylinux_2_31_x86_64", "manylinux_2_36_x86_64"]]),
    ] = []
    """Platforms that it runs on. Default: the one that ``GET /v1/targets`` marks."""
    prefer: Prefer = Prefer.UPSTREAM
    """``upstream``: where upstream has a wheel that fits, the same bytes are served by our index too. ``own``:
    everything is built from source."""
    allow_skipped: bool = False
    """True if lines that ask for what is on no index (an address, a repository, a line that is not understood) do not
    keep the request from being installable: whoever installs gets them by other means."""

    webhook: Annotated[str | None, Field(max_length=2000, examples=["https://ci.example.org/hooks/wheelyard"])] = None
    """Address that a signed POST goes to once the request is over, again until it arrives."""


class OriginView(View):
    """Where something was asked for."""

    file: str
    line: int | None


class SkippedView(View):
    """A line that cannot be built; the rest went on without it."""

    file: str
    line: int | None
    text: str
    reason: str
    is_wanted: bool
    """True if it asks for what is on no index; then the request is installable only with ``allow_skipped``."""

    @classmethod
    def of(cls, skipped: Skipped) -> Self:
        """Show a line that was left out."""
        origin = skipped.origin
        return cls(
            file=origin.file,
            line=origin.line,
            text=skipped.text,
            reason=skipped.reason,
            is_wanted=skipped.is_wanted,
        )


class ItemView(View):
    """One release for one target."""

    project: str
    version: str
    python: str
    platform: str
    status: ItemStatus
    """``present``: our index has a wheel that fits. ``mirror``: upstream's wheel is to be served by our index too.
    ``build``: it is to be built, or is being built. ``waiting``: a build for another target may serve this one too.
    ``failed`` and ``impossible``: see the reason."""
    reason: str
    hint: str
    """What to do about a failure; may be empty."""
    filename: str | None
    """The wheel that serves it."""
    source: Source | None
    """Who made that wheel."""
    sha256: str | None
    build_id: str | None
    log_url: str | None
    """Path of that build's log."""
    origin: OriginView

    @classmethod
    def of(cls, item: Item) -> Self:
        """Show one item."""
        return cls(
            project=item.project,
            version=item.version,
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
    """A build that was started or joined for a request; in a plan, one that would be."""

    build_id: str | None
    """Null in a plan, unless an equal build is there already."""
    project: str
    version: str
    python: str
    platform: str
    joined: bool
    """True if the build was there already."""


class PlanView(View):
    """What would be done, or is being done, for each release and target."""

    prefer: Prefer
    mirror: Literal["allow", "never"] = "allow"
    """`never`: the operator lets no wheel of upstream's onto the index (`WHEELYARD_MIRROR`); what would have been
    mirrored is built, and the item's reason says so."""
    allow_skipped: bool
    counts: dict[ItemStatus, int]
    """How many items stand where."""
    builds: tuple[StartedView, ...]
    items: tuple[ItemView, ...]
    skipped: tuple[SkippedView, ...]

    @classmethod
    def of(cls, prebuild: Prebuild, *, may_mirror: bool = True) -> Self:
        """Show a plan."""
        return cls(**_facts_of(prebuild, may_mirror=may_mirror)).with_items(prebuild)

    def with_items(self, prebuild: Prebuild) -> Self:
        """Add the items, each of which is checked by itself: checking 50,000 at once would hold up everybody."""
        return self.model_copy(update={"items": tuple([ItemView.of(item) for item in prebuild.items])})

    def as_json(self) -> str:
        """Write it item by item: a request may have 50,000, and nothing else runs while one call writes them all."""
        head = json.dumps(self.model_dump(mode="json", exclude={"items"}), ensure_ascii=False, separators=(",", ":"))
        items = ",".join(item.model_dump_json() for item in self.items)
        return f'{head[:-1]},"items":[{items}]}}'


class WebhookView(View):
    """Whom the end of a request is told, and how far that has come."""

    host: str
    """The rest of the address may be a secret."""
    state: WebhookState
    attempts: int
    fault: str | None
    """Why the newest attempt failed."""

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        """Show a webhook."""
        return cls(host=webhook.host, state=webhook.state, attempts=webhook.attempts, fault=webhook.fault)


class WebhookReceiver(Body):
    """A receiver of webhooks."""

    url: Annotated[str, Field(max_length=2000, examples=["https://ci.example.org/hooks/wheelyard"])]


class WebhookSecretView(View):
    """What a receiver checks signatures with."""

    secret: Annotated[str, Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="])]
    """A secret of Standard Webhooks, for messages that this token has sent to this very URL."""


class RequestView(PlanView):
    """A request, and how far it has come."""

    id: str
    url: str
    """Path of this document."""
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    cancelled: bool
    is_installable: bool
    """True once our index serves every item; never if nothing was understood of the input, nor if something was left
    out that is wanted and on no index, unless that is allowed."""
    needs_lock: bool
    """True if the lock's hashes do not allow some of our wheels: install from what ``POST …/lock`` gives back."""
    install: str | None
    """The command that installs from our index, once that is possible."""
    seconds_left: float | None
    """How long the builds on their way and those to come will take on the workers that there are, by how long builds of
    these projects took before; null if nothing is known."""
    webhook: WebhookView | None

    @classmethod
    def of_request(
        cls, prebuild: Prebuild, links: IndexLinks, *, seconds_left: float | None = None, may_mirror: bool = True
    ) -> Self:
        """Show a request."""
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
    """Which requests a list shows."""

    state: PrebuildState | None = None
    """`open` while something is still to be done, `done` or `cancelled`."""
    id: Annotated[str | None, Field(max_length=36, pattern=ID_BEGINNING)] = None
    """Only those whose id begins so."""
    before: uuid.UUID | None = None
    """Show what was asked for before this request."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 50

    def as_filter(self) -> PrebuildFilter:
        """Say it in the domain's words."""
        before = None if self.before is None else str(self.before)
        ids = None if self.id is None else IdRange.of(self.id)
        return PrebuildFilter(state=self.state, ids=ids, before=before, limit=self.limit)

    def query_before(self, before: str) -> str:
        """Write the query of the next page."""
        kept = {name: value for name, value in (("state", self.state), ("id", self.id)) if value}
        return urlencode({**kept, "limit": self.limit, "before": before})


class RequestSummaryView(View):
    """A request as lists show it."""

    id: str
    url: str
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    cancelled: bool
    targets: int
    """For how many targets."""
    counts: dict[ItemStatus, int]
    """How many items stand where."""

    @classmethod
    def of(cls, prebuild: PrebuildSummary) -> Self:
        """Show a request without its items."""
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
    """Path of the next page, with the same filters; null on the last one."""

    @classmethod
    def of(cls, page: PrebuildPage, *, next_path: str | None) -> Self:
        """Show a page."""
        return cls(requests=tuple(map(RequestSummaryView.of, page.prebuilds)), next=next_path)


class LockView(View):
    """A lock file that our index can serve."""

    text: str
    """The same lock, with the files that our index serves in the place of those that it had."""
    files: dict[str, str]
    """It, and of requirements the files that it names, by their names."""


def request_path(request_id: str) -> str:
    """Give the path of a request."""
    return f"/v1/requests/{request_id}"


def _names(items: Iterable[Item]) -> str:
    """Name the releases for a command line; where Pythons get different versions of a project, each says which."""
    pythons: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for item in items:
        pythons[item.project][item.version].add(item.target.python)
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
