"""Builds that wait for other builds: the graph, its limits, and the failure when a requirement cannot be built."""

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
"""The longest chain of builds of which each waits for the next."""
MAX_NEEDS: Final = 40
"""The number of releases that one build may wait for, over all its attempts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """A release that a build waits for and that is not requested yet."""

    build_id: str
    """The build that waits."""
    release: MissingRelease
    target: Target
    priority: Priority
    requested_by: str
    """The requester of the waiting build."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyGraph:
    """The graph of waiting builds."""

    waits: Collection[tuple[str, str]]
    """Pairs of ids: a build that waits, and the build that it waits for."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names of releases for messages, by build id."""

    def line_above(self, build_id: str) -> int:
        """Return the length of the longest chain that waits for a build, up to the limit."""
        length, level = 0, {build_id}
        while length < MAX_CHAIN and (level := {one for one, needed in self.waits if needed in level}):
            length += 1
        return length

    def path(self, start: str, end: str) -> tuple[str, ...] | None:
        """Return the shortest path from a build to one that it waits for, both included; None if there is none."""
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
        """Return the error if a build would wait for itself through others."""
        way = self.path(needed_id, build_id)
        return None if way is None else RequirementCycleError(path=[self.names[one] for one in (build_id, *way)])


def refuse_needs(
    release: str, needs: Sequence[MissingRelease], *, satisfied: Collection[MissingRelease], line_above: int
) -> WheelyardError | None:
    """Return the error if a build may not wait for what it needs.

    Args:
        release: What is built.
        needs: What it needs now.
        satisfied: Releases that it waited for before and that were built.
        line_above: Length of the longest chain of builds that waits for it.
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
    """A chain of releases of which each needs the next; the last one got no wheel."""

    releases: tuple[str, ...]
    build_id: str | None
    """The last one's build; None if it could not be requested."""
    end: str
    """The end of it, as text for messages."""
    reason: str = ""

    @classmethod
    def at(cls, release: str, *, build_id: str, status: Status, failure: Failure | None) -> Self:
        """Return the chain of a build that ended without a wheel."""
        return cls(releases=(release,), build_id=build_id, end=_ENDS[status], reason=failure.summary if failure else "")

    @classmethod
    def unorderable(cls, release: str, *, reason: str) -> Self:
        """Return the chain of a release that cannot be requested."""
        return cls(releases=(release,), build_id=None, end="which cannot be built here", reason=reason)

    def needed_by(self, release: str) -> Self:
        """Return the chain with a release in front that needs the first one."""
        return replace(self, releases=(release, *self.releases))

    def failure(self) -> Failure:
        """Return the failure of the first one."""
        error = RequirementBuildFailedError(
            chain=self.releases, end=self.end, reason=self.reason, build_id=self.build_id
        )
        return Failure.of(error, stage=None)
