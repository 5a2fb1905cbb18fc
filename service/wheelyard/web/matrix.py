"""A release's wheels by Python and platform: what exists, is on its way, failed, or can be asked for. Reads nothing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import chain

from packaging.tags import Tag
from packaging.version import Version

from wheelyard.domain.builds.build import BuildSummary, Status
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import IndexedWheel, ReleaseWheels, Standing
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.file_names import read_tag
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version, read_version


class CellState(StrEnum):
    """What there is for one release on one target."""

    EXISTS = "exists"
    STAGED = "staged"
    """There is a wheel, on staging only."""
    YANKED = "yanked"
    BUILDING = "building"
    QUEUED = "queued"
    FAILED = "failed"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One release on one target."""

    target: Target
    state: CellState
    wheel: IndexedWheel | None = None
    """The newest wheel that a machine of this target takes."""
    build: BuildSummary | None = None
    """The newest build for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseRow:
    """A release: what there is for each target, and all of its wheels."""

    version: str
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    """By platform, a cell for each Python of ``pythons``; None where no builder has that Python."""
    wheels: tuple[IndexedWheel, ...]

    @property
    def failed(self) -> tuple[BuildSummary, ...]:
        """The builds behind the cells that show a failure."""
        cells = (cell for _, row in self.rows for cell in row if cell and cell.state is CellState.FAILED)
        return tuple(cell.build for cell in cells if cell.build and cell.build.failure)


def pythons_of(targets: Sequence[Target]) -> tuple[str, ...]:
    """Name the columns: every Python that any suite has, the oldest first."""
    return tuple(sorted({target.python for target in targets}, key=read_version))


def versions_of(*groups: Iterable[str]) -> list[str]:
    """Sort versions, each once, the newest first; what is no version, which only old rows can hold, comes last."""
    return sorted(set(chain(*groups)), key=_order, reverse=True)


def release_rows(
    versions: Sequence[str],
    releases: Sequence[ReleaseWheels],
    builds: Sequence[BuildSummary],
    targets: Sequence[Target],
) -> tuple[ReleaseRow, ...]:
    """Put wheels and builds of some of a project's versions side by side."""
    wheels = {release.version: release.wheels for release in releases}
    newest: dict[tuple[str, Target], BuildSummary] = {}
    for build in builds:
        newest.setdefault((build.version, build.target), build)
    return tuple(
        ReleaseRow(
            version=version,
            rows=tuple(_rows(version, wheels.get(version, ()), newest, targets)),
            wheels=wheels.get(version, ()),
        )
        for version in versions
    )


def _rows(
    version: str,
    wheels: Sequence[IndexedWheel],
    builds: Mapping[tuple[str, Target], BuildSummary],
    targets: Sequence[Target],
) -> Iterator[tuple[str, tuple[Cell | None, ...]]]:
    tagged = [(wheel, _tags_of(wheel)) for wheel in wheels if wheel.standing is not Standing.DELETED]
    by_place = {(target.platform, target.python): target for target in targets}
    for platform in dict.fromkeys(target.platform for target in targets):
        found = (by_place.get((platform, python)) for python in pythons_of(targets))
        yield (
            platform,
            tuple(None if one is None else _cell(one, tagged, builds.get((version, one))) for one in found),
        )


def _cell(target: Target, wheels: Iterable[tuple[IndexedWheel, frozenset[Tag]]], build: BuildSummary | None) -> Cell:
    accepted = _tags(target)
    fitting = [wheel for wheel, tags in wheels if tags & accepted]
    # What everybody can install says more than what is newer, and our own more than what it replaces.
    wheel = min(
        fitting,
        key=lambda one: (one.standing is not Standing.OFFERED, one.level is not Level.PROD, not one.is_own),
        default=None,
    )
    return Cell(target=target, state=_state(wheel, build), wheel=wheel, build=build)


def _state(wheel: IndexedWheel | None, build: BuildSummary | None) -> CellState:
    if wheel is not None and wheel.standing is Standing.OFFERED:
        return CellState.EXISTS if wheel.level is Level.PROD else CellState.STAGED
    if build is not None and not build.status.is_final:
        return CellState.BUILDING if build.status is Status.RUNNING else CellState.QUEUED
    if wheel is not None:
        return CellState.YANKED
    return CellState.FAILED if build is not None and build.status is Status.FAILED else CellState.NONE


@cache
def _tags(target: Target) -> frozenset[Tag]:
    return frozenset(target.tags())


def _tags_of(wheel: IndexedWheel) -> frozenset[Tag]:
    try:
        return read_tag(wheel.tag)
    except RefusedTextError:
        return frozenset()


def _order(version: str) -> tuple[bool, Version, str]:
    known = find_version(version)
    return known is not None, known or read_version("0"), version
