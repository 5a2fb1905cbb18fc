"""Build a wheel again from what its provenance records, without publishing it."""

from collections.abc import Callable

from wheelyard.domain.builds.build import Build
from wheelyard.domain.provenance.recorded import RecordedBuild
from wheelyard.usecases.request_build import BuildRequest
from wheelyard.usecases.try_recipe import LocalBuilds


class RebuildWheel(LocalBuilds):
    """The use case behind ``wheelyard rebuild``. The tools must give what was recorded, not what holds today."""

    async def __call__(self, recorded: RecordedBuild, *, show: Callable[[bytes], None]) -> Build:
        """Build and repair the same release as was recorded, and show the log as it comes.

        Raises NotRebuildableError, and what PlanBuild raises.
        """
        request = BuildRequest(
            requirement=f"{recorded.project}=={recorded.version}",
            python=recorded.target.python,
            platform=recorded.target.platform,
            requested_by="rebuild",
        )
        return await self.run(recorded.pin(await self.plan.decide(request)), show)
