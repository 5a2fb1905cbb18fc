"""Toolchains and environments in upkeep: which of them are made from a suite's images, and how each is made anew.

Must not decide which one is: ``image_upkeep`` does.
"""

from collections.abc import Iterable
from typing import Final

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.names import ImageRecord, list_images

EXTENSIONS: Final = frozenset({"environment", "toolchain"})


async def find_extensions(engine: EngineCommand, bases: Iterable[str]) -> tuple[ImageRecord, ...]:
    """List the toolchains and environments that are made from images, directly or not; none before what is below it."""
    present = [image for image in await list_images(engine) if image.role in EXTENSIONS and image.family]
    found: list[ImageRecord] = []
    level = set(bases)
    while layer := [image for image in present if built_on(image) in level]:
        found += layer
        level = {image.id for image in layer}
    return tuple(found)


def built_on(image: ImageRecord) -> str:
    """Give the id of the image that an extension is made from."""
    return image.labels.get("builder", "")


async def remake(images: ImageBuilder, image: ImageRecord, *, below: str, on_progress: LineCallback) -> str:
    """Make an extension anew on an image, and return the new one's id; raises what making images raises."""
    labels = image.labels
    if image.role == "toolchain":
        newest = labels["toolchains"].rpartition(",")[2]
        return await images.ensure_toolchains(below, labels["suite"], [newest], on_progress)
    return await images.ensure_environment(below, labels["apt"].split(","), on_progress)
