"""The table of a release by platform and Python: wheels, running and failed builds, and what can be requested."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import chain

from packaging.tags import Tag
from packaging.version import Version

from wheelyard.domain.builds.build import BuildSummary, Status
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import IndexedWheel, ReleaseWheels, Standing
from wheelyard.domain.packaging.target import Target, python_order
from wheelyard.domain.untrusted.file_names import read_tag
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version, read_version


class CellState(StrEnum):
    """State of a release on a target."""

    EXISTS = "exists"
    STAGED = "staged"
    """There is a wheel, but only on staging."""
    YANKED = "yanked"
    BUILDING = "building"
    QUEUED = "queued"
    FAILED = "failed"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A release on a target."""

    target: Target
    state: CellState
    wheel: IndexedWheel | None = None
    """The newest wheel that is compatible with the target."""
    build: BuildSummary | None = None
    """The newest build for the target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseRow:
    """A release with its cells and all of its wheels."""

    version: str
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    """Cells by platform, one for each Python of ``pythons``; None if no builder has that Python."""
    wheels: tuple[IndexedWheel, ...]

    @property
    def failed(self) -> tuple[BuildSummary, ...]:
        """The builds of the failed cells."""
        cells = (cell for _, row in self.rows for cell in row if cell and cell.state is CellState.FAILED)
        return tuple(cell.build for cell in cells if cell.build and cell.build.failure)


def pythons_of(targets: Sequence[Target]) -> tuple[str, ...]:
    """Return the columns: the Pythons of all suites, the oldest first."""
    return tuple(sorted({target.python for target in targets}, key=python_order))


def shown_targets(
    targets: Sequence[Target],
    reachable: Collection[Target],
    releases: Iterable[ReleaseWheels],
    builds: Iterable[BuildSummary],
) -> tuple[Target, ...]:
    """Return the targets of a project's table: those of each Python that can be had, or that it has something for.

    Every Python of a catalogue would be more columns than a terminal or a telephone shows.
    """
    had = {target.python for target in targets if target in reachable}
    had |= {build.target.python for build in builds}
    had |= {wheel.python for release in releases for wheel in release.wheels if wheel.python}
    return tuple(target for target in targets if target.python in had)


def versions_of(*groups: Iterable[str]) -> list[str]:
    """Return the distinct versions, newest first; invalid versions, which only old records have, come last."""
    return sorted(set(chain(*groups)), key=_order, reverse=True)


def release_rows(
    versions: Sequence[str],
    releases: Sequence[ReleaseWheels],
    builds: Sequence[BuildSummary],
    targets: Sequence[Target],
) -> tuple[ReleaseRow, ...]:
    """Return the wheels and builds of some versions of a project, by target."""
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
    # Prefer wheels that everyone can install over newer ones, and our own over mirrored ones.
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
        return frozenset() if wheel.tag is None else read_tag(wheel.tag)
    except RefusedTextError:
        return frozenset()


def _order(version: str) -> tuple[bool, Version, str]:
    known = find_version(version)
    return known is not None, known or read_version("0"), version
