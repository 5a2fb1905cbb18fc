"""The service's log of what happens to builds: one event for each change, with constant names and fields.

``docs/operate.md`` lists them. Attempts and their stages are logged where they run.
"""

from collections.abc import Iterable

from wheelyard.domain.builds.build import Build, Failure, MissingRelease, Status
from wheelyard.domain.builds.records import Submission
from wheelyard.domain.index.uploads import Upload
from wheelyard.errors import WorkerLostError
from wheelyard.logs import get_logger

_log = get_logger(__name__)


def note_submitted(submission: Submission, *, requested_by: str) -> None:
    """Log that a build was requested: a new one, or an equal one that exists."""
    build = submission.build
    _log.info(
        "build-joined" if submission.joined else "build-queued",
        build=build.id,
        project=build.order.project,
        version=build.order.version,
        target=str(build.order.target),
        status=build.status.value,
        priority=build.priority.value,
        requested_by=requested_by,
    )


def note_uploaded(upload: Upload) -> None:
    """Log that a file was uploaded, whose build is queued, or whose wheels are requested."""
    follows = {"build": upload.build_id} if upload.sdist is None else {"prebuild": upload.sdist.request_id}
    _log.info(
        "file-uploaded",
        **follows,
        file=upload.filename,
        sha256=upload.sha256,
        size_bytes=upload.size_bytes,
        requested_by=upload.uploaded_by,
    )


def note_needed(build_id: str, *, needed_by: str, joined: bool) -> None:
    """Log that a build was requested because another one requires its wheel."""
    _log.info("build-joined" if joined else "build-queued", build=build_id, needed_by=needed_by)


def note_retried(build_id: str, submission: Submission, *, requested_by: str) -> None:
    """Log that a build was retried, or that an equal one was joined instead."""
    event = "build-joined" if submission.joined else "build-retried"
    build = submission.build
    _log.info(event, build=build.id, asked=build_id, status=build.status.value, requested_by=requested_by)


def note_cancelled(former: Build, build: Build, *, requested_by: str) -> None:
    """Log that a build was to be cancelled for all subscribers, and its end if no worker had it."""
    if not former.status.is_final:
        _log.info("cancel-asked", build=build.id, status=former.status.value, requested_by=requested_by)
    if former.status is Status.QUEUED and build.status is Status.CANCELLED:
        note_ended(build.id, build.status)


def note_left(former: Build, build: Build, *, requested_by: str) -> None:
    """Log that a caller no longer wants a build, which may have cancelled it."""
    if build.status is Status.CANCELLED or build.cancel_requested:
        note_cancelled(former, build, requested_by=requested_by)
    elif not former.status.is_final:
        _log.info("build-left", build=build.id, status=build.status.value, requested_by=requested_by)


def note_withdrawn(build_id: str, *, requested_by: str) -> None:
    """Log that a request for an application no longer wants a build that it started."""
    _log.info("cancel-asked", build=build_id, requested_by=requested_by)


def note_waiting(build_id: str, *, seconds: float, code: str | None, needs: Iterable[MissingRelease]) -> None:
    """Log that a build waits for its next attempt: a pause, or the builds of other releases."""
    _log.info("build-waiting", build=build_id, seconds=seconds, code=code, needs=[str(need) for need in needs])


def note_rested(build_id: str) -> None:
    """Log that a build need not wait any longer."""
    _log.info("build-rested", build=build_id)


def note_lost(build_id: str, *, worker: str, status: Status, failure: Failure | None) -> None:
    """Log what becomes of a build whose worker was lost."""
    if status is Status.QUEUED:
        _log.info("build-requeued", build=build_id, code=WorkerLostError.code, worker=worker)
    else:
        code = failure.code if failure else None
        _log.info("build-ended", build=build_id, status=status.value, code=code, worker=worker)


def note_ended(build_id: str, status: Status, *, code: str | None = None) -> None:
    """Log that a build is over; ``code`` is its error's."""
    _log.info("build-ended", build=build_id, status=status.value, code=code)
