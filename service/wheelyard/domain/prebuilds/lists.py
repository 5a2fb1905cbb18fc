"""Filters, pages and summaries for lists of prebuilds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from wheelyard.domain.builds.records import IdRange
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import ItemStatus


class PrebuildState(StrEnum):
    """The state of a prebuild."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True)
class PrebuildFilter:
    """Which prebuilds a list shows, newest first."""

    state: PrebuildState | None = None
    ids: IdRange | None = None
    """Show only prebuilds whose ids are in this range."""
    before: str | None = None
    """Show prebuilds requested before this id (keyset paging)."""
    limit: int = 50
    campaigns: bool = False
    """Show campaigns alone; otherwise show none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrebuildSummary:
    """A prebuild without its items."""

    id: str
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    cancelled: bool
    targets: int
    counts: Mapping[ItemStatus, int]
    """Number of items by status."""
    campaign_source: str | None = None
    """The source of a campaign; None for the request of an application."""
    target: Target | None = None
    """The target of a campaign."""

    @property
    def total(self) -> int:
        """Return the number of items."""
        return sum(self.counts.values())

    @property
    def state(self) -> PrebuildState:
        """Return its state."""
        if self.cancelled:
            return PrebuildState.CANCELLED
        return PrebuildState.OPEN if self.finished_at is None else PrebuildState.DONE


@dataclass(frozen=True, kw_only=True, slots=True)
class PrebuildPage:
    """One page of a list."""

    prebuilds: tuple[PrebuildSummary, ...]
    next_before: str | None
