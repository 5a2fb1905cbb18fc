"""Change published files: yank, un-yank, promote, delete; and publish the sdists beside their wheels."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from wheelyard.domain.index.index import Level, PublishedFile
from wheelyard.domain.index.sdists import DueSdist, is_reliable
from wheelyard.domain.index.wheels import IndexedWheel, IndexEntry
from wheelyard.errors import (
    DatabaseUnavailableError,
    HashMismatchError,
    InvalidRequestError,
    NotFoundError,
    WheelyardError,
)
from wheelyard.interfaces import SdistStore, SourceIndex, WheelIndex, WheelStorage, WheelStore
from wheelyard.logs import get_logger

_log = get_logger(__name__)


class ManageWheels:
    """The use cases behind ``POST /v1/wheels/{filename}/…`` and ``DELETE /v1/wheels/{filename}``.

    ``by`` is the name in the audit log.
    """

    def __init__(self, *, store: WheelStore, storage: WheelStorage, indexes: Mapping[Level, WheelIndex]) -> None:
        self._store = store
        self._storage = storage
        self._indexes = indexes

    async def yank(self, filename: str, *, reason: str, by: str) -> IndexedWheel:
        """Hide the wheel from installers, unless its exact version is requested (PEP 592)."""
        return await self._store.yank(filename, reason=reason, by=by)

    async def unyank(self, filename: str, *, by: str) -> IndexedWheel:
        """List the wheel for installers again."""
        return await self._store.unyank(filename, by=by)

    async def delete(self, filename: str, *, confirm: str, by: str) -> IndexedWheel:
        """Delete the wheel: first from our lists, then from devpi, so that no list names a missing file.

        Raises InvalidRequestError unless ``confirm`` is the file name again.
        """
        if confirm != filename:
            problem = f"confirm: must be the file name {filename!r} again, because a deletion cannot be taken back"
            raise InvalidRequestError(problems=[problem])
        wheel = await self._store.delete(filename, by=by)
        await self._storage.remove(wheel.project, filename)
        return wheel

    async def promote(self, filename: str, *, by: str) -> IndexedWheel:
        """Publish a staged wheel's verified bytes on prod; a wheel that is there already stays as it is."""
        wheel = await self._store.find(filename)
        if wheel.deleted_at is not None:
            raise NotFoundError(kind="wheel", name=filename)
        if wheel.level is Level.PROD:
            return wheel
        with TemporaryDirectory(prefix="wheelyard-promote-") as folder:
            path = await fetch_wheel(self._storage, wheel, Path(folder))
            published = await publish_file(self._indexes[Level.PROD], self._store, wheel, path)
        return await self._store.promote(filename, url=published.url, by=by)


async def fetch_wheel(storage: WheelStorage, wheel: IndexedWheel, folder: Path) -> Path:
    """Copy a wheel into a folder; raise HashMismatchError if devpi returns other bytes than were verified."""
    path, digest = folder / wheel.filename, hashlib.sha256()
    async with storage.open(wheel.url) as chunks:
        with path.open("wb") as file:
            async for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
    if digest.hexdigest() != wheel.sha256:
        raise HashMismatchError(what=wheel.filename, expected=wheel.sha256, found=digest.hexdigest())
    return path


async def publish_file(index: WheelIndex, wheels: WheelStore, file: IndexedWheel, path: Path) -> PublishedFile:
    """Publish a wheel or an sdist that is recorded; raise as WheelIndex does."""
    if file.is_wheel:
        return await index.publish(path, sha256=file.sha256)
    metadata = await _metadata_beside(wheels, file)
    return await index.publish_sdist(path, sha256=file.sha256, metadata=metadata)


async def _metadata_beside(wheels: WheelStore, sdist: IndexedWheel) -> bytes:
    """Return the METADATA of the newest wheel of our own of an sdist's release; without one, the release's name."""
    for wheel in reversed(await wheels.wheels_of(sdist.project)):
        is_beside = wheel.is_wheel and wheel.is_own and wheel.version == sdist.version
        if is_beside and wheel.deleted_at is None and wheel.metadata_sha256 is not None:
            return await wheels.metadata_of(wheel.filename)
    return f"Metadata-Version: 2.1\nName: {sdist.project}\nVersion: {sdist.version}\n".encode()


class PublishSdists:
    """Publishes each brought sdist once our index lists a wheel that was made from it.

    Any process may do this at any time, and be killed: an sdist that is on devpi is only verified, and listed then.
    """

    def __init__(
        self,
        *,
        sdists: SdistStore,
        wheels: WheelStore,
        source: SourceIndex,
        indexes: Mapping[Level, WheelIndex],
        now: Callable[[], datetime],
    ) -> None:
        """Set where brought sdists are recorded and fetched, and the indexes; each retains the names that it had."""
        self._sdists = sdists
        self._wheels = wheels
        self._source = source
        self._indexes = indexes
        self._now = now

    async def once(self) -> bool:
        """Publish what is due, and return whether that was anything; what fails is tried again the next time.

        Raises DatabaseUnavailableError.
        """
        done = [await self._try(due) for due in await self._sdists.due()]
        return any(done)

    async def _try(self, due: DueSdist) -> bool:
        try:
            await self._publish(due)
        except DatabaseUnavailableError:
            raise
        except WheelyardError as error:
            _log.warning("sdist-not-published", filename=due.sdist.filename, reason=error.summary)
            return False
        _log.info("sdist-published", filename=due.sdist.filename, published_on=due.level.value)
        return True

    async def _publish(self, due: DueSdist) -> None:
        sdist = due.sdist
        path = await self._source.fetch(sdist.as_file())
        # In a thread, because a description may have megabytes.
        metadata = sdist.metadata if await asyncio.to_thread(is_reliable, sdist.metadata) else None
        digest = None if metadata is None else hashlib.sha256(metadata).hexdigest()
        file = sdist.on_index(level=due.level, url="", metadata_sha256=digest, now=self._now())
        published = await publish_file(self._indexes[due.level], self._wheels, file, path)
        await self._wheels.record(IndexEntry(wheel=replace(file, url=published.url), metadata=metadata))
