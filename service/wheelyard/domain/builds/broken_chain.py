"""What becomes of builds that wait for one that ended without a wheel. Must not know where builds are kept."""

from dataclasses import dataclass, replace
from typing import Self

from wheelyard.domain.builds.build import Failure, Status
from wheelyard.errors import RequirementBuildFailedError

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
