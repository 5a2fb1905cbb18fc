"""Upkeep of a host's images: security updates come in, unused environments go out. Must not decide what an image is.

An image that is replaced stays in use until the new one is complete: the new ones are made under names of their own,
and only then take over the old ones' names, all of a suite in one go. Running builds know their image by its id.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wheelyard.adapters.engine_command import EngineCommand
from wheelyard.adapters.image_finish import read_packages
from wheelyard.adapters.image_options import ImageOptions
from wheelyard.adapters.image_records import ImageName, ImageRecord, find_image
from wheelyard.adapters.image_updates import find_updates
from wheelyard.adapters.image_uses import ImageUses
from wheelyard.adapters.images import ImageBuilder
from wheelyard.adapters.pending_updates import PendingFile
from wheelyard.adapters.process import LineCallback
from wheelyard.domain.packages import compare_packages
from wheelyard.domain.upkeep import ImageRefresh, UsedImage, choose_unused
from wheelyard.errors import OperatorError

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Tell the time."""
    return datetime.now(tz=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Present:
    """An image of a suite that this host has, and how it is made anew."""

    record: ImageRecord
    name: ImageName
    make: Callable[[LineCallback], Awaitable[str]]
    """Makes its successor, under the name that has the revision."""


class ImageUpkeep:
    """Refreshes and prunes the images of one host.

    Args:
        engine: the host's engine.
        images: makes images.
        options: how images are made here.
        folder: where this host's records are kept.
        budget_bytes: what environment images may take together.
        clock: tells the time.
    """

    def __init__(  # noqa: PLR0913  it is assembled in one place
        self,
        *,
        engine: EngineCommand,
        images: ImageBuilder,
        options: ImageOptions,
        folder: Path,
        budget_bytes: int,
        clock: Clock = utc_now,
    ) -> None:
        self._engine = engine
        self._images = images
        self._options = options
        self._uses = ImageUses(folder / "uses")
        self._pending = PendingFile(folder / "pending.json")
        self._budget_bytes = budget_bytes
        self._clock = clock

    async def note_use(self, image_id: str) -> None:
        """Record that a build uses an image; the first use of a new one may push others out of the budget."""
        if await asyncio.to_thread(self._uses.note, image_id, now=self._clock()):
            await self.prune()

    async def check(self, suite: str, on_progress: LineCallback) -> tuple[ImageRefresh, ...]:
        """Find the pending updates of each image of a suite."""
        return await self._check(await self._present(suite, ""), suite, on_progress)

    async def refresh(self, suite: str, on_progress: LineCallback) -> tuple[ImageRefresh, ...]:
        """Make a suite's images anew if any of them lacks updates, and say what changed.

        Raises:
            OperatorError: something failed; the old images are in use as before.
        """
        revision = self._clock().strftime("%Y%m%dT%H%M%S")
        present = await self._present(suite, revision)
        found = await self._check(present, suite, on_progress)
        if not any(one.pending for one in found):
            return found
        names = [(await self._images.revised(revision).plan(suite)).base().name, *(one.name for one in present)]
        try:
            made = [await one.make(on_progress) for one in present]
            reports = [
                await self._report(one, new, report) for one, new, report in zip(present, made, found, strict=True)
            ]
            for name in names:
                await self._engine.run(["tag", name.tag, name.current_tag])
        finally:
            for name in names:
                await self._engine.run(["image", "rm", name.tag], check=False)
        await asyncio.to_thread(self._pending.write, suite, (), now=self._clock())
        return tuple(reports)

    async def _check(self, present: list[_Present], suite: str, on_progress: LineCallback) -> tuple[ImageRefresh, ...]:
        reports = []
        for one in present:
            on_progress(f"{one.name.current_tag}: looking for updates")
            pending = await find_updates(self._engine, one.record, self._options)
            reports.append(ImageRefresh(image=one.name.current_tag, pending=pending))
        changes = tuple(sorted({change for report in reports for change in report.pending}))
        if present:
            await asyncio.to_thread(self._pending.write, suite, changes, now=self._clock())
        return tuple(reports)

    async def _report(self, old: _Present, new: str, found: ImageRefresh) -> ImageRefresh:
        before, after = await read_packages(self._engine, old.record.id), await read_packages(self._engine, new)
        changes = compare_packages(before, after)
        return ImageRefresh(image=found.image, pending=found.pending, changes=changes, refreshed=True)

    async def _present(self, suite: str, revision: str) -> list[_Present]:
        """Find the suite's images that this host has."""
        images = self._images.revised(revision)
        plan = await images.plan(suite)
        wanted: list[tuple[ImageName, Callable[[LineCallback], Awaitable[str]]]] = []
        for python in plan.entry.pythons:
            wanted.append((plan.builder_name(python), _builder_maker(images, suite, python)))
            wanted.append((plan.runtime_name(python), _runtime_maker(images, suite, python)))
        present = []
        for name, make in wanted:
            record = await find_image(self._engine, name.current_tag, name.definition)
            if record is not None:
                present.append(_Present(record=record, name=name, make=make))
        return present

    async def prune(self) -> tuple[UsedImage, ...]:
        """Remove the environments that were used longest ago until the rest fits the budget; one in use stays."""
        images = {image.id: image for image in await self._images.list_images()}
        used = [await self._used(image, images) for image in images.values() if image.role == "environment"]
        chosen = choose_unused(used, budget_bytes=self._budget_bytes, now=self._clock())
        return tuple([image for image in chosen if await self._remove(image)])

    async def _used(self, image: ImageRecord, images: dict[str, ImageRecord]) -> UsedImage:
        builder = images.get(image.labels.get("builder", ""))
        last_used = await asyncio.to_thread(self._uses.last, image.id)
        return UsedImage(
            id=image.id,
            name=image.tags[0],
            size_bytes=image.size_bytes - (builder.size_bytes if builder else 0),
            last_used=last_used or image.created_at,
        )

    async def _remove(self, image: UsedImage) -> bool:
        try:
            await self._engine.run(["image", "rm", image.id])
        except OperatorError:
            return False
        await asyncio.to_thread(self._uses.forget, image.id)
        return True


def _builder_maker(images: ImageBuilder, suite: str, python: str) -> Callable[[LineCallback], Awaitable[str]]:
    return lambda on_progress: images.ensure_builder(suite, on_progress, python=python)


def _runtime_maker(images: ImageBuilder, suite: str, python: str) -> Callable[[LineCallback], Awaitable[str]]:
    return lambda on_progress: images.ensure_runtime(suite, python, on_progress)
