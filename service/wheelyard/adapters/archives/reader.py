"""Read a suite's package archive, in a container of one of its images."""

import asyncio
from typing import Final

from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.names import find_image
from wheelyard.domain.catalogue.archive_index import ArchiveEmptyError, pack_archive
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.errors import ArchiveUnreadableError, MirrorUnreachableError, NotFoundError

READ_SECONDS: Final = 600.0
"""How long an archive may take; Debian's takes 20 seconds."""


async def read_archive(builder: ImageBuilder, suite: str, architecture: str) -> bytes:
    """Return the index of a suite's archive for an architecture, compressed.

    Its own package manager checks signatures and hashes.

    Raises:
        MirrorUnreachableError: The archive does not answer, or takes too long.
        SuiteUnavailableError: The archive no longer has the suite.
        ArchiveUnreadableError: It has no lists of its packages' files.
    """
    images = builder.on(architecture)
    image = await _find_image(images, suite)
    try:
        async with asyncio.timeout(READ_SECONDS):
            listed = await images.run.ask_archive(image, image.manager.read_archive)
    except TimeoutError as error:
        reason = f"its lists took more than {READ_SECONDS / 60:g} minutes"
        raise MirrorUnreachableError(suite=suite, excerpt=reason) from error
    try:
        return await asyncio.to_thread(pack_archive, listed.stdout)
    except ArchiveEmptyError as error:
        raise ArchiveUnreadableError(suite=suite, reason=f"it lists {error}") from error
    except ValueError as error:
        raise ArchiveUnreadableError(suite=suite, reason=f"what {image.manager.name} lists cannot be read") from error


async def _find_image(images: ImageBuilder, suite: str) -> ImageRecord:
    """Return an image of the suite: one that is here, else its base, or an external builder."""
    engine = images.run.engine
    for name in await images.names(suite):
        found = await find_image(engine, name.current_tag, name.definition)
        if found is not None:
            return found
    made = await (images.ensure_base(suite) if await images.base_names(suite) else images.ensure_builder(suite))
    record = await find_image(engine, made)
    if record is None:
        raise NotFoundError(kind="image", name=made)
    return record
