"""Wheels of the index as database rows hold them, and what every change of them does. Must not decide what changes."""

import uuid
from typing import Any, Final

from psycopg.types.json import Jsonb

from wheelyard.adapters.store.database import Connection, Database
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import IndexedWheel, IndexEntry, WheelOrigin
from wheelyard.domain.packaging.wheel_contents import WheelContents
from wheelyard.errors import IndexConflictError, NotFoundError

Row = dict[str, Any]

COLUMNS: Final = """
filename, project, version, origin, build_id, python, platform, tag, sha256, size_bytes, requires_python,
metadata_sha256, level, url, uploaded_at, yanked_at, yanked_reason, deleted_at, file_count
"""
"""Everything but METADATA itself and the list of files, which lists do not need."""
# The same bytes under the same name come back after a deletion; other bytes never do. What was built here stays ours,
# though upstream has the same bytes.
_RECORD: Final = b"""
insert into wheels (filename, project, version, origin, build_id, python, platform, tag, sha256, size_bytes,
                    requires_python, metadata, level, url, contents, file_count)
values (%(filename)s, %(project)s, %(version)s, %(origin)s, %(build_id)s, %(python)s, %(platform)s, %(tag)s, %(sha256)s,
        %(size_bytes)s, %(requires_python)s, %(metadata)s, %(level)s, %(url)s, %(contents)s, %(file_count)s)
on conflict (filename) do update set requires_python = excluded.requires_python,
    origin = case when wheels.origin = 'mirrored' then excluded.origin else wheels.origin end,
    build_id = case when wheels.origin = 'mirrored' then excluded.build_id
                    else coalesce(excluded.build_id, wheels.build_id) end,
    metadata = excluded.metadata, url = excluded.url, deleted_at = null,
    contents = coalesce(excluded.contents, wheels.contents),
    file_count = coalesce(excluded.file_count, wheels.file_count),
    level = case when wheels.deleted_at is null and wheels.level = 'prod' then 'prod' else excluded.level end
where wheels.sha256 = excluded.sha256 returning filename
"""
_HELD: Final = b"select sha256 from wheels where filename = %(filename)s"
_TOUCH: Final = b"""
with next as (update index_serial set value = value + 1 returning value)
insert into index_projects (name, serial) select %(project)s, value from next
on conflict (name) do update set serial = excluded.serial
"""
_FIND: Final = f"select {COLUMNS} from wheels where filename = %(filename)s"  # noqa: S608  (a constant)


async def record(connection: Connection, entry: IndexEntry) -> None:
    """Record what was published, in the transaction of its build; raises IndexConflictError for other bytes."""
    row = {
        **{name: getattr(entry.wheel, name) for name in ("filename", "project", "version", "python", "platform")},
        **{name: getattr(entry.wheel, name) for name in ("tag", "sha256", "size_bytes", "requires_python", "url")},
        "build_id": None if entry.wheel.build_id is None else uuid.UUID(entry.wheel.build_id),
        "origin": entry.wheel.origin.value,
        "level": entry.wheel.level.value,
        "metadata": entry.metadata,
        "contents": contents_json(entry.contents),
        "file_count": entry.wheel.file_count,
    }
    if await (await connection.execute(_RECORD, row)).fetchone() is None:
        held = await (await connection.execute(_HELD, row)).fetchone()
        digest = held["sha256"] if held else ""
        raise IndexConflictError(filename=entry.wheel.filename, held=digest, ours=entry.wheel.sha256)
    await touch(connection, entry.wheel.project)


def contents_json(contents: WheelContents | None) -> Jsonb | None:
    """Write what a wheel contains for the database: pairs, because there are many."""
    if contents is None:
        return None
    files = [[member.path, member.size_bytes] for member in contents.members]
    return Jsonb({"files": files, "total": contents.total, "size_bytes": contents.size_bytes})


async def touch(connection: Connection, project: str) -> None:
    """Give the project's page the next serial; from here on until it commits, no other change goes on."""
    await connection.execute(_TOUCH, {"project": project})


async def find(database: Database, filename: str) -> IndexedWheel:
    """Read one wheel; raises NotFoundError."""
    rows = await database.ask(_FIND, {"filename": filename})
    if not rows:
        raise NotFoundError(kind="wheel", name=filename)
    return wheel_of(rows[0])


def wheel_of(row: Row) -> IndexedWheel:
    """Read a wheel off its row."""
    facts = {name: row[name] for name in COLUMNS.replace(",", " ").split()}
    build_id = None if row["build_id"] is None else str(row["build_id"])
    typed = {"build_id": build_id, "level": Level(row["level"]), "origin": WheelOrigin(row["origin"])}
    return IndexedWheel(**{**facts, **typed})
