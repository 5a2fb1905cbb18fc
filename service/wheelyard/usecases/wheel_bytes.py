"""The bytes of published wheels, and their METADATA (PEP 658). Must not know HTTP, nor where the bytes are kept."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.errors import NotFoundError
from wheelyard.interfaces import WheelShelf, WheelStore


class WheelBytes:
    """The use cases behind ``/files/``."""

    def __init__(self, *, store: WheelStore, shelf: WheelShelf) -> None:
        self._store = store
        self._shelf = shelf

    async def find(self, filename: str) -> IndexedWheel:
        """Find a wheel that may be fetched, yanked or not; raises NotFoundError."""
        wheel = await self._store.find(filename)
        if wheel.deleted_at is not None:
            raise NotFoundError(kind="wheel", name=filename)
        return wheel

    def open(self, wheel: IndexedWheel) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read a wheel's bytes."""
        return self._shelf.open(wheel.url)

    async def metadata_of(self, filename: str) -> bytes:
        """Read the METADATA of a wheel that may be fetched; raises NotFoundError."""
        return await self._store.metadata_of(filename)
