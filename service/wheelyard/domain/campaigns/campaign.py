"""Where a campaign stands, derived from its items and builds: each project's state, and what blocks most."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wheelyard.domain.builds.build import Status
from wheelyard.domain.packaging.coverage import WheelKind, kind_of
from wheelyard.domain.prebuilds.prebuild import Item, ItemStatus, Prebuild, Source, Started


class State(StrEnum):
    """The state of one release in a campaign."""

    DONE = "done"
    """Its wheel for this Python was built, or mirrored from upstream."""
    COVERED = "covered"
    """Another wheel serves this Python: nothing had to be built."""
    BUILDING = "building"
    WAITING = "waiting"
    """It waits for its turn, or in the queue."""
    BLOCKED = "blocked"
    """Another project must have a wheel first, and has none."""
    FAILED = "failed"

    @property
    def is_ready(self) -> bool:
        """Return whether our index has a wheel for this Python."""
        return self in {State.DONE, State.COVERED}

    @property
    def is_moving(self) -> bool:
        """Return whether it changes by itself."""
        return self in {State.BUILDING, State.WAITING}


STATE_ORDER: Final = (State.FAILED, State.BLOCKED, State.BUILDING, State.WAITING, State.DONE, State.COVERED)
"""The order of a page: first what a person must look at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One release of a campaign, as a page shows it."""

    item: Item
    state: State
    blocks: int = 0
    """How many others are blocked by it."""

    @property
    def reason(self) -> str:
        """Return why it is in its state, as text; empty if the state says it all."""
        if self.state.is_ready or self.state is State.BUILDING:
            return ""
        if self.state is not State.WAITING or self.item.delays:
            return self.item.reason
        if self.item.status is ItemStatus.MIRROR:
            return "upstream's wheel will be mirrored"
        return "it waits for its turn" if self.item.build_id is None else "its build is in the queue"


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocker:
    """A project that keeps others from being built."""

    project: str
    blocks: int
    row: Row | None
    """Its own row; None if the campaign does not have it, such as a requirement of builds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """Where a campaign stands."""

    rows: tuple[Row, ...]
    """Those that need a person first."""
    counts: Mapping[State, int]
    """Each state with the number of its releases; states of none are left out."""
    blockers: tuple[Blocker, ...]
    """What blocks most first."""

    @property
    def total(self) -> int:
        """Return the number of releases."""
        return len(self.rows)

    @property
    def ready(self) -> int:
        """Return how many releases have a wheel for this Python."""
        return sum(amount for state, amount in self.counts.items() if state.is_ready)

    @property
    def percent(self) -> int:
        """Return how many percent are ready, rounded down, so that 100 means all."""
        return 100 * self.ready // self.total if self.total else 100

    @property
    def is_moving(self) -> bool:
        """Return whether something still changes by itself."""
        return any(state.is_moving for state in self.counts)


def overview_of(campaign: Prebuild) -> Overview:
    """Return where a campaign stands."""
    started = {(one.project, one.version, one.target): one for one in campaign.started}
    found = [(item, state_of(item, started.get((item.project, item.version, item.target)))) for item in campaign.items]
    blocking = Counter(item.blocked_by for item, state in found if state is State.BLOCKED)
    rows = [Row(item=item, state=state, blocks=blocking[item.project]) for item, state in found]
    rows.sort(key=lambda row: (STATE_ORDER.index(row.state), -row.blocks, row.item.project, row.item.version))
    own: dict[str, Row] = {row.item.project: row for row in reversed(rows)}
    blockers = [Blocker(project=project, blocks=blocks, row=own.get(project)) for project, blocks in blocking.items()]
    blockers.sort(key=lambda one: (-one.blocks, one.project))
    counts = Counter(row.state for row in rows)
    return Overview(
        rows=tuple(rows),
        counts={state: counts[state] for state in STATE_ORDER if counts[state]},
        blockers=tuple(blockers),
    )


def state_of(item: Item, started: Started | None) -> State:
    """Return the state of a release, by its item and its build as that is now."""
    if item.status is ItemStatus.PRESENT:
        return State.DONE if item.build_id is not None or _was_mirrored(item) else State.COVERED
    if started is not None and not started.status.is_final:
        return State.BUILDING if started.status is Status.RUNNING else State.WAITING
    if item.blocked_by:
        return State.BLOCKED
    return State.FAILED if item.status in {ItemStatus.FAILED, ItemStatus.IMPOSSIBLE} else State.WAITING


def _was_mirrored(item: Item) -> bool:
    """Return whether upstream's wheel was made for this Python alone: no other campaign or prebuild needs it."""
    return item.source is Source.UPSTREAM and kind_of([item.filename or ""]) is WheelKind.NATIVE
