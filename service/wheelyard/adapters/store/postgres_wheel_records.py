"""Wheels that were published without a build, put on record in PostgreSQL. Must not publish them."""

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.wheel_rows import record
from wheelyard.domain.index.wheels import IndexEntry


class PostgresWheelRecords:
    """The WheelRecords on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, entry: IndexEntry) -> None:
        """Record a wheel in a transaction of its own."""
        async with self._database.transaction() as connection:
            await record(connection, entry)
