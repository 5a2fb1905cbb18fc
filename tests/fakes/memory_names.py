"""Names of projects by their beginning, in memory: the twin of the PostgreSQL one."""

from tests.fakes.records import MemoryState


class MemoryNames:
    """The NameStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def names(self, prefix: str, *, limit: int) -> tuple[str, ...]:
        """Name projects of which there is a wheel or a build."""
        built = {record.build.order.project for record in self._state.records.values()}
        known = built | {entry.wheel.project for entry in self._state.wheels.values()}
        return tuple(sorted(name for name in known if name.startswith(prefix))[:limit])
