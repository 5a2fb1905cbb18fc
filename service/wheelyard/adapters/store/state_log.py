"""The lines of the service's log about builds that no attempt has in hand; docs/operate.md lists them.

For changes that only a store knows: those of a sweep, and of builds that waited for others.
"""

from wheelyard.domain.builds.build import Failure, Status
from wheelyard.errors import WorkerLostError
from wheelyard.logs import get_logger

_log = get_logger(__name__)


def note_rested(build_id: str) -> None:
    """Say that what a build waited for is there: the end of its pause, or other builds."""
    _log.info("build-rested", build=build_id)


def note_lost(build_id: str, *, worker: str, status: Status, failure: Failure | None) -> None:
    """Say what has become of a build whose worker was lost."""
    if status is Status.QUEUED:
        _log.info("build-requeued", build=build_id, code=WorkerLostError.code, worker=worker)
    else:
        code = failure.code if failure else None
        _log.info("build-ended", build=build_id, status=status.value, code=code, worker=worker)


def note_failed(build_id: str, failure: Failure) -> None:
    """Say that a build has failed while it waited."""
    _log.info("build-ended", build=build_id, status=Status.FAILED.value, code=failure.code)


def note_needed(build_id: str, *, needed_by: str, joined: bool) -> None:
    """Say that a build was asked for because another one requires it."""
    _log.info("build-joined" if joined else "build-queued", build=build_id, needed_by=needed_by)
