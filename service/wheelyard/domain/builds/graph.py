"""Builds that wait for other builds: who waits for whom, what may not wait, and what becomes of those whose hope fails.

Must not know where builds are kept.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

from wheelyard.domain.builds.build import Failure, MissingRelease, Status
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import (
    RequirementBuildFailedError,
    RequirementChainError,
    RequirementCycleError,
    RequirementUnusableError,
    WheelyardError,
)

MAX_CHAIN: Final = 16
"""Builds in a line of which each waits for the next."""
MAX_NEEDS: Final = 40
"""Releases that one build may wait for, all its attempts together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """A release that a build waits for and that nobody has ordered yet, as it is to be ordered."""

    build_id: str
    """The build that waits."""
    release: MissingRelease
    target: Target
    priority: Priority
    requested_by: str
    """Who has asked for the build that waits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyGraph:
    """Which builds wait for which."""

    waits: Collection[tuple[str, str]]
    """Ids of a build that waits and of the one that it waits for."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Releases by build id, as messages name them."""

    def line_above(self, build_id: str) -> int:
        """Count the builds in the longest line that waits for a build, as far as it matters."""
        length, level = 0, {build_id}
        while length < MAX_CHAIN and (level := {one for one, needed in self.waits if needed in level}):
            length += 1
        return length

    def path(self, start: str, end: str) -> tuple[str, ...] | None:
        """Find the shortest way from a build over those that it waits for to another; both are on it."""
        ways: deque[tuple[str, ...]] = deque([(start,)])
        seen = {start}
        while ways:
            way = ways.popleft()
            if way[-1] == end:
                return way
            for one, needed in self.waits:
                if one == way[-1] and needed not in seen:
                    seen.add(needed)
                    ways.append((*way, needed))
        return None

    def refuse_cycle(self, build_id: str, needed_id: str) -> RequirementCycleError | None:
        """Give the error if a build would, over others, wait for itself."""
        way = self.path(needed_id, build_id)
        return None if way is None else RequirementCycleError(path=[self.names[one] for one in (build_id, *way)])


def refuse_needs(
    release: str, needs: Sequence[MissingRelease], *, satisfied: Collection[MissingRelease], line_above: int
) -> WheelyardError | None:
    """Give the error if a build may not wait for what it needs.

    Args:
        release: What is built.
        needs: What it needs now.
        satisfied: What it has waited for before, and got.
        line_above: How many builds wait for it, one for the other.
    """
    again = sorted(set(needs) & set(satisfied))
    if again:
        return RequirementUnusableError(release=release, needed=str(again[0]))
    count = len({*needs, *satisfied})
    if count > MAX_NEEDS:
        return RequirementChainError(release=release, reason=f"it needs {count} other releases", limit=MAX_NEEDS)
    if line_above + 1 >= MAX_CHAIN:
        reason = f"{line_above} others wait for it in a line"
        return RequirementChainError(release=release, reason=reason, limit=MAX_CHAIN)
    return None


_ENDS = {Status.FAILED: "whose build failed", Status.CANCELLED: "whose build was cancelled"}


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokenChain:
    """A line of releases, of which each needs the next; the last one got no wheel."""

    releases: tuple[str, ...]
    build_id: str | None
    """The last one's build; None if it could not even be ordered."""
    end: str
    """What became of it, in words."""
    reason: str = ""

    @classmethod
    def at(cls, release: str, *, build_id: str, status: Status, failure: Failure | None) -> Self:
        """Begin with a build that ended without a wheel."""
        return cls(releases=(release,), build_id=build_id, end=_ENDS[status], reason=failure.summary if failure else "")

    @classmethod
    def unorderable(cls, release: str, *, reason: str) -> Self:
        """Begin with a release that no build could be ordered for."""
        return cls(releases=(release,), build_id=None, end="which cannot be built here", reason=reason)

    def needed_by(self, release: str) -> Self:
        """Add what needs the first one."""
        return replace(self, releases=(release, *self.releases))

    def failure(self) -> Failure:
        """Say why the first one cannot be built."""
        error = RequirementBuildFailedError(
            chain=self.releases, end=self.end, reason=self.reason, build_id=self.build_id
        )
        return Failure.of(error, stage=None)
