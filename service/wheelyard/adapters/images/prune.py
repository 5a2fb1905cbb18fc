"""Images that nothing needs go: superseded, outdated and unfinished ones, environments and toolchains beyond a budget.

Only images of ours are looked at: named ones by the name that their content gives them, others by a record of the
refresh that superseded them. The engine itself refuses to remove what a container or another image uses.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.disk import disk_errors
from wheelyard.adapters.images.contents import HELD
from wheelyard.adapters.images.names import ImageRecord, find_image, list_images, list_stages
from wheelyard.adapters.images.outdated import CurrentDefinitions, find_outdated, find_unfinished
from wheelyard.domain.catalogue.upkeep import OUTDATED, PruneRules, UsedImage, choose_unused
from wheelyard.errors import EngineCommandError


class ImageUses:
    """The record of moments in one directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, image_id: str, *, now: datetime) -> bool:
        """Record a moment; True if it is the first. Blocks."""
        file = self._file(image_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        is_first = not file.exists()
        file.touch()
        os.utime(file, (now.timestamp(), now.timestamp()))
        return is_first

    def last(self, image_id: str) -> datetime | None:
        """Tell the last moment; None if nobody recorded one. Blocks."""
        try:
            return datetime.fromtimestamp(self._file(image_id).stat().st_mtime, tz=UTC)
        except FileNotFoundError:
            return None

    def read(self) -> tuple[tuple[str, datetime], ...]:
        """List every image with its moment, in order. Blocks."""
        return tuple(sorted(self._read()))

    def _read(self) -> Iterator[tuple[str, datetime]]:
        for file in self._folder.glob("*"):
            image_id = f"sha256:{file.name}"
            if (moment := self.last(image_id)) is not None:
                yield image_id, moment

    def forget(self, image_id: str) -> None:
        """Drop the record of an image that is gone. Blocks."""
        self._file(image_id).unlink(missing_ok=True)

    def _file(self, image_id: str) -> Path:
        return self._folder / image_id.rpartition(":")[2]


Clock = Callable[[], datetime]

_MADE_FROM_BUILDERS: Final = frozenset({"environment", "toolchain"})


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(tz=UTC)


class ImagePruning:
    """Knows when the images of one host were last of use, and removes them when their time is over."""

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
        """Record that a build uses an image; the first use of a new one may push others out of the budget."""
        with disk_errors(self._folder):
            is_first = await asyncio.to_thread(self._uses.note, image_id, now=self._clock())
        if is_first:
            await self.prune()

    async def last_used(self, image_id: str) -> datetime | None:
        """Tell when a build last used an image; None if nobody recorded it."""
        return await asyncio.to_thread(self._uses.last, image_id)

    async def note_superseded(self, image_id: str) -> None:
        """Record that another image is about to take this one's name."""
        with disk_errors(self._folder):
            await asyncio.to_thread(self._superseded.note, image_id, now=self._clock())

    async def prune(self) -> tuple[UsedImage, ...]:
        """Remove what nothing needs; raises EngineUnavailableError."""
        named = {image.id: image for image in await list_images(self._engine)}
        extended = [image for image in named.values() if image.role in _MADE_FROM_BUILDERS and image.family]
        used = [await self._describe_extended(image, named) for image in extended]
        superseded = [image async for image in self._find_superseded()]
        over = [image async for image in self._find_over(tuple(named.values()))]
        stages = [_describe_over(one, _name_stage(one), one.created_at) for one in await list_stages(self._engine)]
        chosen = choose_unused([*used, *superseded, *over, *stages], rules=self._rules, now=self._clock())
        return tuple([image async for image in self._remove_all(chosen)])

    async def _remove_all(self, images: Sequence[UsedImage]) -> AsyncIterator[UsedImage]:
        """Remove images that come before those that they are made from; what one that stays is made from stays too."""
        kept: set[str] = set()
        for image in images:
            if image.id not in kept and await self._remove(image):
                yield image
            else:
                kept |= {image.id, image.built_on}

    async def _describe_extended(self, image: ImageRecord, named: Mapping[str, ImageRecord]) -> UsedImage:
        built_on = image.labels.get("builder", "")
        below = named.get(built_on) or await find_image(self._engine, built_on)
        last_used = await asyncio.to_thread(self._uses.last, image.id)
        return UsedImage(
            id=image.id,
            name=image.name,
            size_bytes=image.size_bytes - (below.size_bytes if below else 0),
            last_used=last_used or image.created_at,
            built_on=built_on,
        )

    async def _find_over(self, images: Sequence[ImageRecord]) -> AsyncIterator[UsedImage]:
        """Find what nobody will ask for: images that are not finished, and those that were outdated for long."""
        for image in find_unfinished(images):
            yield _describe_over(image, image.name, image.created_at)
        for image in find_outdated(images, await self._current()):
            last_used = await self.last_used(image.id) or image.created_at
            if self._clock() - last_used >= OUTDATED:
                yield _describe_over(image, image.name, last_used)

    async def _find_superseded(self) -> AsyncIterator[UsedImage]:
        """Find the superseded images that are still there; one that has a name now is somebody's.

        A name that it had while another image was made from it does not count: who made that was killed.
        """
        for image_id, since in await asyncio.to_thread(self._superseded.read):
            image = await find_image(self._engine, image_id)
            if image is None:
                await asyncio.to_thread(self._superseded.forget, image_id)
            elif all(tag.endswith(HELD) for tag in image.tags):
                name = f"{image.role} of {image.labels.get('suite', 'no suite')}, superseded"
                yield _describe_over(image, name, max(since, await self.last_used(image_id) or since))

    async def _remove(self, image: UsedImage) -> bool:
        try:
            await self._engine.run(["image", "rm", image.id])
        except EngineCommandError:
            return False
        await asyncio.to_thread(self._uses.forget, image.id)
        await asyncio.to_thread(self._superseded.forget, image.id)
        return True


def _name_stage(image: ImageRecord) -> str:
    return f"stage of an image of {image.labels.get('suite', 'no suite')}"


def _describe_over(image: ImageRecord, name: str, last_used: datetime) -> UsedImage:
    return UsedImage(
        id=image.id,
        name=name,
        size_bytes=image.size_bytes,
        last_used=last_used,
        built_on=image.labels.get("builder", ""),
        superseded=True,
    )
