"""Models of campaigns."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from wheelyard.api.schemas.base import View
from wheelyard.api.schemas.builds import log_path
from wheelyard.api.schemas.requests import DependencyFiles, SkippedView
from wheelyard.domain.campaigns.campaign import Blocker, Overview, Row, State, overview_of
from wheelyard.domain.prebuilds.lists import PrebuildPage, PrebuildSummary
from wheelyard.domain.prebuilds.prebuild import ItemStatus, Prebuild, Prefer


class NewCampaign(DependencyFiles):
    """Everything that the index, or a file, has for another Python. Without a file it is the index."""

    python: Annotated[str, Field(max_length=20, examples=["3.13t"])]
    """The Python to build for."""
    platform: Annotated[str | None, Field(max_length=80, examples=["manylinux_2_36_x86_64"])] = None
    """The platform, which decides the suite. Default: see ``GET /v1/targets``."""
    prefer: Prefer = Prefer.UPSTREAM
    """``upstream``: mirror upstream's wheel if it is compatible, else build. ``own``: build everything from source."""


class AdviceView(View):
    """A newer release that would work."""

    version: str
    evidence: str
    """What says so: a wheel on our index, upstream's wheel, a classifier, or the Requires-Python."""


class CampaignRowView(View):
    """One release of a campaign."""

    project: str
    version: str
    state: State
    """``done``: its wheel was built, or mirrored. ``covered``: another wheel serves this Python, so nothing had to be
    built. ``waiting``: for its turn, or in the queue. ``blocked``: a requirement has no wheel.
    """
    code: str
    """The code of the failure, see the list of errors; empty if there is none."""
    reason: str
    hint: str
    """What to do after a failure; may be empty."""
    blocked_by: str | None
    """The project that must have a wheel first."""
    blocks: int
    """How many releases of the campaign are blocked by it."""
    would_work: AdviceView | None
    """The release to use instead of one that failed; null if nothing says that one would work."""
    filename: str | None
    """File name of the wheel."""
    build_id: str | None
    log_url: str | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return the view of a row."""
        item, is_ready = row.item, row.state.is_ready
        return cls(
            project=item.project,
            version=item.made_version,
            state=row.state,
            code=item.code,
            reason=row.reason,
            hint=item.hint,
            blocked_by=item.blocked_by or None,
            blocks=row.blocks,
            would_work=None if item.advice is None else AdviceView.model_validate(item.advice),
            filename=item.filename if is_ready else None,
            build_id=item.build_id,
            log_url=None if item.build_id is None else log_path(item.build_id),
        )


class BlockerView(View):
    """A project that keeps others from being built."""

    project: str
    blocks: int
    state: State | None
    """Its own state; null if the campaign does not have it, such as a requirement of builds."""

    @classmethod
    def of(cls, blocker: Blocker) -> Self:
        """Return the view of a blocker."""
        return cls(
            project=blocker.project, blocks=blocker.blocks, state=None if blocker.row is None else blocker.row.state
        )


class CampaignSummaryView(View):
    """A campaign in a list."""

    id: str
    url: str
    python: str
    platform: str
    source: str
    """``index``, or the name of the file."""
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    """When everything was ready, or when it was stopped; a campaign with failures stays open."""
    stopped: bool
    ready: int
    total: int
    percent: int
    """How many percent are ready, rounded down."""

    @classmethod
    def of_summary(cls, summary: PrebuildSummary) -> Self:
        """Return the view of a campaign without its rows."""
        ready, target = summary.counts.get(ItemStatus.PRESENT, 0), summary.target
        return cls(
            id=summary.id,
            url=campaign_path(summary.id),
            python=target.python if target else "",
            platform=target.platform if target else "",
            source=summary.campaign_source or "",
            requested_by=summary.requested_by,
            created_at=summary.created_at,
            finished_at=summary.finished_at,
            stopped=summary.cancelled,
            ready=ready,
            total=summary.total,
            percent=100 * ready // summary.total if summary.total else 100,
        )


class CampaignView(CampaignSummaryView):
    """A campaign with each of its releases."""

    prefer: Prefer
    joined: bool = False
    """True if an equal campaign was open already; it has the projects now that came to the index since."""
    is_moving: bool
    """True while something is being built or waits for its turn. Otherwise it waits for a person, or it is over."""
    counts: dict[State, int]
    """Number of releases by state."""
    blockers: tuple[BlockerView, ...]
    """What blocks most first."""
    rows: tuple[CampaignRowView, ...]
    """Those that need a person first: failed, blocked, building, waiting, done, covered."""
    skipped: tuple[SkippedView, ...]

    @classmethod
    def of(cls, campaign: Prebuild, *, joined: bool = False) -> Self:
        """Return the view of a campaign."""
        overview: Overview = overview_of(campaign)
        target = campaign.targets[0]
        return cls(
            id=campaign.id,
            url=campaign_path(campaign.id),
            python=target.python,
            platform=target.platform,
            source=campaign.campaign.source if campaign.campaign else "",
            requested_by=campaign.requested_by,
            created_at=campaign.created_at,
            finished_at=campaign.finished_at,
            stopped=campaign.cancelled,
            ready=overview.ready,
            total=overview.total,
            percent=overview.percent,
            prefer=campaign.prefer,
            joined=joined,
            is_moving=overview.is_moving and campaign.finished_at is None,
            counts=dict(overview.counts),
            blockers=tuple(map(BlockerView.of, overview.blockers)),
            rows=tuple(map(CampaignRowView.of, overview.rows)),
            skipped=tuple(map(SkippedView.of, campaign.skipped)),
        )


class CampaignListView(View):
    """One page of campaigns, newest first."""

    campaigns: tuple[CampaignSummaryView, ...]
    next: str | None
    """Path of the next page with the same filters; null on the last page."""

    @classmethod
    def of(cls, page: PrebuildPage, *, next_path: str | None) -> Self:
        """Return the view of a page."""
        return cls(campaigns=tuple(map(CampaignSummaryView.of_summary, page.prebuilds)), next=next_path)


def campaign_path(campaign_id: str) -> str:
    """Return the path of a campaign."""
    return f"/v1/campaigns/{campaign_id}"
