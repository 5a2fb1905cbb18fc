"""Remove images that nothing needs: superseded, outdated and unfinished ones, and extensions beyond a budget.

Only images of ours are removed: named ones by the name of their content, others by the record of the refresh that
superseded them. The engine itself refuses to remove what a container or another image uses.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.disk import disk_errors
from wheelyard.adapters.images.names import find_image, list_images, list_stages
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.catalogue.upkeep import (
    HostImages,
    PruneRules,
    UsedImage,
    choose_unused,
    find_removable,
)
from wheelyard.errors import EngineCommandError


class ImageUses:
    """Records of times, one for each image, in one directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, image_id: str, *, now: datetime) -> bool:
        """Record a time; return True if it is the first. Blocks."""
        file = self._file(image_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        is_first = not file.exists()
        file.touch()
        os.utime(file, (now.timestamp(), now.timestamp()))
        return is_first

    def last(self, image_id: str) -> datetime | None:
        """Return the last time; None if there is no record. Blocks."""
        try:
            return datetime.fromtimestamp(self._file(image_id).stat().st_mtime, tz=UTC)
        except FileNotFoundError:
            return None

    def read(self) -> tuple[tuple[str, datetime], ...]:
        """Return every image with its time, in order. Blocks."""
        return tuple(sorted(self._read()))

    def _read(self) -> Iterator[tuple[str, datetime]]:
        for file in self._folder.glob("*"):
            image_id = f"sha256:{file.name}"
            if (moment := self.last(image_id)) is not None:
                yield image_id, moment

    def forget(self, image_id: str) -> None:
        """Delete the record of an image that is gone. Blocks."""
        self._file(image_id).unlink(missing_ok=True)

    def _file(self, image_id: str) -> Path:
        return self._folder / image_id.rpartition(":")[2]


Clock = Callable[[], datetime]
CurrentDefinitions = Callable[[], Awaitable[Mapping[str, str]]]
"""Returns the current definition of each image of the catalogue, by the image's family."""


def utc_now() -> datetime:
    """Return the current time."""
    return datetime.now(tz=UTC)


class ImagePruning:
    """Records when the images of one host were last used, and removes them when their time is over."""

    def __init__(
        self,
        *,
        engine: EngineCommand,
        folder: Path,
        rules: PruneRules,
        current: CurrentDefinitions,
        clock: Clock = utc_now,
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._uses = ImageUses(folder / "uses")
        self._superseded = ImageUses(folder / "superseded")
        self._rules = rules
        self._current = current
        self._clock = clock

    async def note_use(self, image_id: str) -> None:
        """Record that a build uses an image. The first use of a new one may push others out of the budget."""
        with disk_errors(self._folder):
            is_first = await asyncio.to_thread(self._uses.note, image_id, now=self._clock())
        if is_first:
            await self.prune()

    async def last_uses(self, images: Iterable[ImageRecord]) -> dict[str, datetime]:
        """Return when builds last used images, by id; unused ones are left out."""
        found = [(image.id, await asyncio.to_thread(self._uses.last, image.id)) for image in images]
        return {image_id: last for image_id, last in found if last is not None}

    async def note_superseded(self, image_id: str) -> None:
        """Record that another image is about to take this one's name."""
        with disk_errors(self._folder):
            await asyncio.to_thread(self._superseded.note, image_id, now=self._clock())

    async def prune(self) -> tuple[UsedImage, ...]:
        """Remove and return what is not needed; raise EngineUnavailableError."""
        now = self._clock()
        removable = find_removable(await self._look(), now=now)
        chosen = choose_unused([*removable], rules=self._rules, now=now)
        return tuple([image async for image in self._remove_all(chosen)])

    async def _look(self) -> HostImages:
        named = await list_images(self._engine)
        superseded = [one async for one in self._find_superseded()]
        below = {image.id: image for image in named}
        for missing in {image.built_on for image in named if image.is_extension} - below.keys():
            if found := await find_image(self._engine, missing):
                below[missing] = found
        return HostImages(
            named=named,
            stages=await list_stages(self._engine),
            superseded=superseded,
            below=below,
            last_uses=await self.last_uses([*named, *(image for image, _ in superseded)]),
            current=await self._current(),
        )

    async def _remove_all(self, images: Sequence[UsedImage]) -> AsyncIterator[UsedImage]:
        """Remove images, dependents first. What a remaining image is made from remains, too."""
        kept: set[str] = set()
        for image in images:
            if image.id not in kept and await self._remove(image):
                yield image
            else:
                kept |= {image.id, image.built_on}

    async def _find_superseded(self) -> AsyncIterator[tuple[ImageRecord, datetime]]:
        """Yield the superseded images that are still there."""
        for image_id, since in await asyncio.to_thread(self._superseded.read):
            if image := await find_image(self._engine, image_id):
                yield image, since
            else:
                await asyncio.to_thread(self._superseded.forget, image_id)

    async def _remove(self, image: UsedImage) -> bool:
        try:
            await self._engine.run(["image", "rm", image.id])
        except EngineCommandError:
            return False
        await asyncio.to_thread(self._uses.forget, image.id)
        await asyncio.to_thread(self._superseded.forget, image.id)
        return True
