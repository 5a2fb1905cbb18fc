"""What a resolver is shown of a project beside upstream's own page: our wheels, and sdists in place of missing wheels.

Must not read pages nor serve them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from packaging.version import Version

from wheelyard.domain.packaging.coverage import serves
from wheelyard.domain.packaging.release import IndexFile, best_sdist, serves_python
from wheelyard.domain.packaging.target import Target


class Placeholders(StrEnum):
    """Which releases without a usable wheel are shown all the same, as what could be built."""

    NONE = "none"
    WHEELLESS = "wheelless"
    """Those of projects that have no usable wheel at all: an older release's wheel is better than a build."""
    ALL = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferedFiles:
    """What a page lists for a target."""

    files: tuple[IndexFile, ...]
    """Upstream's and our own, as they are."""
    placeholders: tuple[IndexFile, ...]
    """Sdists, at most one of a release, each of which stands for the wheel that a build of it would make."""


def is_usable(file: IndexFile, target: Target) -> bool:
    """Tell whether a file is a wheel that installers on the target take by themselves."""
    fits = file.kind == "wheel" and not file.yanked and serves(file.filename, target)
    return fits and serves_python(file, target.python)


def offer_files(
    upstream: Sequence[IndexFile], own: Sequence[IndexFile], *, target: Target, placeholders: Placeholders
) -> OfferedFiles | None:
    """Choose what to list beside upstream's files; None if upstream's page will do as it is.

    Our index comes second: its wheels are for releases that have no usable one upstream.
    """
    served = _versions(upstream, target)
    added = tuple(file for file in own if file.version not in served)
    usable = served | _versions(added, target)
    hidden = placeholders is Placeholders.NONE or (placeholders is Placeholders.WHEELLESS and bool(usable))
    sdists = () if hidden else _sdists(upstream, usable, target)
    return OfferedFiles(files=(*upstream, *added), placeholders=sdists) if added or sdists else None


def _versions(files: Iterable[IndexFile], target: Target) -> frozenset[Version]:
    return frozenset(file.version for file in files if is_usable(file, target))


def _sdists(files: Iterable[IndexFile], usable: frozenset[Version], target: Target) -> tuple[IndexFile, ...]:
    by_version: dict[Version, list[IndexFile]] = {}
    for file in files:
        if file.version not in usable and serves_python(file, target.python):
            by_version.setdefault(file.version, []).append(file)
    best = (best_sdist(release) for _, release in sorted(by_version.items()))
    return tuple(sdist for sdist in best if sdist is not None)
