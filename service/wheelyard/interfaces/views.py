"""What pages and metrics count and list. Must not import what implements it."""

from collections.abc import Sequence
from typing import Protocol

from wheelyard.domain.builds.estimate import Line
from wheelyard.domain.builds.metrics import Figures, Tally
from wheelyard.domain.builds.statistics import Statistics


class FigureStore(Protocol):
    """Figures of everything that the processes of this Wheelyard have in common, for monitoring."""

    async def read(self) -> Figures:
        """Read all of them, as of one moment; totals never go down."""
        ...

    async def add(self, tallies: Sequence[Tally]) -> None:
        """Add to the totals what this process alone has counted."""
        ...

    async def fold(self) -> None:
        """Bring the totals into short form; they stay what they are. Any number of workers may call it at any time."""
        ...


class LineStore(Protocol):
    """Who waits."""

    async def read(self, *, limit: int) -> Line:
        """Read what runs, and the first builds that wait, in the order in which they are taken."""
        ...


class NameStore(Protocol):
    """Names that somebody may be about to type."""

    async def names(self, prefix: str, *, limit: int) -> tuple[str, ...]:
        """Name, sorted, projects of which there is a wheel or a build and whose normalised name begins so."""
        ...


class StatisticsStore(Protocol):
    """Figures of what was built."""

    async def summarise(self, *, days: int) -> Statistics:
        """Count what ended in the last days, by the store's clock."""
        ...
