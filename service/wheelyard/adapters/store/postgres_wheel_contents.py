"""What wheels contain, in PostgreSQL. Must not open wheels."""

from typing import Final

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.wheel_rows import contents_json
from wheelyard.domain.packaging.wheel_contents import Member, WheelContents
from wheelyard.errors import NotFoundError

_READ: Final = "select contents from wheels where filename = %(filename)s"
_KEEP: Final = b"""
update wheels set contents = %(contents)s, file_count = %(total)s where filename = %(filename)s returning filename
"""


class PostgresWheelContents:
    """The ContentsStore on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def contents_of(self, filename: str) -> WheelContents:
        """Read what a wheel contains."""
        row = await self._database.fetch_one(_READ, {"filename": filename})
        if row is None or row["contents"] is None:
            raise NotFoundError(kind="contents", name=filename)
        found = row["contents"]
        members = tuple(Member(path=path, size_bytes=size) for path, size in found["files"])
        return WheelContents(members=members, total=found["total"], size_bytes=found["size_bytes"])

    async def keep_contents(self, filename: str, contents: WheelContents) -> None:
        """Take note of what a wheel contains."""
        values = {"filename": filename, "contents": contents_json(contents), "total": contents.total}
        async with self._database.transaction() as connection:
            if await (await connection.execute(_KEEP, values)).fetchone() is None:
                raise NotFoundError(kind="wheel", name=filename)
