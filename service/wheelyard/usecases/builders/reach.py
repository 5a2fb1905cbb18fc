"""Know which Pythons the workers can have, by what they report."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from wheelyard.domain.catalogue.reach import Reach
from wheelyard.domain.catalogue.status import EngineImages
from wheelyard.errors import OperatorError

LOOK_SECONDS: Final = 5.0
"""How often the reports are read."""
FIRST_REPORT_SECONDS: Final = 30.0
"""How long a worker may take to report first which Pythons it can have."""
_POLL_SECONDS: Final = 0.5


class FollowReach:
    """The newest reports of all engines, together.

    Where no engine reports any more, the last reports count.
    """

    def __init__(
        self,
        list_engines: Callable[[], Awaitable[Sequence[EngineImages]]],
        *,
        wait_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare it; nothing is known before the first look.

        Args:
            list_engines: Returns the engines that were reported lately.
            wait_seconds: How long after the start the first report of a new service is waited for.
            clock: Seconds.
        """
        self._list_engines = list_engines
        self._clock = clock
        self._until = clock() + wait_seconds
        self._newest: Reach | None = None

    def __call__(self) -> Reach:
        """Return what is known."""
        return self._newest or Reach()

    async def look(self) -> None:
        """Read the reports."""
        reports = [one.pythons for one in await self._list_engines() if one.pythons is not None]
        if reports:
            self._newest = Reach.of(reports)

    async def settle(self) -> None:
        """Wait for the first report, if the service has begun a moment ago and its worker has not looked yet.

        Who asks for all targets would otherwise get those too that turn out to be unreachable some seconds later.
        """
        while self._newest is None and self._clock() < self._until:
            try:
                await self.look()
            except OperatorError:
                return
            if self._newest is None:
                await asyncio.sleep(_POLL_SECONDS)
