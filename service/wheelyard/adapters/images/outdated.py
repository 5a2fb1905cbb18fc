"""Images that nothing will ask for again: of an older definition, or left by what was killed. Must not remove any."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.names import ImageName, ImageRecord

CurrentDefinitions = Callable[[], Awaitable[Mapping[str, str]]]
"""Gives the definition that each image of the catalogue has now, by the image's family."""

_DEFINED: Final = frozenset({"base", "builder", "python", "pythons", "runtime"})


async def current_definitions(images: ImageBuilder, suites: Iterable[str]) -> dict[str, str]:
    """Read the definitions that the images of suites have now, by family."""
    names = [name for suite in suites for name in await images.names(suite)]
    return {_family(name): name.definition for name in names}


def find_outdated(images: Sequence[ImageRecord], current: Mapping[str, str]) -> Iterator[ImageRecord]:
    """Find the images of older definitions whose successors are there.

    Without a successor one may have to stand in for it (docs/decisions/0022-older-images-stand-in.md). An image that
    the catalogue does not know at all may be that of another service on this engine.
    """
    there = {image.definition for image in images if image.family}
    for image in images:
        wanted = current.get(image.family)
        if image.role in _DEFINED and wanted in there and image.definition != wanted:
            yield image


def find_unfinished(images: Iterable[ImageRecord]) -> Iterator[ImageRecord]:
    """Find what is under way to become an image: drafts, and those of a refresh; or was, when it was killed."""
    return (image for image in images if not image.family)


def _family(name: ImageName) -> str:
    return name.current_tag.rpartition(":")[0]
