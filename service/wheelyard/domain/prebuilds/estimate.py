"""Estimate the rest of a prebuild, from the durations of earlier builds of its projects."""

import heapq
from collections.abc import Iterable, Mapping
from datetime import datetime
from statistics import median

from wheelyard.domain.builds.build import Status
from wheelyard.domain.prebuilds.prebuild import ItemStatus, Prebuild, ReleaseItems, Started, releases_of


def seconds_left(prebuild: Prebuild, typical: Mapping[str, float], *, now: datetime, slots: int) -> float | None:
    """Estimate the seconds that unfinished and future builds of a prebuild will take.

    Args:
        prebuild: The prebuild as it is now.
        typical: Usual seconds of a build, by project; other projects count with the median of these.
        now: The present time.
        slots: Number of builds that run at the same time.

    Returns:
        None if nothing is left to build, or no project has a usual duration.
    """
    if not typical:
        return None
    usual = median(typical.values())
    lengths = [
        max(typical.get(release.project, usual) - elapsed, 0.0)
        for release in releases_of(prebuild)
        for elapsed in _builds_ahead(release, now)
    ]
    return _pack(lengths, slots) if lengths else None


def projects_ahead(prebuild: Prebuild) -> frozenset[str]:
    """Return the projects with unfinished or future builds."""
    return frozenset(release.project for release in releases_of(prebuild) if not _needs_no_build(release))


def _builds_ahead(release: ReleaseItems, now: datetime) -> list[float]:
    """Return the seconds that each unfinished build of a release has run; 0 for a future build of an open item."""
    live = [_elapsed(one, now) for one in release.started if not one.status.is_final]
    return live or ([] if _needs_no_build(release) else [0.0])


def _needs_no_build(release: ReleaseItems) -> bool:
    """Return whether nothing of it will be built; mirroring takes almost no time."""
    return all(item.status.is_final or item.status is ItemStatus.MIRROR for item in release.items)


def _elapsed(one: Started, now: datetime) -> float:
    if one.status is not Status.RUNNING or one.started_at is None:
        return 0.0
    return (now - one.started_at).total_seconds()


def _pack(lengths: Iterable[float], slots: int) -> float:
    """Return the time to finish all, longest first, each on the slot that is free first."""
    ends = [0.0] * max(slots, 1)
    for length in sorted(lengths, reverse=True):
        heapq.heapreplace(ends, ends[0] + length)
    return max(ends)
