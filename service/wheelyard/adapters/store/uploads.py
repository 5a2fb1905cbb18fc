"""Files that others bring, in PostgreSQL: their rows, and their bytes as chunks until they are published."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from packaging.utils import NormalizedName
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from wheelyard.adapters.store.access import check_token, record_change
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Connection, Database, hold_caller
from wheelyard.adapters.store.prebuilds import PostgresPrebuilds
from wheelyard.adapters.store.rows import Row, built_wheel_of, failure_of, readable, reading
from wheelyard.adapters.store.wheels import record_sdist, replace_sdist, wheels_of_sdist
from wheelyard.domain.access import NO_LIMITS, OpenLimits
from wheelyard.domain.builds.audit_entries import disowning_of, upload_of
from wheelyard.domain.builds.build import BuildOrder, Failure, Status
from wheelyard.domain.builds.records import MAX_PAGE_SIZE
from wheelyard.domain.index.sdists import SCHEME, BroughtSdist
from wheelyard.domain.index.uploads import (
    NewUpload,
    SdistWheels,
    StoredUpload,
    Upload,
    UploadFilter,
    UploadPage,
    UploadState,
    check_unheld,
)
from wheelyard.domain.prebuilds.prebuild import ItemStatus, Prebuild
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.errors import NotFoundError, SdistNotBuiltError, UploadConflictError

_BATCH: Final = 64
_DAY_SECONDS: Final = 86_400.0
_PUT_CHUNK: Final = """
insert into brought_chunks (file_id, number, data) values (%(id)s, %(number)s, %(data)s)
"""
_CHUNK: Final = "select data from brought_chunks where file_id = %(id)s and number = %(number)s"
_FINAL: Final = ", ".join(f"'{status.value}'" for status in ItemStatus if status.is_final)
_COLUMNS: Final = """
f.id, f.filename, f.project, f.version, f.sha256, f.size_bytes, f.uploaded_by, f.uploaded_at, f.attestations,
f.build_id, b.status, b.wheel, b.failure, f.request_id, s.is_open, s.open_targets, s.wheels, s.is_listed, s.reasons,
failed.id as failed_id, failed.failure as failed
"""
_IS_OPEN: Final = """
(exists (select from prebuilds p where p.id = f.request_id and p.finished_at is null)
 or exists (select from builds o where o.sdist->>'sha256' = f.sha256 and o.status in ('queued', 'running')))
"""
"""Whether wheels of an sdist ``f`` may still come: its request goes on, or a build of it, which may be a retry."""
_IS_ON_INDEX: Final = """
(select w.deleted_at is null from wheels w where w.filename = f.filename and w.sha256 = f.sha256)
"""
_WHEELS: Final = wheels_of_sdist("f")
_FROM: Final = f"""
from brought_files f left join builds b on b.id = f.build_id
left join lateral (
    select {_IS_OPEN} as is_open, {_IS_ON_INDEX} as is_listed,
        (select count(*) from prebuild_items i
         where i.prebuild_id = f.request_id and i.item->>'status' not in ({_FINAL})) as open_targets,
        (select array_agg(w.filename order by w.sequence) from {_WHEELS}) as wheels,
        (select jsonb_agg(distinct jsonb_build_array(i.item->>'reason', i.item->>'hint')) from prebuild_items i
         where i.prebuild_id = f.request_id and i.item->>'status' in ('failed', 'impossible')) as reasons
) as s on f.request_id is not null
left join lateral (
    select m.id, m.failure from prebuild_builds pb join builds m on m.id = pb.build_id
    where pb.prebuild_id = f.request_id and m.failure is not null order by m.finished_at, m.id limit 1
) as failed on f.request_id is not null
"""  # noqa: S608  (constants)
# The build is not locked: its end is seen or not, and an upload that comes again sees it then.
_HELD: Final = f"""
select {_COLUMNS} {_FROM} where f.filename = %(filename)s and f.superseded_at is null for update of f
"""
_SUPERSEDE: Final = b"update brought_files set superseded_at = now() where id = %(id)s"
_ON_INDEX: Final = b"select sha256, deleted_at from wheels where filename = %(filename)s"
_OTHER_SOURCE: Final = b"""
select w.filename, m.sdist->>'sha256' as sha256 from wheels w join builds m on m.id = w.build_id
where w.project = %(project)s and w.version = %(version)s and w.kind = 'wheel' and w.deleted_at is null
  and w.origin = 'built' and m.sdist->>'sha256' <> %(sha256)s
order by w.sequence limit 1
"""
_INSERT: Final = b"""
insert into brought_files (id, filename, project, version, sha256, size_bytes, uploaded_by, attestations, build_id,
                           request_id)
values (%(id)s, %(filename)s, %(project)s, %(version)s, %(sha256)s, %(size_bytes)s, %(uploaded_by)s, %(attestations)s,
        %(build_id)s, %(request_id)s)
"""
_DISCARD: Final = b"""
delete from brought_chunks where file_id = %(id)s and not exists (select from brought_files where id = %(id)s)
  and not exists (select from builds where sdist->>'kind' = 'local' and sdist->>'url' = 'upload:' || %(id)s::text)
"""
_MOST_HELD: Final = 20
# An sdist that is stored while its project is disowned waits for the end of that, and makes the name own again.
_HOLD_NAME: Final = b"select pg_advisory_xact_lock(hashtextextended('wheelyard own ' || %(project)s, 0))"
_DISOWN: Final = b"""
with gone as (delete from sdists where project = %(project)s returning filename, sequence)
select filename from gone order by sequence
"""
_LISTED_OWN: Final = f"""
select w.filename from wheels w left join builds m on m.id = w.build_id
where w.project = %(project)s and w.deleted_at is null
  and (w.origin = 'brought' or starts_with(m.sdist->>'url', '{SCHEME}:'))
order by w.sequence limit {_MOST_HELD}
"""  # noqa: S608  (constants)
_OPEN_OWN: Final = f"""
select f.filename from brought_files f where f.project = %(project)s and {_IS_OPEN}
order by f.sequence limit {_MOST_HELD}
"""  # noqa: S608  (constants)
_OPEN_BYTES: Final = b"""
select coalesce(sum(f.size_bytes), 0)::bigint as size from (
    select f.size_bytes, f.uploaded_by from builds b join brought_files f on f.build_id = b.id
    where b.status in ('queued', 'running')
    union all
    select f.size_bytes, f.uploaded_by from prebuilds p join brought_files f on f.request_id = p.id
    where p.finished_at is null
) f where f.uploaded_by = %(by)s
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
# retried until its file is replaced. An sdist's bytes are needed until the index has them, or nothing will come of it.
# What callers sent to be built has no file, only a build.
_DROP: Final = f"""
delete from brought_chunks where (file_id, number) in (
    select c.file_id, c.number from brought_chunks c
    left join brought_files f on f.id = c.file_id
    left join lateral (
        select id, status, finished_at from builds where id = f.build_id
        union all
        select id, status, finished_at from builds
        where f.id is null and sdist->>'kind' = 'local' and sdist->>'url' = 'upload:' || c.file_id::text) b on true
    where case
        when f.id is null and b.id is null then c.stored_at < now() - interval '1 day'
        when f.request_id is not null then case
            when {_IS_ON_INDEX} is not null then true
            when {_IS_OPEN} then false
            when f.superseded_at is not null then true
            when exists (select from {_WHEELS}) then false
            else %(seconds)s > 0 and (select p.finished_at from prebuilds p where p.id = f.request_id)
                 < now() - make_interval(secs => %(seconds)s) end
        when b.status in ('queued', 'running') then false
        when b.status = 'succeeded' or f.superseded_at is not null or b.id is null then true
        else %(seconds)s > 0 and b.finished_at < now() - make_interval(secs => %(seconds)s) end
    limit %(limit)s for update of c skip locked
) returning number
"""  # noqa: S608  (constants)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Followed:
    """What was ordered for a file."""

    build_id: str | None = None
    request_id: str | None = None


_Order = Callable[[Connection], Awaitable[_Followed]]
"""Orders what proves a file, in the transaction that stores it."""


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

    def __init__(
        self,
        database: Database,
        builds: PostgresBuilds,
        prebuilds: PostgresPrebuilds,
        *,
        limits: OpenLimits = NO_LIMITS,
    ) -> None:
        super().__init__(database)
        self._builds = builds
        self._prebuilds = prebuilds
        self._limits = limits

    async def submit(self, upload: NewUpload, order: BuildOrder, *, trace: Trace = NO_TRACE) -> StoredUpload:
        """Insert the file and its build, or find the equal file."""

        async def order_build(connection: Connection) -> _Followed:
            submission = await self._builds.request_on(connection, order, requested_by=upload.uploaded_by, trace=trace)
            return _Followed(build_id=submission.build.id)

        return await self._store(upload, order_build)

    async def submit_sdist(self, upload: NewUpload, sdist: BroughtSdist, request: Prebuild) -> StoredUpload:
        """Insert the sdist, as what its project is built from, and its request; or find the equal file."""

        async def order_wheels(connection: Connection) -> _Followed:
            await self._prebuilds.create_on(connection, request)
            await connection.execute(_HOLD_NAME, {"project": sdist.project})
            await _put_sdist(connection, replace(sdist, request_id=request.id))
            return _Followed(request_id=request.id)

        return await self._store(upload, order_wheels)

    async def _store(self, upload: NewUpload, order: _Order) -> StoredUpload:
        """Insert the file and what is ordered for it, or find the equal file. The unique index decides."""
        while True:
            try:
                async with self._database.transaction() as connection:
                    stored = await self._submit(connection, upload, order)
            except UniqueViolation:
                continue  # another upload of this name, or of this release's sdist, was stored in between
            if not stored.is_new:
                await self.discard(upload.id)
            return stored

    async def discard(self, file_id: str) -> None:
        """Delete the parts of a file that has no row."""
        async with self._database.transaction() as connection:
            await connection.execute(_DISCARD, {"id": file_id})

    async def disown(self, project: NormalizedName, *, by: str) -> tuple[str, ...]:
        """Delete the rows of a project's sdists; what holds the name is looked at after that, and undoes it."""
        name = {"project": project}
        async with self._database.transaction() as connection:
            await connection.execute(_HOLD_NAME, name)
            gone = await (await connection.execute(_DISOWN, name)).fetchall()
            if not gone:
                raise NotFoundError(kind="own project", name=project)
            listed = await (await connection.execute(_LISTED_OWN.encode(), name)).fetchall()
            opened = await (await connection.execute(_OPEN_OWN.encode(), name)).fetchall()
            check_unheld(
                project, listed=[row["filename"] for row in listed], opened=[row["filename"] for row in opened]
            )
            sdists = tuple(str(row["filename"]) for row in gone)
            await record_change(connection, disowning_of(project, sdists, by))
        return sdists

    async def _submit(self, connection: Connection, upload: NewUpload, order: _Order) -> StoredUpload:
        await check_token(connection, upload.token_id)
        name = {"filename": upload.filename}
        row = await (await connection.execute(_HELD.encode(), name)).fetchone()
        held = None if row is None else _upload_of(row)
        if held is not None and (equal := held.answer(upload)) is not None:
            return StoredUpload(upload=equal, is_new=False)
        await _check_index(connection, upload)
        if held is not None:
            await connection.execute(_SUPERSEDE, {"id": held.id})
        followed = await order(connection)
        values = {
            **{name: getattr(upload, name) for name in ("id", "filename", "project", "version", "sha256")},
            "size_bytes": upload.size_bytes,
            "uploaded_by": upload.uploaded_by,
            "attestations": Jsonb([dict(one) for one in upload.attestations]),
            "build_id": followed.build_id,
            "request_id": followed.request_id,
        }
        await connection.execute(_INSERT, values)
        await self._check_bytes(connection, upload)
        change = upload_of(upload, build_id=followed.build_id, request_id=followed.request_id)
        await record_change(connection, change)
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


async def _check_index(connection: Connection, upload: NewUpload) -> None:
    """Raise UploadConflictError if the index has, or had, other bytes under the name."""
    row = await (await connection.execute(_ON_INDEX, {"filename": upload.filename})).fetchone()
    if row is not None and row["sha256"] != upload.sha256:
        why = "the index has it" if row["deleted_at"] is None else "the index had it before it was deleted"
        raise UploadConflictError(file=upload.filename, held=row["sha256"], ours=upload.sha256, why=why)


async def _put_sdist(connection: Connection, sdist: BroughtSdist) -> None:
    """Record an sdist as the one of its release, in place of one that was refused; else raise UploadConflictError."""
    row = await (await connection.execute(_OTHER_SOURCE, _names(sdist))).fetchone()
    if row is not None:
        why = f"the index has {row['filename']}, which was built from another source of this release"
        raise UploadConflictError(file=sdist.filename, held=row["sha256"], ours=sdist.sha256, why=why)
    stored = await record_sdist(connection, sdist)
    if stored.request_id == sdist.request_id:
        return
    if stored.filename != sdist.filename:  # the caller has looked at the upload of the same name
        row = await (await connection.execute(_FIND.encode(), {"filename": stored.filename})).fetchone()
        if row is None or _upload_of(row).state is not UploadState.REFUSED:
            why = f"{stored.filename} is the sdist of this release"
            raise UploadConflictError(file=sdist.filename, held=stored.sha256, ours=sdist.sha256, why=why)
    await replace_sdist(connection, sdist)


def _names(sdist: BroughtSdist) -> Row:
    return {"project": sdist.project, "version": sdist.version, "sha256": sdist.sha256}


def _upload_of(row: Row) -> Upload:
    with reading("file", row["filename"]):
        return _read(row)


def _read(row: Row) -> Upload:
    upload = Upload(
        **{name: row[name] for name in ("filename", "project", "version", "sha256", "size_bytes")},
        id=str(row["id"]),
        uploaded_by=row["uploaded_by"],
        uploaded_at=row["uploaded_at"],
        build_id=None if row["build_id"] is None else str(row["build_id"]),
        status=None if row["status"] is None else Status(row["status"]),
        wheel=built_wheel_of(row),
        failure=failure_of(row),
        sdist=_sdist_of(row),
        attestations=tuple(row["attestations"]),
    )
    if upload.sdist is None or upload.state is not UploadState.REFUSED:
        return upload
    return replace(upload, **_refusal_of_sdist(row))


def _sdist_of(row: Row) -> SdistWheels | None:
    if row["request_id"] is None:
        return None
    return SdistWheels(
        request_id=str(row["request_id"]),
        is_open=row["is_open"],
        open_targets=row["open_targets"],
        wheels=tuple(row["wheels"] or ()),
        is_listed=row["is_listed"],
    )


def _refusal_of_sdist(row: Row) -> Row:
    """Return the first build that failed and why; the reason alone if there was none, or it is not stored any more."""
    if row["failed"] is not None:
        return {"build_id": str(row["failed_id"]), "failure": failure_of({"failure": row["failed"]})}
    if not row["reasons"]:
        return {}
    reason, hint = row["reasons"][0]
    error = SdistNotBuiltError(file=row["filename"], reason=reason, remedy=hint)
    return {"failure": Failure.of(error, stage=None)}
