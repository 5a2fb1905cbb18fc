"""The story of a brought file: received, checked, repaired, proven, listed, or where and why it was refused.

An sdist is received, checked, built and listed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wheelyard.domain.builds.build import Failure, Proof, Stage, Status
from wheelyard.domain.index.uploads import SdistWheels, Upload, UploadState

_MOST_SENTENCES: Final = 12


class StepState(StrEnum):
    """Where a step of a story stands."""

    DONE = "done"
    RUNNING = "running"
    WAITING = "waiting"
    FAILED = "failed"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of a file's story."""

    name: str
    state: StepState
    sentences: tuple[str, ...] = ()
    """What happened; empty if the state says it all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """A brought file with its steps."""

    upload: Upload
    steps: tuple[Step, ...]

    @property
    def state(self) -> str:
        """Return where the file stands; a build that was cancelled is no refusal."""
        return "cancelled" if self.upload.status is Status.CANCELLED else self.upload.state.value

    @property
    def look(self) -> str:
        """Return the style of the state."""
        return _LOOKS[self.state]


_LOOKS: Final = {
    UploadState.PENDING.value: "running",
    UploadState.PUBLISHED.value: "succeeded",
    UploadState.REFUSED.value: "failed",
    UploadState.DELETED.value: "deleted",
    "cancelled": "cancelled",
}
_CHECKED, _REPAIRED, _PROVEN, _LISTED = "checked", "repaired", "proven", "listed"
_BUILT: Final = "built"
_STEPS: Final = (_CHECKED, _REPAIRED, _PROVEN, _LISTED)
_STEP_OF: Final = {Stage.REPAIR: _REPAIRED, Stage.VERIFY: _PROVEN, Stage.PUBLISH: _LISTED}
"""The step that a stage belongs to; the stages before them prepare the check or do it."""
UNCHANGED: Final = "Nothing was changed: it is byte for byte what was brought."


def tell_upload(upload: Upload, stage: Stage | None = None) -> Story:
    """Return a file's story.

    Args:
        upload: The file.
        stage: The stage that its build is in; None if it is not running.
    """
    steps = _steps(upload, stage) if upload.sdist is None else _steps_of_sdist(upload, upload.sdist)
    received = Step(name="received", state=StepState.DONE, sentences=(f"sha256 {upload.sha256}",))
    return Story(upload=upload, steps=(received, *steps))


def _steps_of_sdist(upload: Upload, sdist: SdistWheels) -> Iterator[Step]:
    """Yield the steps of an sdist, which was checked before it was stored."""
    yield Step(name=_CHECKED, state=StepState.DONE, sentences=("Its name, PKG-INFO and archive agree.",))
    told = []
    if sdist.wheels:
        told.append(f"Wheels of it: {', '.join(sdist.wheels[:_MOST_SENTENCES])}.")
    if sdist.open_targets:
        told.append(f"Targets that are still open: {sdist.open_targets}.")
    built = StepState.RUNNING if sdist.is_open else StepState.DONE if sdist.wheels else StepState.FAILED
    yield Step(name=_BUILT, state=built, sentences=tuple(told))
    match upload.state:
        case UploadState.PUBLISHED:
            yield Step(name=_LISTED, state=StepState.DONE, sentences=("It is listed together with its wheels.",))
        case UploadState.DELETED:
            yield Step(name=_LISTED, state=StepState.DONE, sentences=tuple(_say_done(_LISTED, upload)))
        case UploadState.REFUSED:
            yield Step(name=_LISTED, state=StepState.NOT_REACHED)
        case UploadState.PENDING:
            yield Step(name=_LISTED, state=StepState.WAITING)


def _steps(upload: Upload, stage: Stage | None) -> Iterator[Step]:
    """Yield the steps of its build. The last one that was entered is running or failed, those after it are not."""
    is_over = upload.state is not UploadState.PENDING
    entered = upload.failure.stage if upload.failure else stage
    place = _STEPS.index(_STEP_OF.get(entered, _CHECKED)) if entered else None
    for number, name in enumerate(_STEPS):
        if upload.status is Status.SUCCEEDED or (place is not None and number < place):
            yield Step(name=name, state=StepState.DONE, sentences=tuple(_say_done(name, upload)))
        elif place is None or number > place:
            yield Step(name=name, state=StepState.NOT_REACHED if is_over else StepState.WAITING)
        elif is_over:
            yield Step(name=name, state=StepState.FAILED, sentences=tuple(_say_failed(name, upload.failure)))
        else:
            yield Step(name=name, state=StepState.RUNNING)


def _say_done(name: str, upload: Upload) -> Iterator[str]:
    wheel, failure = upload.wheel, upload.failure
    if name == _CHECKED:
        yield "Its name, metadata, record and archive agree."
    elif name == _REPAIRED:
        changes = wheel.changes if wheel else failure.changes if failure else ()
        # Of one that still runs, nobody has written down yet what was changed.
        if changes or wheel or failure:
            yield from changes[:_MOST_SENTENCES] or (UNCHANGED,)
    elif name == _PROVEN and wheel:
        yield f"It was installed and imported on {describe_proofs(wheel.proofs)}."
    elif name == _LISTED and upload.state is UploadState.DELETED:
        yield "An operator deleted it from the index since."


def _say_failed(name: str, failure: Failure | None) -> Iterator[str]:
    if name == _PROVEN and failure:
        passed = [one.place for one in failure.proofs if not one.failure]
        if passed:
            yield f"It passed on {', '.join(passed[:_MOST_SENTENCES])}."
        yield from (f"It failed on {one.place}." for one in failure.proofs[:_MOST_SENTENCES] if one.failure)


def describe_proofs(proofs: Sequence[Proof]) -> str:
    """Return the suites and Pythons of proofs, such as ``bookworm (Python 3.11, 3.13) and trixie (Python 3.13)``."""
    pythons: dict[str, list[str]] = {}
    for proof in proofs:
        pythons.setdefault(proof.suite, []).append(proof.python)
    places = [f"{suite} (Python {', '.join(dict.fromkeys(versions))})" for suite, versions in pythons.items()]
    return " and ".join(filter(None, (", ".join(places[:-1]), *places[-1:]))) or "no recorded target"
