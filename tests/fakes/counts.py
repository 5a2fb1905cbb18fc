"""What the in-memory stores count; the triggers of the database count the same."""

from collections.abc import Iterator

from wheelyard.domain.builds.build import Attempt, Build, Status
from wheelyard.domain.builds.metrics import Count, Total
from wheelyard.domain.index.wheels import WheelOrigin


def counts_of_change(old: Build, new: Build) -> Iterator[Count]:
    """Yield what a change of a build adds to the totals."""
    if new.status is not old.status:
        yield from _counts_of_status(old, new)
    for attempt in new.attempts:
        former = next((one for one in old.attempts if one.number == attempt.number), None)
        if attempt.finished_at is not None and former is not None and former.finished_at is None:
            yield from _counts_of_attempt(attempt)


def _counts_of_status(old: Build, new: Build) -> Iterator[Count]:
    if new.status is Status.RUNNING and old.started_at is None and new.started_at is not None:
        waited = (new.started_at - new.created_at).total_seconds()
        yield Count.of(Total.BUILD_WAIT, new.priority.value, measured=waited)
    if new.status.is_final:
        yield Count.of(Total.BUILDS, new.status.value, new.failure.code if new.failure else "")
        if new.started_at is not None and new.finished_at is not None:
            took = (new.finished_at - new.started_at).total_seconds()
            yield Count.of(Total.BUILD_DURATION, new.status.value, measured=took)


def _counts_of_attempt(attempt: Attempt) -> Iterator[Count]:
    yield Count.of(Total.ATTEMPTS, attempt.status.value, attempt.failure.code if attempt.failure else "")
    for timing in attempt.timings:
        yield Count.of(Total.STAGE_DURATION, timing.stage.value, measured=timing.seconds)


def count_of_request(*, joined: bool, status: Status) -> Count:
    """Return the count of a request, by its result."""
    outcome = "queued" if not joined else "satisfied" if status is Status.SUCCEEDED else "joined"
    return Count.of(Total.REQUESTS, outcome)


def count_of_wheel(origin: WheelOrigin) -> Count:
    """Return the count of a wheel that was added to the index."""
    return Count.of(Total.WHEELS, origin.value)
