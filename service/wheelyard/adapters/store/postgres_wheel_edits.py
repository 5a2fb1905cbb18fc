"""What people change about wheels on our index, in PostgreSQL. Must not touch devpi."""

from collections.abc import Callable
from typing import Final

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.postgres_audit import record_change
from wheelyard.adapters.store.wheel_rows import Row, find, touch
from wheelyard.domain.access import Action, Change
from wheelyard.domain.builds.audit_entries import mending_of, wheel_change
from wheelyard.domain.index.check import Difference
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import IndexedWheel, requires_python_of
from wheelyard.errors import NotFoundError

_YANK: Final = b"""
update wheels set yanked_at = coalesce(yanked_at, now()), yanked_reason = %(reason)s
where filename = %(filename)s and deleted_at is null returning project
"""
_UNYANK: Final = b"""
update wheels set yanked_at = null, yanked_reason = null
where filename = %(filename)s and deleted_at is null returning project
"""
_PROMOTE: Final = b"""
update wheels set level = %(level)s, url = %(url)s where filename = %(filename)s and deleted_at is null
returning project
"""
_METADATA: Final = b"""
update wheels set metadata = %(metadata)s, requires_python = %(requires_python)s where filename = %(filename)s
returning project
"""
_DELETE: Final = b"""
update wheels set deleted_at = coalesce(deleted_at, now()) where filename = %(filename)s returning project
"""
# Whoever asks for the build later must not be sent to a wheel that is gone.
_FORGET: Final = b"""
update builds set wheel = wheel || '{"url": null, "index_url": null}'::jsonb where wheel->>'filename' = %(filename)s
"""
# A build's answer names the level too; a devpi address that points to staging stays good.
_PROMOTE_BUILD: Final = b"""
update builds set wheel = wheel || '{"level": "prod"}'::jsonb where wheel->>'filename' = %(filename)s
"""


class PostgresWheelEdits:
    """The WheelEdits on PostgreSQL."""

    def __init__(self, database: Database, *, on_change: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._on_change = on_change

    async def yank(self, filename: str, *, reason: str, by: str) -> IndexedWheel:
        """Mark a wheel as yanked."""
        change = wheel_change(filename, Action.WHEEL_YANKED, by=by, reason=reason)
        return await self._change(_YANK, {"filename": filename, "reason": reason}, change)

    async def unyank(self, filename: str, *, by: str) -> IndexedWheel:
        """Take the mark away."""
        return await self._change(_UNYANK, {"filename": filename}, wheel_change(filename, Action.WHEEL_UNYANKED, by=by))

    async def promote(self, filename: str, *, url: str, by: str) -> IndexedWheel:
        """Record that prod holds the wheel."""
        change = wheel_change(filename, Action.WHEEL_PROMOTED, by=by)
        values = {"filename": filename, "level": Level.PROD.value, "url": url}
        return await self._change(_PROMOTE, values, change, _PROMOTE_BUILD)

    async def keep_metadata(self, filename: str, metadata: bytes, *, by: str) -> IndexedWheel:
        """Keep a METADATA that was not kept before."""
        requires_python = requires_python_of(metadata)
        values = {"filename": filename, "metadata": metadata, "requires_python": requires_python}
        return await self._change(_METADATA, values, mending_of(filename, Difference.NO_METADATA, by))

    async def delete(self, filename: str, *, by: str) -> IndexedWheel:
        """Take a wheel off the lists for good; its name stays taken."""
        change = wheel_change(filename, Action.WHEEL_DELETED, by=by)
        return await self._change(_DELETE, {"filename": filename}, change, _FORGET)

    async def _change(self, statement: bytes, values: Row, change: Change, *first: bytes) -> IndexedWheel:
        async with self._database.transaction() as connection:
            # Builds before wheels, in the order in which a build that ends locks them.
            for preceding in first:
                await connection.execute(preceding, values)
            row = await (await connection.execute(statement, values)).fetchone()
            if row is None:
                raise NotFoundError(kind="wheel", name=str(values["filename"]))
            # Before the index is touched, which lets nobody else change it until the end.
            await record_change(connection, change)
            await touch(connection, row["project"])
        self._on_change()
        return await find(self._database, str(values["filename"]))
