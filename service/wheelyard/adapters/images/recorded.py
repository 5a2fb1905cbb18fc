"""The builder image of a former build, or today's and what differs in it."""

from collections.abc import Collection, Sequence
from pathlib import Path

from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.provenance.recorded import RecordedImage
from wheelyard.errors import OperatorError
from wheelyard.interfaces import Images, LogSink


class RecordedImages:
    """Give a build the builder image that a former one had, if this engine still has it."""

    def __init__(self, images: Images, recorded: RecordedImage) -> None:
        self._images = images
        self._recorded = recorded
        self.changes: tuple[str, ...] = ()
        """What the builder image in use has instead of what was recorded, once there is one."""

    async def builder(  # noqa: PLR0913  (each is one property of the image)
        self,
        *,
        suite: str,
        python: str,
        architecture: str,
        apt: Sequence[str],
        toolchains: Sequence[str] = (),
        log: LogSink,
    ) -> str:
        """Return the id of the recorded builder image, or of today's one with the same packages asked for."""
        try:
            await self._images.content(self._recorded.id)
        except OperatorError:
            await log.note("its builder image is no longer on this engine, so that of today is used")
        else:
            return self._recorded.id
        builder = await self._images.builder(
            suite=suite, python=python, architecture=architecture, apt=apt, toolchains=toolchains, log=log
        )
        self.changes = self._recorded.changes(await self._images.content(builder))
        for change in self.changes:
            await log.note(f"builder image: {change}")
        return builder

    async def runtime(
        self, *, suite: str, python: str, architecture: str, apt: Sequence[str] = (), log: LogSink
    ) -> str:
        """Return the id of the bare runtime image of today: nothing of it gets into a wheel."""
        return await self._images.runtime(suite=suite, python=python, architecture=architecture, apt=apt, log=log)

    async def installer(self, *, suite: str, architecture: str, log: LogSink) -> Path:
        """Return the uv program for containers of a suite on an architecture."""
        return await self._images.installer(suite=suite, architecture=architecture, log=log)

    def package_manager(self, suite: str) -> str:
        """Return the package manager of a suite's builders."""
        return self._images.package_manager(suite)

    async def content(self, image: str) -> ImageContent:
        """Return what is in an image."""
        return await self._images.content(image)

    async def note_use(self, images: Collection[str]) -> None:
        """Record that a build uses images."""
        await self._images.note_use(images)
