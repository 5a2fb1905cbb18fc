"""Keep a server of our own running: start it again when it has ended by itself."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from wheelyard.errors import OperatorError
from wheelyard.logs import get_logger

_LOOK_SECONDS: Final = 0.2
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 60.0
"""A server that has run for so many seconds has started successfully."""
_log = get_logger(__name__)


class KeptServer(Protocol):
    """A child that serves, and that can be started again at the same address."""

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        ...

    async def restart(self) -> None:
        """Start it again at the same address after it has ended; raise an OperatorError if it does not start."""
        ...


@contextlib.asynccontextmanager
async def keeping(name: str, server: KeptServer) -> AsyncIterator[None]:
    """Keep a server running as long as the block does. The block's own errors are raised unchanged."""
    keeper = asyncio.create_task(keep_running(name, server), name=f"keeper-of-{name}")
    try:
        yield
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def keep_running(
    name: str, server: KeptServer, *, look_seconds: float = _LOOK_SECONDS, elapsed: Callable[[], float] = time.monotonic
) -> None:
    """Start a server again whenever it has ended, until cancelled. The pauses grow while it does not stay up."""
    pause = 0.0
    while True:
        begun = elapsed()
        while server.pid is not None:  # noqa: ASYNC110  (a process that ends sets no event)
            await asyncio.sleep(look_seconds)
        if elapsed() - begun >= _STEADY_SECONDS:
            pause = 0.0
        _log.error("server-ended", server=name, pause_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(max(pause * 2, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        try:
            await server.restart()
        except OperatorError as error:
            _log.error("server-not-started", server=name, reason=error.summary)
        except Exception:  # noqa: BLE001  such as a full disk: the next time will do
            _log.exception("server-not-started", server=name)
        else:
            _log.info("server-started-again", server=name, pid=server.pid)
