"""Estimate when queued builds will start, from the durations of earlier builds.

The estimate fills the workers' slots in the order in which builds are claimed. It cannot know about builds that are
requested later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Final

from wheelyard.domain.builds.build import BuildSummary
from wheelyard.domain.builds.queue import Lane, WorkerState, WorkerStatus

_LEAST_SHARE: Final = 0.1
"""The share of the usual duration that a build still needs when it has already run for longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveBuild:
    """A queued or running build."""

    build: BuildSummary
    lane: Lane
    started_at: datetime | None = None
    """Start of its attempt; None if it does not run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveQueue:
    """The running builds, and the queued builds in the order in which they are claimed."""

    running: tuple[LiveBuild, ...]
    waiting: tuple[LiveBuild, ...]
    """The first queued builds."""
    total: int
    """Number of queued builds that are ready."""
    blocked: int = 0
    """Number of further builds that wait for the wheels of other builds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuePosition:
    """A queued build and its estimated wait."""

    position: int
    """Counted from 1."""
    build: BuildSummary
    wait_seconds: float | None
    """Seconds until it starts; None if no durations are known, or no worker can take it."""
    has_worker: bool
    """False if no live worker serves its Python on its suite."""


@dataclass(slots=True)
class _Slot:
    """A slot of a worker."""

    lanes: frozenset[Lane]
    free_in: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """The queue as it is now."""

    line: LiveQueue
    places: tuple[QueuePosition, ...]
    """The first queued builds, in the order in which they are claimed."""


def estimate(
    line: LiveQueue, workers: Sequence[WorkerStatus], typical: Mapping[str, float], *, now: datetime
) -> tuple[QueuePosition, ...]:
    """Return the estimated wait of each queued build."""
    usual = median(typical.values()) if typical else None
    slots = _slots(line, workers, typical, usual, now)
    return tuple(
        _place(position, one, slots, typical.get(one.build.project, usual), now)
        for position, one in enumerate(line.waiting, start=1)
    )


def _slots(
    line: LiveQueue, workers: Sequence[WorkerStatus], typical: Mapping[str, float], usual: float | None, now: datetime
) -> list[_Slot]:
    running = {one.build.id: one for one in line.running}
    slots: list[_Slot] = []
    for worker in workers:
        if worker.registration.state is not WorkerState.ACTIVE:
            continue
        lanes = frozenset(worker.registration.served)
        held = [running[build_id] for build_id in worker.builds if build_id in running]
        left = [_left(one, typical.get(one.build.project, usual or 0.0), now) for one in held]
        idle = [0.0] * max(worker.registration.capacity.slots - len(held), 0)
        slots += [_Slot(lanes=lanes, free_in=seconds) for seconds in (*left, *idle)]
    return slots


def _left(one: LiveBuild, takes: float, now: datetime) -> float:
    passed = (now - one.started_at).total_seconds() if one.started_at else 0.0
    return max(takes - passed, takes * _LEAST_SHARE)


def _place(position: int, one: LiveBuild, slots: Sequence[_Slot], takes: float | None, now: datetime) -> QueuePosition:
    able = [slot for slot in slots if one.lane in slot.lanes]
    if not able or takes is None:
        return QueuePosition(position=position, build=one.build, wait_seconds=None, has_worker=bool(able))
    slot = min(able, key=lambda slot: slot.free_in)
    pause = (one.build.not_before - now).total_seconds() if one.build.not_before else 0.0
    begins = max(slot.free_in, pause, 0.0)
    slot.free_in = begins + takes
    return QueuePosition(position=position, build=one.build, wait_seconds=begins, has_worker=True)
