"""See by wheels that were built what their sdists had not said: requirements that a prebuild has no release of.

Releases are chosen by what sdists say of themselves before anything is built, and old ones say nothing. Must not read
wheels.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from packaging.utils import NormalizedName, canonicalize_name

from wheelyard.domain.builds.build import Status
from wheelyard.domain.dependencies.files import InputKind, holds, kind_of_file
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import Item, ItemStatus, Prebuild, Source
from wheelyard.domain.untrusted.requirements import find_requirement

_OPEN: Final = frozenset({InputKind.REQUIREMENTS, InputKind.PYPROJECT})


def built_for(prebuild: Prebuild) -> frozenset[str]:
    """Name the wheels that builds of a prebuild made, and that a resolver had not seen when it chose.

    A lock is taken at its word, so what serves its items is not looked at.
    """
    built = {(one.project, one.version) for one in prebuild.started if one.status is Status.SUCCEEDED}
    return frozenset(
        item.filename
        for item in prebuild.items
        if item.filename and _is_ours(item) and (item.project, item.version) in built
    )


def check_needs(prebuild: Prebuild, needs: Mapping[str, Sequence[str]]) -> Prebuild:
    """Let items fail whose wheel needs what the prebuild does not have for their target.

    Args:
        prebuild: One of which nothing more is to be done.
        needs: What wheels require, by file name.
    """
    releases: defaultdict[Target, dict[NormalizedName, str]] = defaultdict(dict)
    for item in prebuild.items:
        releases[item.target][item.project] = item.version
    checked = (_check(item, needs.get(item.filename or "", ()), releases[item.target]) for item in prebuild.items)
    return replace(prebuild, items=tuple(checked))


def _is_ours(item: Item) -> bool:
    is_open = kind_of_file(item.origin.file) in _OPEN and not item.hashes
    return item.status is ItemStatus.PRESENT and item.source is Source.OWN and is_open


def _check(item: Item, needs: Iterable[str], releases: Mapping[NormalizedName, str]) -> Item:
    unmet = [need for need in needs if not _is_met(need, item.target, releases)]
    if not unmet:
        return item
    reason = f"its wheel needs {', '.join(unmet)}, which its sdist did not say"
    hint = "Ask again: it is known now."
    return replace(item, status=ItemStatus.FAILED, reason=reason, hint=hint, build_id=None)


def _is_met(need: str, target: Target, releases: Mapping[NormalizedName, str]) -> bool:
    requirement = find_requirement(need)
    if requirement is None:
        return True  # an installer has its own way with it
    if not holds(requirement.marker, target):
        return True
    version = releases.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)
