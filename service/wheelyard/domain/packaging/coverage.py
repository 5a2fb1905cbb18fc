"""Which wheel serves which target, and the fewest builds that serve all of them.

Facts come from wheel tags (PEP 425, 600). That one build may serve another target is an expectation, which the tags of
the finished wheel confirm or not.
"""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from packaging.tags import Tag

from wheelyard.domain.packaging.release import allows_python
from wheelyard.domain.packaging.target import Target, python_order
from wheelyard.domain.untrusted.file_names import find_wheel_name, read_wheel_name

STABLE_ABIS: Final = frozenset({"abi3", "abi3t"})
"""The ABI tags of modules that use the stable ABI alone; ``abi3t`` is that of free-threaded Pythons (PEP 803)."""

_GENERIC: Final = re.compile(r"py[0-9]+")
"""Python tags that any implementation accepts, such as ``py3``."""


class WheelKind(StrEnum):
    """Which targets one wheel of a release serves."""

    PURE = "pure"
    """It serves every target."""
    PROGRAM = "program"
    """It serves every Python, from its glibc on: a program in a wheel, which uses no Python ABI."""
    ABI3 = "abi3"
    """It serves its Python and newer ones of its kind, with the GIL or without, from its glibc on."""
    ABI3T = "abi3t"
    """It serves its Python and newer ones of both kinds, from its glibc on: ``abi3.abi3t`` (PEP 803)."""
    NATIVE = "native"
    """It serves its own Python, from its glibc on."""
    UNKNOWN = "unknown"
    """Only a build will show it."""


@functools.lru_cache(maxsize=256)
def _ranks(target: Target) -> Mapping[Tag, int]:
    """Return the rank of each tag that a target accepts; 0 is the best."""
    return {tag: rank for rank, tag in reversed(list(enumerate(target.tags())))}


@functools.lru_cache(maxsize=4096)
def wheel_tags(filename: str) -> frozenset[Tag]:
    """Return the tags in a wheel's file name (PEP 427); empty if it is not a wheel's name."""
    wheel = find_wheel_name(filename)
    return frozenset() if wheel is None else wheel.tags


def serves(filename: str, target: Target) -> bool:
    """Return whether an installer on the target accepts a wheel."""
    accepted = _ranks(target)  # about a thousand tags, but only those of the wheel are looked up
    return any(tag in accepted for tag in wheel_tags(filename))


def targets_served(filename: str, requires_python: str | None, targets: Iterable[Target]) -> frozenset[Target]:
    """Return the targets on which an installer accepts a wheel, by its tags and its Requires-Python."""
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
    """Return a release's kind, by any of its wheels."""
    wheels = [wheel_tags(filename) for filename in filenames]
    tags = frozenset(tag for one in wheels for tag in one)
    generic = {tag for tag in tags if tag.abi == "none" and _GENERIC.fullmatch(tag.interpreter)}
    if any(tag.platform == "any" for tag in generic):
        return WheelKind.PURE
    if generic:
        return WheelKind.PROGRAM
    stable = [abis for one in wheels if (abis := {tag.abi for tag in one} & STABLE_ABIS)]
    if stable:
        return WheelKind.ABI3T if STABLE_ABIS in stable else WheelKind.ABI3
    return WheelKind.NATIVE if tags else WheelKind.UNKNOWN


def may_serve(built_for: Target, target: Target, kind: WheelKind) -> bool:
    """Return whether a wheel built for one target is expected to serve another."""
    same_python = built_for.python == target.python
    newer_python = built_for.version_info <= target.version_info
    same_kind = built_for.is_free_threaded == target.is_free_threaded
    match kind:
        case WheelKind.PURE | WheelKind.UNKNOWN:
            return True
        case WheelKind.PROGRAM:
            return built_for.policy.serves(target.policy)
        case WheelKind.ABI3:
            return newer_python and same_kind and built_for.policy.serves(target.policy)
        case WheelKind.ABI3T:
            return newer_python and built_for.policy.serves(target.policy)
        case WheelKind.NATIVE:
            return same_python and built_for.policy.serves(target.policy)


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """The builds to start, and the build that each open target waits for."""

    starts: tuple[Target, ...]
    """Targets to start a build for."""
    waits: Mapping[Target, Target]
    """Each open target, and the target whose build it waits for: its own, or one that may serve it too."""


def assign_builds(
    open_targets: Sequence[Target], running: Sequence[Target], kind: WheelKind, failed: Sequence[Target] = ()
) -> Assignment:
    """Return the fewest builds whose wheels may serve all open targets.

    The lowest glibc with the lowest Python comes first, because its wheel serves the most targets. If the kind is
    unknown, everything waits for that one build, which shows the kind. After a failure, those targets come first that
    have the least in common with the failed ones.

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
    """Return whether builds failed for the target's Python elsewhere, and for its platform with another Python.

    Then neither the Python nor the platform is the cause, and a build for this target would most likely fail too.
    """
    return all(_likeness(target, failed))


def _likeness(target: Target, failed: Iterable[Target]) -> tuple[bool, bool]:
    """Return whether a build failed for the target's Python, and for its platform, on its architecture."""
    targets = [one for one in failed if one.policy.architecture == target.policy.architecture]
    return any(one.python == target.python for one in targets), any(one.policy == target.policy for one in targets)


def _own_first(building: Iterable[Target], target: Target) -> list[Target]:
    return sorted(building, key=lambda one: (one != target, _reach(one)))


def _reach(target: Target) -> tuple[str, tuple[int, int], tuple[int, int, bool]]:
    """Return a sort key: targets whose wheels serve the most others come first."""
    return target.policy.architecture, target.policy.glibc, python_order(target.python)
