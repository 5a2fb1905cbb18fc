"""Our index in PostgreSQL: its files, sdists that were brought, uploads in progress, the last comparison with devpi."""

import uuid
from collections.abc import Callable, Collection
from typing import Any, Final

from packaging.utils import NormalizedName, canonicalize_name
from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from wheelyard.adapters.store.access import record_change
from wheelyard.adapters.store.database import Connection, Database
from wheelyard.domain.access import Action, Change
from wheelyard.domain.builds.audit_entries import mending_of, wheel_change
from wheelyard.domain.builds.records import MAX_PAGE_SIZE, Claim
from wheelyard.domain.index.check import Difference, Finding, IndexReport, LastReport
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.sdists import BroughtSdist, DueSdist, SdistPlace
from wheelyard.domain.index.wheels import (
    IndexChanges,
    IndexedWheel,
    IndexEntry,
    ProjectFilter,
    ProjectPage,
    ProjectSummary,
    WheelFilter,
    WheelOrigin,
    WheelPage,
    requires_python_of,
)
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.wheel_contents import Member, WheelContents
from wheelyard.errors import IndexConflictError, NotFoundError

Row = dict[str, Any]

COLUMNS: Final = """
filename, project, version, origin, build_id, python, platform, tag, sha256, size_bytes, requires_python,
metadata_sha256, level, url, uploaded_at, yanked_at, yanked_reason, deleted_at, file_count,
provenance_sha256
"""
"""All columns but METADATA itself and the list of files, which lists do not need."""
# The same bytes under the same name may return after a deletion; other bytes may not. A wheel that was built here stays
# ours even if upstream has the same bytes.
_RECORD: Final = b"""
insert into wheels (filename, project, version, origin, build_id, python, platform, tag, sha256, size_bytes,
                    requires_python, metadata, level, url, contents, file_count, provenance)
values (%(filename)s, %(project)s, %(version)s, %(origin)s, %(build_id)s, %(python)s, %(platform)s, %(tag)s, %(sha256)s,
        %(size_bytes)s, %(requires_python)s, %(metadata)s, %(level)s, %(url)s, %(contents)s, %(file_count)s,
        %(provenance)s)
on conflict (filename) do update set requires_python = excluded.requires_python,
    origin = case when wheels.origin = 'mirrored' then excluded.origin else wheels.origin end,
    build_id = case when wheels.origin = 'mirrored' then excluded.build_id
                    else coalesce(excluded.build_id, wheels.build_id) end,
    provenance = coalesce(excluded.provenance, wheels.provenance),
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
    """Record a published wheel in the transaction of its build; raise IndexConflictError for other bytes."""
    row = {
        **{name: getattr(entry.wheel, name) for name in ("filename", "project", "version", "python", "platform")},
        **{name: getattr(entry.wheel, name) for name in ("tag", "sha256", "size_bytes", "requires_python", "url")},
        "build_id": None if entry.wheel.build_id is None else uuid.UUID(entry.wheel.build_id),
        "origin": entry.wheel.origin.value,
        "level": entry.wheel.level.value,
        "metadata": entry.metadata,
        "contents": contents_json(entry.contents),
        "file_count": entry.wheel.file_count,
        "provenance": entry.provenance,
    }
    if await (await connection.execute(_RECORD, row)).fetchone() is None:
        held = await (await connection.execute(_HELD, row)).fetchone()
        digest = held["sha256"] if held else ""
        raise IndexConflictError(filename=entry.wheel.filename, held=digest, ours=entry.wheel.sha256)
    await touch(connection, entry.wheel.project)


def contents_json(contents: WheelContents | None) -> Jsonb | None:
    """Return a wheel's contents as the database stores them: pairs, because there are many."""
    if contents is None:
        return None
    files = [[member.path, member.size_bytes] for member in contents.members]
    return Jsonb({"files": files, "total": contents.total, "size_bytes": contents.size_bytes})


async def touch(connection: Connection, project: str) -> None:
    """Give the project's page the next serial. Other changes wait until the transaction commits."""
    await connection.execute(_TOUCH, {"project": project})


async def forget_uploads(connection: Connection, filename: str) -> None:
    """Delete the uploads of a file that was recorded as a wheel, in the same transaction."""
    await connection.execute(_END_UPLOADS, {"filename": filename})


async def find(database: Database, filename: str) -> IndexedWheel:
    """Return one wheel; raise NotFoundError."""
    rows = await database.ask(_FIND, {"filename": filename})
    if not rows:
        raise NotFoundError(kind="wheel", name=filename)
    return wheel_of(rows[0])


def wheel_of(row: Row) -> IndexedWheel:
    """Return the wheel in a row."""
    facts = {name: row[name] for name in COLUMNS.replace(",", " ").split()}
    build_id = None if row["build_id"] is None else str(row["build_id"])
    typed = {"build_id": build_id, "level": Level(row["level"]), "origin": WheelOrigin(row["origin"])}
    return IndexedWheel(**{**facts, **typed})


_CHANGES: Final = "select name, serial from index_projects where serial > %(since)s"
_NAMES: Final = """
select name from index_projects p
where exists (select from wheels w where w.project = p.name and w.kind = 'wheel' and w.deleted_at is null
              and (w.level = 'prod' or %(level)s = 'staging') and (w.origin <> 'mirrored' or not %(own_only)s))
order by name
"""
_OF_PROJECT: Final = f"select {COLUMNS} from wheels where project = %(project)s order by sequence"  # noqa: S608
_VERSIONS: Final = (
    "select distinct project, version from wheels"
    " where project = any(%(projects)s) and kind = 'wheel' and deleted_at is null"
)
_OF_RELEASES: Final = f"""
select {COLUMNS} from wheels
where project = any(%(projects)s) and kind = 'wheel' and deleted_at is null
  and (project, version) in (select * from unnest(%(projects)s::text[], %(versions)s::text[]))
order by sequence
"""  # noqa: S608  (constants)
_PROVENANCE: Final = "select provenance from wheels where filename = %(filename)s and deleted_at is null"
_METADATA: Final = "select metadata from wheels where filename = %(filename)s and deleted_at is null"
_LIST: Final = f"""
select {COLUMNS} from wheels
where (%(project)s::text is null or project = %(project)s) and (%(level)s::text is null or level = %(level)s)
  and (%(kind)s::text is null or kind = %(kind)s) and (%(origin)s::text is null or origin = %(origin)s)
  and (%(standing)s::text is null or %(standing)s = case when deleted_at is not null then 'deleted'
       when yanked_at is not null then 'yanked' else 'offered' end)
  and (%(before)s::text is null or sequence < (select sequence from wheels where filename = %(before)s))
order by sequence desc limit %(limit)s
"""  # noqa: S608  (constants)
# One look-up for each project that is shown: the cost does not depend on the number of projects. The names are in the
# order of the C collation, the wheels' index is in the default one.
_PROJECTS: Final = """
select p.name, found.releases, found.wheels, found.origins, found.newest_upload_at
from index_projects p cross join lateral (
    select count(distinct w.version) as releases, count(*) as wheels,
           array_agg(distinct w.origin order by w.origin) as origins, max(w.uploaded_at) as newest_upload_at
    from wheels w where w.project = p.name collate "default" and w.kind = 'wheel' and w.deleted_at is null
) as found
where found.wheels > 0 and (%(after)s::text is null or p.name > %(after)s) and starts_with(p.name, %(prefix)s)
order by p.name limit %(limit)s
"""
# Normalised names have no character beyond "z", so a range of the index holds those that begin with the prefix.
_KNOWN_PROJECTS: Final = """
select name from (
    (select name from index_projects where name >= %(prefix)s and name < %(prefix)s || '~'
     order by name limit %(limit)s)
    union
    (select distinct project collate "C" from builds
     where project collate "C" >= %(prefix)s and project collate "C" < %(prefix)s || '~'
     order by project collate "C" limit %(limit)s)
) as found order by name limit %(limit)s
"""
_CONTENTS: Final = "select contents from wheels where filename = %(filename)s"
_KEEP_CONTENTS: Final = b"""
update wheels set contents = %(contents)s, file_count = %(total)s where filename = %(filename)s returning filename
"""
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
_SET_METADATA: Final = b"""
update wheels set metadata = %(metadata)s, requires_python = %(requires_python)s where filename = %(filename)s
returning project
"""
_DELETE: Final = b"""
update wheels set deleted_at = coalesce(deleted_at, now()) where filename = %(filename)s returning project
"""
# A later request for the build must not get a wheel that is gone.
_FORGET: Final = b"""
update builds set wheel = wheel || '{"url": null, "index_url": null}'::jsonb where wheel->>'filename' = %(filename)s
"""
# A build's answer names the level too. A devpi address that points to staging stays valid.
_PROMOTE_BUILD: Final = b"""
update builds set wheel = wheel || '{"level": "prod"}'::jsonb where wheel->>'filename' = %(filename)s
"""
_BEGIN_UPLOAD: Final = """
insert into uploads (filename, sha256, build_id, attempt)
select %(filename)s, %(sha256)s, id, attempt from builds
where id = %(id)s and attempt = %(number)s and status = 'running'
on conflict (filename, sha256, build_id, attempt) do update set begun_at = now() returning filename
"""
# One statement sees everything: an upload whose attempt is still open belongs to it, and a recorded one is a wheel.
_ORPHAN: Final = """
select exists (select from uploads where filename = %(filename)s and sha256 = %(sha256)s)
   and not exists (
       select from uploads u join builds b on b.id = u.build_id and b.attempt = u.attempt and b.status = 'running'
       where u.filename = %(filename)s and u.sha256 = %(sha256)s)
   and not exists (select from wheels where filename = %(filename)s) as orphan
"""
_END_UPLOADS: Final = b"delete from uploads where filename = %(filename)s"
_FINDINGS: Final = TypeAdapter(tuple[Finding, ...])
_SAVE_REPORT: Final = b"""
insert into index_report (checked_at, wheels, files, found, findings)
values (now(), %(wheels)s, %(files)s, %(found)s, %(findings)s)
on conflict (id) do update set checked_at = excluded.checked_at, wheels = excluded.wheels, files = excluded.files,
    found = excluded.found, findings = excluded.findings
"""
_LAST_REPORT: Final = "select checked_at, wheels, files, found, findings from index_report"


class PostgresWheels:
    """Store the index's wheels in PostgreSQL."""

    def __init__(self, database: Database, *, on_change: Callable[[], None] = lambda: None) -> None:
        """Set what is called after each change that a person has made."""
        self._database = database
        self._on_change = on_change

    async def changes(self, since: int) -> IndexChanges:
        """Return which pages have changed since a serial. The index on the serial makes this cheap if none has."""
        rows = await self._database.ask(_CHANGES, {"since": since})
        serial = max((row["serial"] for row in rows), default=since)
        return IndexChanges(serial=serial, projects=frozenset(row["name"] for row in rows))

    async def names(self, *, level: Level, own_only: bool = False) -> tuple[str, ...]:
        """Return the names of the projects that have a wheel at this level or above."""
        rows = await self._database.fetch_all(_NAMES, {"level": level.value, "own_only": own_only})
        return tuple(row["name"] for row in rows)

    async def wheels_of(self, project: str) -> tuple[IndexedWheel, ...]:
        """Return all of a project's wheels, oldest upload first, with the deleted ones."""
        rows = await self._database.ask(_OF_PROJECT, {"project": project})
        return tuple(map(wheel_of, rows))

    async def versions_of(self, projects: Collection[str]) -> frozenset[tuple[str, str]]:
        """Return which versions of some projects have a wheel."""
        rows = await self._database.fetch_all(_VERSIONS, {"projects": list(projects)})
        return frozenset((row["project"], row["version"]) for row in rows)

    async def wheels_of_releases(self, releases: Collection[tuple[str, str]]) -> tuple[IndexedWheel, ...]:
        """Return the wheels of some projects' versions."""
        wanted = {"projects": [project for project, _ in releases], "versions": [version for _, version in releases]}
        return tuple(map(wheel_of, await self._database.fetch_all(_OF_RELEASES, wanted)))

    async def find(self, filename: str) -> IndexedWheel:
        """Return one wheel; raise NotFoundError."""
        return await find(self._database, filename)

    async def metadata_of(self, filename: str) -> bytes:
        """Return a wheel's METADATA; raise NotFoundError."""
        row = await self._database.fetch_one(_METADATA, {"filename": filename})
        if row is None or row["metadata"] is None:
            raise NotFoundError(kind="metadata", name=filename)
        return bytes(row["metadata"])

    async def provenance_of(self, filename: str) -> bytes:
        """Return a file's provenance object; raise NotFoundError."""
        row = await self._database.fetch_one(_PROVENANCE, {"filename": filename})
        if row is None or row["provenance"] is None:
            raise NotFoundError(kind="provenance", name=filename)
        return bytes(row["provenance"])

    async def list_wheels(self, wanted: WheelFilter) -> WheelPage:
        """Return a page of wheels, newest first. One row more than the limit shows whether there is a next page."""
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        parameters: Row = {
            "project": wanted.project,
            "kind": wanted.kind and wanted.kind.value,
            "origin": wanted.origin and wanted.origin.value,
            "level": wanted.level and wanted.level.value,
            "standing": wanted.standing and wanted.standing.value,
            "before": wanted.before,
            "limit": limit + 1,
        }
        wheels = tuple(map(wheel_of, await self._database.fetch_all(_LIST, parameters)))
        next_before = wheels[limit - 1].filename if len(wheels) > limit else None
        return WheelPage(wheels=wheels[:limit], next_before=next_before)

    async def list_projects(self, wanted: ProjectFilter) -> ProjectPage:
        """Return a page of projects by name."""
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        parameters: Row = {"after": wanted.after, "prefix": wanted.prefix, "limit": limit + 1}
        rows = await self._database.fetch_all(_PROJECTS, parameters)
        projects = tuple(ProjectSummary(**{**row, "origins": tuple(map(WheelOrigin, row["origins"]))}) for row in rows)
        next_after = projects[limit - 1].name if len(projects) > limit else None
        return ProjectPage(projects=projects[:limit], next_after=next_after)

    async def known_projects(self, prefix: str, *, limit: int) -> tuple[str, ...]:
        """Return the names of projects that have a wheel or a build."""
        rows = await self._database.fetch_all(_KNOWN_PROJECTS, {"prefix": prefix, "limit": limit})
        return tuple(row["name"] for row in rows)

    async def contents_of(self, filename: str) -> WheelContents:
        """Return what a wheel contains; raise NotFoundError."""
        row = await self._database.fetch_one(_CONTENTS, {"filename": filename})
        if row is None or row["contents"] is None:
            raise NotFoundError(kind="contents", name=filename)
        found = row["contents"]
        members = tuple(Member(path=path, size_bytes=size) for path, size in found["files"])
        return WheelContents(members=members, total=found["total"], size_bytes=found["size_bytes"])

    async def keep_contents(self, filename: str, contents: WheelContents) -> None:
        """Save what a wheel contains."""
        values = {"filename": filename, "contents": contents_json(contents), "total": contents.total}
        async with self._database.transaction() as connection:
            if await (await connection.execute(_KEEP_CONTENTS, values)).fetchone() is None:
                raise NotFoundError(kind="wheel", name=filename)

    async def record(self, entry: IndexEntry) -> None:
        """Record a wheel in a transaction of its own."""
        async with self._database.transaction() as connection:
            await record(connection, entry)

    async def yank(self, filename: str, *, reason: str, by: str) -> IndexedWheel:
        """Yank a wheel and return it."""
        change = wheel_change(filename, Action.WHEEL_YANKED, by=by, reason=reason)
        return await self._change(_YANK, {"filename": filename, "reason": reason}, change)

    async def unyank(self, filename: str, *, by: str) -> IndexedWheel:
        """Remove the yank from a wheel and return it."""
        return await self._change(_UNYANK, {"filename": filename}, wheel_change(filename, Action.WHEEL_UNYANKED, by=by))

    async def promote(self, filename: str, *, url: str, by: str) -> IndexedWheel:
        """Record that prod holds the wheel, and return it."""
        change = wheel_change(filename, Action.WHEEL_PROMOTED, by=by)
        values = {"filename": filename, "level": Level.PROD.value, "url": url}
        return await self._change(_PROMOTE, values, change, _PROMOTE_BUILD)

    async def keep_metadata(self, filename: str, metadata: bytes, *, by: str) -> IndexedWheel:
        """Save a METADATA that was not saved before, and return the wheel."""
        requires_python = requires_python_of(metadata)
        values = {"filename": filename, "metadata": metadata, "requires_python": requires_python}
        return await self._change(_SET_METADATA, values, mending_of(filename, Difference.NO_METADATA, by))

    async def delete(self, filename: str, *, by: str) -> IndexedWheel:
        """Mark a wheel as deleted for good and return it. Its file name stays taken."""
        change = wheel_change(filename, Action.WHEEL_DELETED, by=by)
        return await self._change(_DELETE, {"filename": filename}, change, _FORGET)

    async def begin_upload(self, claim: Claim, *, filename: str, sha256: str) -> bool:
        """Insert the upload's row; return False if the claim was lost."""
        values = {"filename": filename, "sha256": sha256, "id": claim.build_id, "number": claim.attempt}
        return await self._database.fetch_one(_BEGIN_UPLOAD, values) is not None

    async def is_orphan(self, filename: str, *, sha256: str) -> bool:
        """Return whether the file belongs to no running attempt and to no recorded wheel."""
        row = await self._database.fetch_one(_ORPHAN, {"filename": filename, "sha256": sha256})
        return row is not None and bool(row["orphan"])

    async def save_report(self, report: IndexReport) -> None:
        """Save a report in place of the last one."""
        last = LastReport.of(report)
        values = {
            "wheels": report.wheels,
            "files": report.files,
            "found": last.found,
            "findings": Jsonb(_FINDINGS.dump_python(last.findings, mode="json")),
        }
        async with self._database.transaction() as connection:
            await connection.execute(_SAVE_REPORT, values)

    async def last_report(self) -> LastReport | None:
        """Return the newest report; None if there is none."""
        row = await self._database.fetch_one(_LAST_REPORT, {})
        return None if row is None else LastReport(**{**row, "findings": _FINDINGS.validate_python(row["findings"])})

    async def _change(self, statement: bytes, values: Row, change: Change, *first: bytes) -> IndexedWheel:
        async with self._database.transaction() as connection:
            # Lock builds before wheels, in the order in which an ending build locks them.
            for preceding in first:
                await connection.execute(preceding, values)
            row = await (await connection.execute(statement, values)).fetchone()
            if row is None:
                raise NotFoundError(kind="wheel", name=str(values["filename"]))
            # Before the index is touched, which blocks other changes until the transaction ends.
            await record_change(connection, change)
            await touch(connection, row["project"])
        self._on_change()
        return await find(self._database, str(values["filename"]))


_SDIST: Final = """
filename, project, version, sha256, size_bytes, requires_python, metadata, url, brought_by, brought_at, request_id
"""
# Of two equal uploads at once, the second waits for the first, and then changes nothing.
_RECORD_SDIST: Final = b"""
insert into sdists (filename, project, version, sha256, size_bytes, requires_python, metadata, url, brought_by,
                    brought_at, request_id)
values (%(filename)s, %(project)s, %(version)s, %(sha256)s, %(size_bytes)s, %(requires_python)s, %(metadata)s, %(url)s,
        %(brought_by)s, %(brought_at)s, %(request_id)s)
on conflict do nothing
"""
# The release of an sdist that became no wheel gets another one; its row stays, because it says whose the name is.
_REPLACE_SDIST: Final = b"""
update sdists set filename = %(filename)s, sha256 = %(sha256)s, size_bytes = %(size_bytes)s,
       requires_python = %(requires_python)s, metadata = %(metadata)s, url = %(url)s, brought_by = %(brought_by)s,
       brought_at = %(brought_at)s, request_id = %(request_id)s
where project = %(project)s and version = %(version)s
"""
_SDIST_OF_RELEASE: Final = f"""
select {_SDIST} from sdists where filename = %(filename)s or (project = %(project)s and version = %(version)s)
order by filename = %(filename)s desc for update
""".encode()  # noqa: S608  (constants)
_FIND_SDIST: Final = f"select {_SDIST} from sdists where filename = %(filename)s"  # noqa: S608
_SDISTS_OF: Final = """
select s.*, w.yanked_at, w.yanked_reason from sdists s left join wheels w using (filename)
where s.project = %(project)s and w.deleted_at is null order by s.sequence
"""
_IS_OWN: Final = "select exists (select from sdists where project = %(project)s) as own"
_PLACE: Final = """
select coalesce(w.url, s.url) as url, w.url is not null as is_on_index
from sdists s left join wheels w on w.filename = s.filename and w.deleted_at is null
where s.filename = %(filename)s
"""


def wheels_of_sdist(sdist: str) -> str:
    """Return the clause for wheels ``w`` on the index that were made from an sdist's row, or brought beside it."""
    return f"""
        wheels w left join builds m on m.id = w.build_id
        where w.project = {sdist}.project and w.version = {sdist}.version and w.kind = 'wheel'
          and w.deleted_at is null and (w.origin = 'brought' or m.sdist->>'sha256' = {sdist}.sha256)
    """


# A wheel on the main index counts before one on staging.
_DUE: Final = f"""
select s.*, made.level
from sdists s cross join lateral (
    select w.level from {wheels_of_sdist("s")} order by w.level = 'prod' desc, w.sequence limit 1
) as made
where not exists (select from wheels w where w.filename = s.filename) order by s.sequence
"""  # noqa: S608  (constants)


class PostgresSdists:
    """Store the sdists that others brought in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, filename: str) -> BroughtSdist:
        """Return an sdist; raise NotFoundError."""
        row = await self._database.fetch_one(_FIND_SDIST, {"filename": filename})
        if row is None:
            raise NotFoundError(kind="sdist", name=filename)
        return _sdist_of(row)

    async def sdists_of(self, project: NormalizedName) -> tuple[IndexFile, ...]:
        """Return the sdists to build a project's releases from, without deleted ones."""
        rows = await self._database.ask(_SDISTS_OF, {"project": project})
        return tuple(
            _sdist_of(row).as_file(yanked=row["yanked_at"] is not None, yanked_reason=row["yanked_reason"])
            for row in rows
        )

    async def is_own(self, project: NormalizedName) -> bool:
        """Return whether an sdist of the project was ever brought."""
        row = await self._database.fetch_one(_IS_OWN, {"project": project})
        return row is not None and bool(row["own"])

    async def place_of(self, filename: str) -> SdistPlace:
        """Return where its bytes are now; raise NotFoundError."""
        row = await self._database.fetch_one(_PLACE, {"filename": filename})
        if row is None:
            raise NotFoundError(kind="sdist", name=filename)
        return SdistPlace(url=row["url"], is_on_index=row["is_on_index"])

    async def due(self) -> tuple[DueSdist, ...]:
        """Return the sdists that are not on our index yet, though it lists a wheel that was made from them."""
        rows = await self._database.fetch_all(_DUE, {})
        return tuple(DueSdist(sdist=_sdist_of(row), level=Level(row["level"])) for row in rows)


async def record_sdist(connection: Connection, sdist: BroughtSdist) -> BroughtSdist:
    """Record an sdist in the transaction, unless its release has one; return the one that the release has."""
    row = _sdist_columns(sdist)
    await connection.execute(_RECORD_SDIST, row)
    found = await (await connection.execute(_SDIST_OF_RELEASE, row)).fetchone()
    return sdist if found is None else _sdist_of(found)


async def replace_sdist(connection: Connection, sdist: BroughtSdist) -> None:
    """Replace the sdist of a release in the transaction."""
    await connection.execute(_REPLACE_SDIST, _sdist_columns(sdist))


def _sdist_columns(sdist: BroughtSdist) -> Row:
    return {name: getattr(sdist, name) for name in _SDIST.replace(",", " ").split()}


def _sdist_of(row: Row) -> BroughtSdist:
    facts = {name: row[name] for name in _SDIST.replace(",", " ").split()}
    request_id = None if row["request_id"] is None else str(row["request_id"])
    typed = {"project": canonicalize_name(row["project"]), "metadata": bytes(row["metadata"]), "request_id": request_id}
    return BroughtSdist(**{**facts, **typed})
