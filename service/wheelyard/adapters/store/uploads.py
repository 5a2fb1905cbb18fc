"""Files that others bring, in PostgreSQL: their rows, and their bytes as chunks until they are published."""

import uuid
from collections.abc import AsyncIterator
from typing import Final

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from wheelyard.adapters.store.access import LIVE, record_change
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Connection, Database, hold_caller
from wheelyard.adapters.store.rows import Row, built_wheel_of, failure_of, readable, reading
from wheelyard.domain.access import NO_LIMITS, OpenLimits
from wheelyard.domain.builds.audit_entries import upload_of
from wheelyard.domain.builds.build import BuildOrder, Status
from wheelyard.domain.builds.records import MAX_PAGE_SIZE
from wheelyard.domain.index.uploads import NewUpload, StoredUpload, Upload, UploadFilter, UploadPage
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.errors import NotFoundError, UnauthenticatedError, UploadConflictError

_BATCH: Final = 64
_DAY_SECONDS: Final = 86_400.0
_PUT_CHUNK: Final = """
insert into brought_chunks (file_id, number, data) values (%(id)s, %(number)s, %(data)s)
"""
_CHUNK: Final = "select data from brought_chunks where file_id = %(id)s and number = %(number)s"
_COLUMNS: Final = """
f.id, f.filename, f.project, f.version, f.sha256, f.size_bytes, f.uploaded_by, f.uploaded_at, f.attestations,
f.build_id, b.status, b.wheel, b.failure
"""
_FROM: Final = "from brought_files f left join builds b on b.id = f.build_id"
# The build is not locked: its end is seen or not, and an upload that comes again sees it then.
_HELD: Final = f"""
select {_COLUMNS} {_FROM} where f.filename = %(filename)s and f.superseded_at is null for update of f
"""
_SUPERSEDE: Final = b"update brought_files set superseded_at = now() where id = %(id)s"
_ON_INDEX: Final = b"select sha256, deleted_at from wheels where filename = %(filename)s"
_INSERT: Final = b"""
insert into brought_files (id, filename, project, version, sha256, size_bytes, uploaded_by, attestations, build_id)
values (%(id)s, %(filename)s, %(project)s, %(version)s, %(sha256)s, %(size_bytes)s, %(uploaded_by)s, %(attestations)s,
        %(build_id)s)
"""
_DISCARD: Final = b"""
delete from brought_chunks where file_id = %(id)s and not exists (select from brought_files where id = %(id)s)
"""
# A lock, so that the token is not revoked before the file is stored. It does not wait for notes of the token's use.
_VALID: Final = f"select id from tokens where id = %(token)s and {LIVE} for key share"  # noqa: S608  (constants)
_OPEN_BYTES: Final = b"""
select coalesce(sum(f.size_bytes), 0)::bigint as size from builds b join brought_files f on f.build_id = b.id
where b.status in ('queued', 'running') and f.uploaded_by = %(by)s
"""
_FIND: Final = f"select {_COLUMNS} {_FROM} where f.filename = %(filename)s and f.superseded_at is null"
_LIST: Final = f"""
select {_COLUMNS} {_FROM}
where (%(project)s::text is null or f.project = %(project)s)
  and (%(by)s::text is null or f.uploaded_by = %(by)s or starts_with(f.uploaded_by, %(by)s || ' ('))
  and (%(before)s::uuid is null or f.sequence < (select sequence from brought_files where id = %(before)s))
order by f.sequence desc limit %(limit)s
"""  # noqa: S608  (constants)
# A build that is queued or running still needs the bytes, whatever became of the file's name. One that failed may be
# retried until its file is replaced.
_DROP: Final = """
delete from brought_chunks where (file_id, number) in (
    select c.file_id, c.number from brought_chunks c
    left join brought_files f on f.id = c.file_id left join builds b on b.id = f.build_id
    where case
        when f.id is null then c.stored_at < now() - interval '1 day'
        when b.status in ('queued', 'running') then false
        when b.status = 'succeeded' or f.superseded_at is not null or b.id is null then true
        else %(seconds)s > 0 and b.finished_at < now() - make_interval(secs => %(seconds)s) end
    limit %(limit)s for update of c skip locked
) returning number
"""


class PostgresUploadBytes:
    """Store the bytes of brought files in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_chunk(self, file_id: str, number: int, data: bytes) -> None:
        """Insert a part in a transaction of its own."""
        async with self._database.transaction() as connection:
            await connection.execute(_PUT_CHUNK.encode(), {"id": file_id, "number": number, "data": data})

    async def read(self, file_id: str) -> AsyncIterator[bytes]:
        """Yield the parts, each read by a statement of its own."""
        number = 0
        while rows := await self._database.ask(_CHUNK, {"id": file_id, "number": number}, binary=True):
            yield bytes(rows[0]["data"])
            number += 1

    async def drop_chunks(self, *, days: float) -> int:
        """Delete parts, a batch at a time."""
        count = 0
        values: Row = {"seconds": days * _DAY_SECONDS, "limit": _BATCH}
        while rows := await self._database.fetch_all(_DROP, values):
            count += len(rows)
        return count


class PostgresUploads(PostgresUploadBytes):
    """Store brought files in PostgreSQL."""

    def __init__(self, database: Database, builds: PostgresBuilds, *, limits: OpenLimits = NO_LIMITS) -> None:
        super().__init__(database)
        self._builds = builds
        self._limits = limits

    async def submit(self, upload: NewUpload, order: BuildOrder, *, trace: Trace = NO_TRACE) -> StoredUpload:
        """Insert the file and its build, or find the equal file. The unique index decides."""
        while True:
            try:
                async with self._database.transaction() as connection:
                    stored = await self._submit(connection, upload, order, trace)
            except UniqueViolation:
                continue  # another upload of this name was stored in between
            if not stored.is_new:
                await self.discard(upload.id)
            return stored

    async def discard(self, file_id: str) -> None:
        """Delete the parts of a file that has no row."""
        async with self._database.transaction() as connection:
            await connection.execute(_DISCARD, {"id": file_id})

    async def _submit(self, connection: Connection, upload: NewUpload, order: BuildOrder, trace: Trace) -> StoredUpload:
        await _check_token(connection, upload)
        name = {"filename": upload.filename}
        row = await (await connection.execute(_HELD.encode(), name)).fetchone()
        held = None if row is None else _upload_of(row)
        if held is not None and (equal := held.answer(upload)) is not None:
            return StoredUpload(upload=equal, is_new=False)
        await _check_index(connection, upload)
        if held is not None:
            await connection.execute(_SUPERSEDE, {"id": held.id})
        submission = await self._builds.request_on(connection, order, requested_by=upload.uploaded_by, trace=trace)
        values = {
            **{name: getattr(upload, name) for name in ("id", "filename", "project", "version", "sha256")},
            "size_bytes": upload.size_bytes,
            "uploaded_by": upload.uploaded_by,
            "attestations": Jsonb([dict(one) for one in upload.attestations]),
            "build_id": uuid.UUID(submission.build.id),
        }
        await connection.execute(_INSERT, values)
        await self._check_bytes(connection, upload)
        await record_change(connection, upload_of(upload, submission.build.id))
        row = await (await connection.execute(_FIND.encode(), name)).fetchone()
        if row is None:
            raise NotFoundError(kind="file", name=upload.filename)
        return StoredUpload(upload=_upload_of(row), is_new=True)

    async def _check_bytes(self, connection: Connection, upload: NewUpload) -> None:
        """Raise TooMuchOpenError if the sender's files that wait for their test are too large together."""
        if self._limits.upload_bytes:
            await hold_caller(connection, upload.uploaded_by)
            row = await (await connection.execute(_OPEN_BYTES, {"by": upload.uploaded_by})).fetchone()
            self._limits.check_upload_bytes(row["size"] if row else 0)

    async def find(self, filename: str) -> Upload:
        """Return the file that stands for a name; raise NotFoundError."""
        upload = await self.standing(filename)
        if upload is None:
            raise NotFoundError(kind="file", name=filename)
        return upload

    async def standing(self, filename: str) -> Upload | None:
        """Return the file that stands for a name; None if there is none."""
        row = await self._database.fetch_one(_FIND, {"filename": filename})
        return None if row is None else _upload_of(row)

    async def list_uploads(self, wanted: UploadFilter) -> UploadPage:
        """Return a page of files, newest first. One row more than the limit shows whether there is a next page."""
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        parameters: Row = {
            "project": wanted.project,
            "by": wanted.uploaded_by,
            "before": wanted.before,
            "limit": limit + 1,
        }
        rows = await self._database.fetch_all(_LIST, parameters)
        next_before = str(rows[limit - 1]["id"]) if len(rows) > limit else None
        return UploadPage(uploads=readable("file", rows[:limit], _read), next_before=next_before)


async def _check_token(connection: Connection, upload: NewUpload) -> None:
    """Raise UnauthenticatedError if the sender's token was revoked while the file was received, or has expired."""
    if upload.token_id is None:
        return
    if await (await connection.execute(_VALID.encode(), {"token": uuid.UUID(upload.token_id)})).fetchone() is None:
        raise UnauthenticatedError(reason="its token was revoked, or expired, while the file was sent")


async def _check_index(connection: Connection, upload: NewUpload) -> None:
    """Raise UploadConflictError if the index has, or had, other bytes under the name."""
    row = await (await connection.execute(_ON_INDEX, {"filename": upload.filename})).fetchone()
    if row is not None and row["sha256"] != upload.sha256:
        why = "the index has it" if row["deleted_at"] is None else "the index had it before it was deleted"
        raise UploadConflictError(file=upload.filename, held=row["sha256"], ours=upload.sha256, why=why)


def _upload_of(row: Row) -> Upload:
    with reading("file", row["filename"]):
        return _read(row)


def _read(row: Row) -> Upload:
    return Upload(
        **{name: row[name] for name in ("filename", "project", "version", "sha256", "size_bytes")},
        id=str(row["id"]),
        uploaded_by=row["uploaded_by"],
        uploaded_at=row["uploaded_at"],
        build_id=None if row["build_id"] is None else str(row["build_id"]),
        status=None if row["status"] is None else Status(row["status"]),
        wheel=built_wheel_of(row),
        failure=failure_of(row),
        attestations=tuple(row["attestations"]),
    )
