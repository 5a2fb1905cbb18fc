"""Builds in memory that wait for other builds: the fake of what PostgreSQL does in one transaction."""

from dataclasses import replace
from typing import Final

from tests.fakes.records import BuildRecord, MemoryState

from wheelyard.build_events import note_ended, note_needed, note_rested
from wheelyard.domain.builds.audit_entries import request_of
from wheelyard.domain.builds.build import AwaitedBuild, BuildOrder, Failure, MissingRelease, Status
from wheelyard.domain.builds.graph import BrokenChain, DependencyGraph, Need, refuse_needs
from wheelyard.domain.builds.queue import Priority
from wheelyard.errors import WheelyardError

_WITHOUT_WHEEL: Final = frozenset({Status.FAILED, Status.CANCELLED})


def submit(state: MemoryState, order: BuildOrder, *, requested_by: str, priority: Priority) -> tuple[str, bool]:
    """Queue a build or join the equal one; the caller records the subscriber."""
    equal = state.find_equal(order.key)
    if equal is not None:
        _move_forward(state, equal.id, requested_by, priority)
    build_id = state.add(order, requested_by=requested_by, priority=priority).id if equal is None else equal.id
    joined = equal is not None
    state.record_change(request_of(build_id, order, by=requested_by, joined=joined))
    return build_id, joined


def begin_waiting(state: MemoryState, record: BuildRecord, needs: tuple[MissingRelease, ...]) -> None:
    """Let a build that was just queued again wait for releases to be built, or fail it if it may not."""
    line_above = _graph(state).line_above(record.build.id)
    error = refuse_needs(record.release, needs, satisfied=record.satisfied, line_above=line_above)
    if error is not None:
        _fail(state, record, Failure.of(error, stage=None))
    else:
        record.change(waits_for=tuple(AwaitedBuild(release=need, build_id=None) for need in sorted(needs)))


def release_dependents(state: MemoryState, build_id: str) -> int:
    """Resume, or fail, the builds that wait for an ended build; return the number of changed builds."""
    ended = state.find(build_id)
    build = ended.build
    if build.status is Status.SUCCEEDED:
        return sum(_resume(state, record, build_id) for record in _dependents(state, build_id))
    if build.status not in _WITHOUT_WHEEL:
        return 0
    chain = BrokenChain.at(ended.release, build_id=build_id, status=build.status, failure=build.failure)
    return _fail_dependents(state, build_id, chain)


def unwanted(state: MemoryState, awaited: tuple[AwaitedBuild, ...]) -> list[str]:
    """Return the awaited builds that have no subscriber."""
    ids = sorted(one.build_id for one in awaited if one.build_id is not None)
    return [one for one in ids if not state.is_wanted(one)]


class MemoryMissingReleases:
    """The MissingReleaseStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def open_dependencies(self) -> tuple[Need, ...]:
        """Return what is not requested yet."""
        return tuple(
            Need(
                build_id=record.build.id,
                release=awaited.release,
                target=record.build.order.target,
                priority=record.build.priority,
                requested_by=record.queued_for,
            )
            for record in self._state.records.values()
            for awaited in record.build.waits_for
            if awaited.build_id is None
        )

    async def supply(self, need: Need, order: BuildOrder) -> None:
        """Submit or join, and let one build wait for the other."""
        record = self._open(need)
        if record is None:
            return
        needed_id, joined = submit(self._state, order, requested_by=need.requested_by, priority=need.priority)
        if not joined:
            self._state.find(needed_id).trace = record.trace
        note_needed(needed_id, needed_by=need.build_id, joined=joined)
        graph = replace(_graph(self._state), names={one: r.release for one, r in self._state.records.items()})
        cycle = graph.refuse_cycle(need.build_id, needed_id)
        if cycle is not None:
            _fail(self._state, record, Failure.of(cycle, stage=None))
            return
        tied = AwaitedBuild(release=need.release, build_id=needed_id)
        record.change(waits_for=tuple(tied if one.release == need.release else one for one in record.build.waits_for))
        if self._state.find(needed_id).build.status is Status.SUCCEEDED:
            _resume(self._state, record, needed_id)
        self._state.notify(need.build_id)

    async def give_up(self, need: Need, error: WheelyardError) -> None:
        """Fail the build that waits."""
        record = self._open(need)
        if record is not None:
            chain = BrokenChain.unorderable(str(need.release), reason=error.summary).needed_by(record.release)
            _fail(self._state, record, chain.failure())

    def _open(self, need: Need) -> BuildRecord | None:
        record = self._state.records.get(need.build_id)
        still = AwaitedBuild(release=need.release, build_id=None)
        return record if record is not None and still in record.build.waits_for else None


def _move_forward(state: MemoryState, build_id: str, requested_by: str, priority: Priority) -> None:
    """Raise the priority of a joined build, and of the builds that it waits for."""
    record = state.find(build_id)
    turn = state.next_turn(record.build.order.lane, priority, requested_by)
    if record.build.status is Status.QUEUED and (priority.rank, turn) < record.place[:2]:
        record.turn, record.queued_for = turn, requested_by
        record.change(priority=priority)
    for awaited in record.build.waits_for:
        if awaited.build_id is not None:
            _raise_priority(state, awaited.build_id, priority)


def _raise_priority(state: MemoryState, build_id: str, priority: Priority) -> None:
    record = state.find(build_id)
    if record.build.status is Status.QUEUED and priority.rank < record.build.priority.rank:
        record.change(priority=priority)
    for awaited in record.build.waits_for:
        if awaited.build_id is not None:
            _raise_priority(state, awaited.build_id, priority)


def _graph(state: MemoryState) -> DependencyGraph:
    return DependencyGraph(
        waits=[
            (record.build.id, awaited.build_id)
            for record in state.records.values()
            for awaited in record.build.waits_for
            if awaited.build_id is not None
        ]
    )


def _dependents(state: MemoryState, build_id: str) -> list[BuildRecord]:
    return [
        record
        for record in state.records.values()
        if any(awaited.build_id == build_id for awaited in record.build.waits_for)
    ]


def _resume(state: MemoryState, record: BuildRecord, needed_id: str) -> int:
    """Remove an ended build from those that another waits for; return 1 if that one resumes."""
    done = [one for one in record.build.waits_for if one.build_id == needed_id]
    record.satisfied |= {one.release for one in done}
    record.change(waits_for=tuple(one for one in record.build.waits_for if one not in done))
    state.notify(record.build.id)
    if record.build.waits_for:
        return 0
    note_rested(record.build.id)
    return 1


def _fail(state: MemoryState, record: BuildRecord, failure: Failure) -> None:
    _end_failed(state, record, failure)
    release_dependents(state, record.build.id)


def _fail_dependents(state: MemoryState, build_id: str, chain: BrokenChain) -> int:
    count = 0
    for record in _dependents(state, build_id):
        longer = chain.needed_by(record.release)
        _end_failed(state, record, longer.failure())
        count += 1 + _fail_dependents(state, record.build.id, longer)
    return count


def _end_failed(state: MemoryState, record: BuildRecord, failure: Failure) -> None:
    record.change(status=Status.FAILED, failure=failure, finished_at=state.clock(), not_before=None, waits_for=())
    state.notify(record.build.id)
    note_ended(record.build.id, Status.FAILED, code=failure.code)
