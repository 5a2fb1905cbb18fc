"""Lists of prebuilds: which ones, and how far each has come. Must not know where they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from wheelyard.domain.builds.records import IdRange
from wheelyard.domain.prebuilds.prebuild import ItemStatus


class PrebuildState(StrEnum):
    """Where a prebuild stands."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True)
class PrebuildFilter:
    """Which prebuilds a list shows, newest first."""

    state: PrebuildState | None = None
    ids: IdRange | None = None
    """Show only prebuilds whose ids lie here."""
    before: str | None = None
    """Show what was asked for before this id (keyset paging)."""
    limit: int = 50


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
    """How many items stand where."""

    @property
    def total(self) -> int:
        """How many items there are."""
        return sum(self.counts.values())

    @property
    def state(self) -> PrebuildState:
        """Say where it stands."""
        if self.cancelled:
            return PrebuildState.CANCELLED
        return PrebuildState.OPEN if self.finished_at is None else PrebuildState.DONE


@dataclass(frozen=True, kw_only=True, slots=True)
class PrebuildPage:
    """One page of a list."""

    prebuilds: tuple[PrebuildSummary, ...]
    next_before: str | None
