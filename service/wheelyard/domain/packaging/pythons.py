"""Which Pythons a wheel's tags and its Requires-Python allow together."""

import re
from collections.abc import Collection
from typing import Final

from packaging.tags import Tag

from wheelyard.domain.packaging.release import allows_python

_INTERPRETER: Final = re.compile(r"(?P<kind>py|cp)(?P<major>[23])(?P<minor>[0-9]{0,3})")
_NEWEST: Final = {2: 7, 3: 50}
"""The newest minor version of each major one that is tried; 3.50 is decades away."""
_ANY_MICRO: Final = ("", ".0", ".99")


def runs_somewhere(tags: Collection[Tag], requires_python: str | None) -> bool:
    """Return whether there is a Python that accepts one of a wheel's tags and that its Requires-Python allows."""
    return requires_python is None or any(_runs(tag, requires_python) for tag in tags)


def oldest_allowed(requires_python: str | None) -> tuple[int, int] | None:
    """Return the oldest Python 3 that a Requires-Python allows; None if it allows each, or none."""
    if requires_python is None or _allows(requires_python, 3, 0):
        return None
    return next(((3, minor) for minor in range(_NEWEST[3] + 1) if _allows(requires_python, 3, minor)), None)


def _runs(tag: Tag, requires_python: str) -> bool:
    match = _INTERPRETER.fullmatch(tag.interpreter)
    if match is None:
        return True  # of another implementation, whose versions are its own
    major, minor = int(match["major"]), int(match["minor"] or 0)
    newer = range(minor, _NEWEST[major] + 1)
    is_exact = match["kind"] == "cp" and tag.abi not in {"abi3", "abi3t"} and match["minor"] != ""
    return any(_allows(requires_python, major, one) for one in ([minor] if is_exact else newer))


def _allows(requires_python: str, major: int, minor: int) -> bool:
    return any(allows_python(requires_python, f"{major}.{minor}{micro}") for micro in _ANY_MICRO)
