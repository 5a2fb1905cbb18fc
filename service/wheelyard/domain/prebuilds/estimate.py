"""How long a prebuild will still take, by how long builds of its projects have taken before. Must not read a clock."""

import heapq
from collections.abc import Iterable, Mapping
from datetime import datetime
from statistics import median

from wheelyard.domain.builds.build import Status
from wheelyard.domain.prebuilds.prebuild import ItemStatus, Prebuild, ReleaseItems, Started, releases_of


def seconds_left(prebuild: Prebuild, typical: Mapping[str, float], *, now: datetime, slots: int) -> float | None:
    """Estimate what builds on their way, and those that are still to be started, will take.

    Args:
        prebuild: How far it has come.
        typical: How long builds of a project usually take, in seconds; others are taken for the usual of these.
        now: Until when running builds have run.
        slots: How many builds go on at the same time.

    Returns:
        None if nothing is to be built, or nothing is known of any of the projects.
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
    """List the projects of which something is being built, or may be yet."""
    return frozenset(release.project for release in releases_of(prebuild) if not _is_settled(release))


def _builds_ahead(release: ReleaseItems, now: datetime) -> list[float]:
    """List how long each live build of a release has run; if something is open and there is none, one is to come."""
    live = [_elapsed(one, now) for one in release.started if not one.status.is_final]
    return live or ([] if _is_settled(release) else [0.0])


def _is_settled(release: ReleaseItems) -> bool:
    """Tell whether nothing of it will be built; what is mirrored takes no time to speak of."""
    return all(item.status.is_final or item.status is ItemStatus.MIRROR for item in release.items)


def _elapsed(one: Started, now: datetime) -> float:
    if one.status is not Status.RUNNING or one.started_at is None:
        return 0.0
    return (now - one.started_at).total_seconds()


def _pack(lengths: Iterable[float], slots: int) -> float:
    """Say when all are done if the longest begin first and each goes where there is room soonest."""
    ends = [0.0] * max(slots, 1)
    for length in sorted(lengths, reverse=True):
        heapq.heapreplace(ends, ends[0] + length)
    return max(ends)
