"""The release that would work where one cannot be built for a Python, by named evidence.

The evidence counts in this order: a wheel of ours, upstream's wheel for this very Python, a classifier, the
Requires-Python if that of the failed release was the reason, and a wheel of upstream's for any Python. The oldest
release that is newer and has the best evidence is named, because it is the smallest step.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from packaging.version import Version

from wheelyard.domain.packaging.coverage import serves, wheel_tags
from wheelyard.domain.packaging.release import IndexFile, allows_python, serves_python
from wheelyard.domain.packaging.target import Target, python_version

_CLASSIFIER: Final = "Programming Language :: Python :: "
_FREE_THREADING: Final = "Programming Language :: Python :: Free Threading"
_UNSTABLE: Final = f"{_FREE_THREADING} :: 1"
_GENERAL: Final = frozenset({"none", "abi3"})
"""ABI tags that do not name the Python that a wheel was made for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """A newer release of a project that claims, or is known, to work on a Python."""

    version: str
    evidence: str
    """What says so, as a part of a sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownWheel:
    """A wheel of our index, of any release of a project."""

    version: Version
    filename: str
    requires_python: str | None


def newer_files(files: Iterable[IndexFile], version: Version) -> list[IndexFile]:
    """Return the files of newer final releases that are not yanked, the oldest release first."""
    newer = (file for file in files if file.version > version and not file.version.is_prerelease and not file.yanked)
    return sorted(newer, key=lambda file: (file.version, file.filename))


def by_wheels(
    target: Target, version: Version, *, own: Iterable[KnownWheel], newer: Sequence[IndexFile]
) -> Advice | None:
    """Return the release with a wheel of ours that serves the target, or of upstream's that was made for it."""
    for wheel in sorted(own, key=lambda wheel: (wheel.version, wheel.filename)):
        is_allowed = allows_python(wheel.requires_python, target.python)
        if wheel.version > version and is_allowed and serves(wheel.filename, target):
            return Advice(version=str(wheel.version), evidence=f"our index has {wheel.filename}")
    for file in newer:
        if _serves(file, target) and any(tag.abi not in _GENERAL for tag in wheel_tags(file.filename)):
            return Advice(version=str(file.version), evidence=f"upstream has {file.filename}")
    return None


def by_classifiers(target: Target, version: Version, classifiers: Collection[str]) -> Advice | None:
    """Return the release if its classifiers claim the target's Python; for ``3.13t`` also free threading."""
    wanted = f"{_CLASSIFIER}{python_version(target.python)}"
    if wanted not in classifiers:
        return None
    if not target.is_free_threaded:
        return Advice(version=str(version), evidence=f"its classifiers have {wanted!r}")
    claimed = [one for one in classifiers if one.startswith(_FREE_THREADING) and not one.startswith(_UNSTABLE)]
    if not claimed:
        return None
    return Advice(version=str(version), evidence=f"its classifiers have {wanted!r} and {min(claimed)!r}")


def by_claims(
    target: Target, *, of_release: Sequence[IndexFile], newer: Sequence[IndexFile], is_refused: bool
) -> Advice | None:
    """Return the release that the weaker claims name.

    Args:
        target: The target that the release cannot be built for.
        of_release: The files of that release.
        newer: The files of newer releases.
        is_refused: Whether it was refused before a build: then a Requires-Python that excluded it is the reason.
    """
    if is_refused and of_release and not any(serves_python(file, target.python) for file in of_release):
        for file in newer:
            if file.requires_python is not None and serves_python(file, target.python):
                return Advice(version=str(file.version), evidence=f"its Requires-Python is {file.requires_python}")
    if any(_serves(file, target) for file in of_release):
        return None  # a wheel for any Python has proven nothing for this release
    for file in newer:
        if _serves(file, target):
            return Advice(version=str(file.version), evidence=f"upstream has {file.filename}")
    return None


def _serves(file: IndexFile, target: Target) -> bool:
    return file.kind == "wheel" and serves_python(file, target.python) and serves(file.filename, target)
