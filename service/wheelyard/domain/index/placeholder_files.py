"""Files that a resolver gets beside upstream's page of a project: our wheels, and placeholder files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from packaging.version import Version

from wheelyard.domain.packaging.coverage import best_wheel, serves
from wheelyard.domain.packaging.release import IndexFile, best_sdist, serves_python
from wheelyard.domain.packaging.target import Target


class Placeholders(StrEnum):
    """Which releases without a usable wheel get a placeholder, because they could be built."""

    NONE = "none"
    WHEELLESS = "wheelless"
    """Releases of projects without any usable wheel: an older release's wheel is better than a build."""
    ALL = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferedFiles:
    """The files on a page for a target."""

    files: tuple[IndexFile, ...]
    """Upstream's and our own files, unchanged."""
    placeholders: tuple[IndexFile, ...]
    """Sdists, at most one per release. Each stands for the wheel that its build would make."""


def is_usable(file: IndexFile, target: Target) -> bool:
    """Return whether a file is a wheel that installers on the target choose by default."""
    fits = file.kind == "wheel" and not file.yanked and serves(file.filename, target)
    return fits and serves_python(file, target.python)


def offer_files(
    upstream: Sequence[IndexFile], own: Sequence[IndexFile], *, target: Target, placeholders: Placeholders
) -> OfferedFiles | None:
    """Return the files to add to upstream's; None if upstream's page is sufficient.

    Our wheels are only added for releases without a usable one upstream.
    """
    served = _versions(upstream, target)
    added = tuple(file for file in own if file.version not in served)
    usable = served | _versions(added, target)
    hidden = placeholders is Placeholders.NONE or (placeholders is Placeholders.WHEELLESS and bool(usable))
    sdists = () if hidden else _sdists(upstream, usable, target)
    return OfferedFiles(files=(*upstream, *added), placeholders=sdists) if added or sdists else None


def best_wheels(files: Iterable[IndexFile], target: Target) -> tuple[IndexFile, ...]:
    """Return the wheel of each release that an installer on the target prefers; yanked ones are left out."""
    by_version: dict[Version, dict[str, IndexFile]] = {}
    for file in files:
        if is_usable(file, target):
            by_version.setdefault(file.version, {})[file.filename] = file
    best = ((wheels, best_wheel(wheels, target)) for wheels in by_version.values())
    return tuple(wheels[name] for wheels, name in best if name is not None)


def _versions(files: Iterable[IndexFile], target: Target) -> frozenset[Version]:
    return frozenset(file.version for file in files if is_usable(file, target))


def _sdists(files: Iterable[IndexFile], usable: frozenset[Version], target: Target) -> tuple[IndexFile, ...]:
    by_version: dict[Version, list[IndexFile]] = {}
    for file in files:
        if file.version not in usable and serves_python(file, target.python):
            by_version.setdefault(file.version, []).append(file)
    best = (best_sdist(release) for _, release in sorted(by_version.items()))
    return tuple(sdist for sdist in best if sdist is not None)
