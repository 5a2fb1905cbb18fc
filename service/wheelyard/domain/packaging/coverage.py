"""Which wheel serves which target, and the fewest builds that serve all of them. Must not know where wheels are.

Facts come from wheel tags (PEP 425, 600); the rule that lets one build wait for another is an expectation that the
tags of the wheel, once it is there, confirm or not.
"""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from packaging.tags import Tag

from wheelyard.domain.packaging.release import allows_python
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.file_names import find_wheel_name, read_wheel_name

_GENERIC: Final = re.compile(r"py[0-9]+")
"""Python tags that are no implementation's own, such as ``py3``."""


class WheelKind(StrEnum):
    """How far one wheel of a release reaches."""

    PURE = "pure"
    """It serves every target."""
    PROGRAM = "program"
    """It serves every Python, from its glibc on: a program in a wheel, which no Python's ABI concerns."""
    ABI3 = "abi3"
    """It serves its Python and newer ones, from its glibc on."""
    NATIVE = "native"
    """It serves its own Python, from its glibc on."""
    UNKNOWN = "unknown"
    """Only a build will tell."""


@functools.lru_cache(maxsize=256)
def _ranks(target: Target) -> Mapping[Tag, int]:
    """Rank the tags that a target accepts, 0 is the best."""
    return {tag: rank for rank, tag in reversed(list(enumerate(target.tags())))}


@functools.lru_cache(maxsize=4096)
def wheel_tags(filename: str) -> frozenset[Tag]:
    """Read a wheel's tags off its name; none if it is no wheel's name (PEP 427)."""
    wheel = find_wheel_name(filename)
    return frozenset() if wheel is None else wheel.tags


def serves(filename: str, target: Target) -> bool:
    """Tell whether an installer on the target accepts a wheel."""
    accepted = _ranks(target)  # a thousand, of which only those are looked up that the wheel has
    return any(tag in accepted for tag in wheel_tags(filename))


def targets_served(filename: str, requires_python: str | None, targets: Iterable[Target]) -> frozenset[Target]:
    """List the targets on which an installer accepts a wheel, by its tags and its Requires-Python."""
    return frozenset(
        target for target in targets if serves(filename, target) and allows_python(requires_python, target.python)
    )


def best_wheel(filenames: Iterable[str], target: Target) -> str | None:
    """Return the wheel that an installer on the target prefers: by tags, then by the highest build (PEP 427)."""
    order = _ranks(target)
    ranked = [
        (-min(order[tag] for tag in fitting), read_wheel_name(filename).build, filename)
        for filename in filenames
        if (fitting := [tag for tag in wheel_tags(filename) if tag in order])
    ]
    return max(ranked)[2] if ranked else None


def kind_of(filenames: Iterable[str]) -> WheelKind:
    """Tell a release's kind by wheels that it has, whoever made them."""
    tags = frozenset(tag for filename in filenames for tag in wheel_tags(filename))
    generic = {tag for tag in tags if tag.abi == "none" and _GENERIC.fullmatch(tag.interpreter)}
    if any(tag.platform == "any" for tag in generic):
        return WheelKind.PURE
    if generic:
        return WheelKind.PROGRAM
    if any(tag.abi == "abi3" for tag in tags):
        return WheelKind.ABI3
    return WheelKind.NATIVE if tags else WheelKind.UNKNOWN


def may_serve(built_for: Target, target: Target, kind: WheelKind) -> bool:
    """Tell whether a wheel that is built for one target can be expected to serve another."""
    same_python = built_for.python == target.python
    newer_python = built_for.version_info <= target.version_info
    match kind:
        case WheelKind.PURE | WheelKind.UNKNOWN:
            return True
        case WheelKind.PROGRAM:
            return built_for.policy.serves(target.policy)
        case WheelKind.ABI3:
            return newer_python and built_for.policy.serves(target.policy)
        case WheelKind.NATIVE:
            return same_python and built_for.policy.serves(target.policy)


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """What each open target waits for."""

    starts: tuple[Target, ...]
    """Targets to start a build for."""
    waits: Mapping[Target, Target]
    """Each open target, and the target whose build it waits for: its own, or one that may serve it too."""


def assign_builds(
    open_targets: Sequence[Target], running: Sequence[Target], kind: WheelKind, failed: Sequence[Target] = ()
) -> Assignment:
    """Choose the fewest builds whose wheels may serve all open targets.

    The lowest glibc with the lowest Python comes first, since its wheel reaches furthest. Where the kind is unknown,
    everything waits for that one build: what it turns out to be decides over the rest. After a failure, those come
    first that have least in common with what failed.

    Args:
        open_targets: Targets that no wheel serves and whose own build has not failed.
        running: Targets that a build is queued or running for.
        kind: What is known of the release's wheels.
        failed: Targets whose build has failed.
    """
    building = list(running)
    starts: list[Target] = []
    waits: dict[Target, Target] = {}
    for target in sorted(open_targets, key=lambda target: (*_likeness(target, failed), *_reach(target))):
        provider = next((one for one in _own_first(building, target) if may_serve(one, target, kind)), None)
        if provider is None:
            provider = target
            building.append(target)
            starts.append(target)
        waits[target] = provider
    return Assignment(starts=tuple(starts), waits=waits)


def is_hopeless(target: Target, failed: Iterable[Target]) -> bool:
    """Tell whether builds have failed for the target's Python elsewhere and for its platform with another Python.

    Then neither explains the failures, and one more is all that a build of its own would bring.
    """
    return all(_likeness(target, failed))


def _likeness(target: Target, failed: Iterable[Target]) -> tuple[bool, bool]:
    """Tell whether something has failed for the target's Python, and for its platform, on its architecture."""
    targets = [one for one in failed if one.policy.architecture == target.policy.architecture]
    return any(one.python == target.python for one in targets), any(one.policy == target.policy for one in targets)


def _own_first(building: Iterable[Target], target: Target) -> list[Target]:
    return sorted(building, key=lambda one: (one != target, _reach(one)))


def _reach(target: Target) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """Sort those first whose wheels reach furthest; glibc counts for all that are not pure, the Python not for all."""
    return target.policy.architecture, target.policy.glibc, target.version_info
