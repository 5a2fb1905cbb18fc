"""Which Pythons are compiled again with a profile, and what became of it: decisions, without acting."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

IDLE: Final = timedelta(minutes=2)
"""A worker without a build for this long begins to compile."""
INTERRUPTIONS: Final = 3
"""A compilation whose process died this often counts as failed: it may be what kills it."""


class OptimisedMode(StrEnum):
    """When Pythons are compiled with a profile."""

    BACKGROUND = "background"
    """By idle workers, after the quick one."""
    NOW = "now"
    """Before any image has them: the first wheel waits."""
    OFF = "off"
    """Only by ``wheelyard builders build --optimised``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonChoice:
    """A Python of a suite that has been compiled quickly."""

    suite: str
    python: str
    definition: str
    """Of its optimised successor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimisation:
    """One compilation with a profile, as its host remembers it."""

    definition: str
    suite: str
    python: str
    begun: datetime
    interruptions: int = 0
    """How often its process ended before it did."""
    failed: str = ""
    """Why it failed; empty while it runs, and if it was interrupted."""

    @property
    def is_over(self) -> bool:
        """Whether it is not tried again."""
        return bool(self.failed) or self.interruptions >= INTERRUPTIONS

    @property
    def reason(self) -> str:
        """Why it is not tried again; empty if it is."""
        if self.failed or not self.is_over:
            return self.failed
        return f"it was interrupted {self.interruptions} times: the process that compiled it was killed"


def choose_python(
    choices: Sequence[PythonChoice], *, made: Collection[str], past: Iterable[Optimisation]
) -> PythonChoice | None:
    """Choose what to compile next: the first that has no image yet and has not failed.

    Args:
        choices: What this host has, most important first.
        made: Definitions of the optimised Pythons that are there.
        past: What became of earlier compilations.
    """
    over = {one.definition for one in past if one.is_over}
    return next((one for one in choices if one.definition not in made and one.definition not in over), None)


def find_lagging(pythons: Iterable[str], *, has: Iterable[str], made: Collection[str]) -> tuple[str, ...]:
    """Return the Pythons of an image whose optimised successor is there, but not in the image."""
    held = set(has)
    return tuple(python for python in pythons if python in made and python not in held)
