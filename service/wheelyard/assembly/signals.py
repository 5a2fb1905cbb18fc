"""SIGINT and SIGTERM as a wish to stop: a start is broken off, what runs is ended in order. Must not end anything."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(kw_only=True, slots=True)
class Stop:
    """Whether somebody has asked this process to stop."""

    asked: asyncio.Event
    main: "asyncio.Task[object] | None"
    say: Callable[[str], None]
    in_order: bool = False
    """True once something waits for the wish: then nothing needs to be cancelled to heed it."""

    async def wait(self) -> None:
        """Wait for the wish."""
        self.in_order = True
        await self.asked.wait()

    def ask(self) -> None:
        """Wish; whoever wishes again is in a hurry."""
        self.say("stopping")
        if self.main is not None and (self.asked.is_set() or not self.in_order):
            self.main.cancel()
        self.asked.set()


@contextlib.asynccontextmanager
async def stop_on_signals(say: Callable[[str], None]) -> AsyncIterator[Stop]:
    """Heed the signals for as long as the block runs; one that a signal has cancelled ends without an error."""
    stop = Stop(asked=asyncio.Event(), main=asyncio.current_task(), say=say)
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.ask)
    try:
        yield stop
    except asyncio.CancelledError:
        if not stop.asked.is_set():
            raise
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
