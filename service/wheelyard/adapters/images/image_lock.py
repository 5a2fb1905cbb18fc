"""One lock for each image, so that a host makes it once however many workers want it. Must not know what is made."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.servers.processes import FileLock
from wheelyard.errors import AlreadyRunningError

_POLL_SECONDS: Final = 0.25


@asynccontextmanager
async def locked_image(lock_dir: Path, image: str, on_progress: LineCallback) -> AsyncIterator[None]:
    """Hold an image's lock; wait while another worker holds it.

    It polls: a thread that blocks in flock could not be cancelled.
    """
    await asyncio.to_thread(lock_dir.mkdir, parents=True, exist_ok=True)
    lock = FileLock(lock_dir / (image.replace("/", "_").replace(":", "_") + ".lock"))
    await _acquire(lock, image, on_progress)
    try:
        yield
    finally:
        lock.release()


async def _acquire(lock: FileLock, image: str, on_progress: LineCallback) -> None:
    waiting = False
    while True:
        try:
            return lock.acquire()
        except AlreadyRunningError:
            if not waiting:
                on_progress(f"{image}: another worker is making it, waiting")
            waiting = True
            await asyncio.sleep(_POLL_SECONDS)
