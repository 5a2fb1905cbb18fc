"""The resolver of releases in memory, for tests: the newest release that fits of each project that is named."""

from collections.abc import Sequence

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.domain.dependencies.files import ResolvedRelease, StatedRelease
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import RequirementsUnsatisfiableError, WheelyardError


class MemoryReleaseResolver:
    """The twin of UvReleaseResolver. It knows no release's own requirements; name all that a test needs."""

    def __init__(self) -> None:
        self.releases: dict[NormalizedName, list[Version]] = {}
        """What there is to choose from."""
        self.stated: list[StatedRelease] = []
        """What it was told of releases that have no wheel."""
        self.asked_by = ""
        """For whom it was asked last."""
        self.fault: WheelyardError | None = None
        """Raised by every ``resolve`` while it is set."""

    def add(self, project: str, *versions: str) -> None:
        """Let there be releases."""
        self.releases.setdefault(canonicalize_name(project), []).extend(map(Version, versions))

    async def resolve(
        self,
        requirements: Sequence[str],
        *,
        constraints: Sequence[str],
        stated: Sequence[StatedRelease],
        target: Target,
        asked_by: str = "",
    ) -> tuple[ResolvedRelease, ...]:
        """Choose; raises RequirementsUnsatisfiableError or the fault that is switched on."""
        if self.fault is not None:
            raise self.fault
        self.stated, self.asked_by = list(stated), asked_by
        limits = [Requirement(text) for text in constraints]
        return tuple(self._choose(Requirement(text), limits, target) for text in requirements)

    def _choose(self, wanted: Requirement, limits: Sequence[Requirement], target: Target) -> ResolvedRelease:
        project = canonicalize_name(wanted.name)
        specifiers = [one.specifier for one in (wanted, *limits) if canonicalize_name(one.name) == project]
        fitting = [
            version
            for version in self.releases.get(project, ())
            if all(specifier.contains(version) for specifier in specifiers)
        ]
        if not fitting:
            raise RequirementsUnsatisfiableError(target=str(target), reason=f"there is no release for '{wanted}'")
        return ResolvedRelease(project=project, version=max(fitting))
