"""Change published wheels: yank, un-yank, promote, delete."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.errors import HashMismatchError, InvalidRequestError, NotFoundError
from wheelyard.interfaces import WheelIndex, WheelStorage, WheelStore


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
            published = await self._indexes[Level.PROD].publish(path, sha256=wheel.sha256)
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
