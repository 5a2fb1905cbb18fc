"""Upstream's own wheels of a release, as evidence of what a build should make."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Self

from packaging.tags import Tag
from packaging.version import Version

from wheelyard.domain.packaging.coverage import STABLE_ABIS, best_wheel, wheel_tags
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles, allows_python
from wheelyard.domain.packaging.target import Target

_MODULE: Final = re.compile(r"(?P<module>[A-Za-z_]\w*)(?:\.[\w-]+)?\.(?:so|pyd)", re.ASCII)
"""The file name of an extension module: tagged, of the stable ABI, or plain; on Windows it ends in ``.pyd``."""
_DATA: Final = re.compile(r"[^/]+\.data/(?:platlib|purelib)/")
_CPYTHON: Final = re.compile(r"cp3([0-9]{1,3})", re.ASCII)
_FAR: Final = 1000


@dataclass(frozen=True, kw_only=True)
class UpstreamWheel:
    """A native wheel of upstream's, and the files in it that Python could import as extension modules."""

    filename: str
    members: tuple[str, ...]
    is_for_linux: bool = True

    @cached_property
    def modules(self) -> Mapping[str, str]:
        """Return the members by the importable names of their modules."""
        named = ((_module_of(member), member) for member in self.members)
        return {name: member for name, member in named if name}

    def member_of(self, name: str) -> str | None:
        """Return the member that is a module, possibly in another package; None if there is none."""
        last = name.rpartition(".")[2]
        same = (member for module, member in self.modules.items() if module.rpartition(".")[2] == last)
        return self.modules.get(name) or next(same, None)

    def proves(self, is_certain: bool) -> bool:  # noqa: FBT001 - a fact, not a switch
        """Return whether it can show that a module should be made: other systems have modules of their own."""
        return self.is_for_linux or is_certain


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamRelease:
    """What upstream's index has of a release, beside its sdist."""

    pure: str | None = None
    """Its wheel without native files that serves the target."""
    native: str | None = None
    """Its native wheel that is nearest to the target."""
    native_serves: bool = False
    """True if that wheel serves the target itself."""
    wheel: UpstreamWheel | None = None
    """The names in that wheel, if they were read."""


class NearestWheels(NamedTuple):
    """The files of a release that are evidence for a target."""

    pure: IndexFile | None = None
    native: IndexFile | None = None
    """The native wheel that is nearest to the target."""
    serves: bool = False
    """True if the native wheel serves the target itself."""

    @classmethod
    def of(cls, page: ProjectFiles, version: Version, target: Target) -> Self:
        """Choose from an index's page."""
        wheels = {
            one.filename: one
            for one in page.files
            if one.kind == "wheel" and one.version == version and not one.own and wheel_tags(one.filename)
        }
        pure = [
            name for name, one in wheels.items() if _is_pure(name) and allows_python(one.requires_python, target.python)
        ]
        native = [name for name in wheels if not _is_pure(name)]
        best_pure, best_native = best_wheel(pure, target), best_wheel(native, target)
        nearest = best_native or min(native, key=lambda name: (*_distance(name, target), name), default=None)
        return cls(
            wheels[best_pure] if best_pure else None,
            wheels[nearest] if nearest else None,
            serves=best_native is not None,
        )


def is_extension_file(member: str) -> bool:
    """Return whether a member of a wheel may be an extension module, by its name."""
    return _module_of(member) is not None


def is_for_linux(filename: str) -> bool:
    """Return whether a wheel is for Linux, by its tags."""
    return any("linux" in tag.platform for tag in wheel_tags(filename))


def _is_pure(filename: str) -> bool:
    return all(tag.platform == "any" for tag in wheel_tags(filename))


def _distance(filename: str, target: Target) -> tuple[int, int, int]:
    """Return how far a wheel is from a target: by system, by Python, by processor."""
    tags = wheel_tags(filename)
    return (
        0 if is_for_linux(filename) else 1,
        min(_python_distance(tag, target) for tag in tags),
        0 if any(tag.platform.endswith(target.policy.architecture) for tag in tags) else 1,
    )


def _python_distance(tag: Tag, target: Target) -> int:
    match = _CPYTHON.fullmatch(tag.interpreter)
    if match is None:  # another implementation, or any Python
        return 0 if tag.abi == "none" and tag.interpreter.startswith("py") else _FAR
    minor, wanted = int(match[1]), target.version_info[1]
    is_of_kind = tag.abi.endswith("t") == target.is_free_threaded
    is_stable = tag.abi in STABLE_ABIS and is_of_kind and minor <= wanted
    return 0 if is_stable else 2 * abs(minor - wanted) + (not is_of_kind)


def _module_of(member: str) -> str | None:
    *folders, file = _DATA.sub("", member).split("/")
    match = _MODULE.fullmatch(file)
    if match is None or not all(folder.isidentifier() for folder in folders):
        return None
    parts = [*folders, match["module"]]
    if parts[-1] == "__init__" and folders:
        parts.pop()
    return ".".join(parts)
