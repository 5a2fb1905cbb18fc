"""The records of wheels in memory: the fake of the PostgreSQL store, on the other stores' state."""

from collections.abc import Collection
from dataclasses import replace
from hashlib import sha256

from tests.fakes.records import MemoryState

from wheelyard.domain.access import Action
from wheelyard.domain.builds.audit_entries import mending_of, wheel_change
from wheelyard.domain.builds.records import MAX_PAGE_SIZE, Claim
from wheelyard.domain.index.check import Difference, IndexReport, LastReport
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import (
    IndexChanges,
    IndexedWheel,
    IndexEntry,
    ProjectFilter,
    ProjectPage,
    ProjectSummary,
    WheelFilter,
    WheelPage,
    requires_python_of,
)
from wheelyard.domain.packaging.wheel_contents import WheelContents
from wheelyard.errors import NotFoundError


class MemoryWheels:
    """The WheelStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state
        self._last: LastReport | None = None

    async def changes(self, since: int) -> IndexChanges:
        """Return which pages have changed."""
        changed = {name: serial for name, serial in self._state.index_serials.items() if serial > since}
        return IndexChanges(serial=max(changed.values(), default=since), projects=frozenset(changed))

    async def names(self, *, level: Level, own_only: bool = False) -> tuple[str, ...]:
        """Return every project that has a wheel at this level or above."""
        live = (wheel for wheel in self._live_wheels() if wheel.is_own or not own_only)
        return tuple(sorted({wheel.project for wheel in live if level in {Level.STAGING, wheel.level}}))

    async def wheels_of(self, project: str) -> tuple[IndexedWheel, ...]:
        """Return all of a project's wheels, also deleted ones, oldest upload first."""
        return tuple(wheel for wheel in self._wheels() if wheel.project == project)

    async def find(self, filename: str) -> IndexedWheel:
        """Return a wheel."""
        return self._entry(filename).wheel

    async def metadata_of(self, filename: str) -> bytes:
        """Return a wheel's METADATA."""
        entry = self._state.wheels.get(filename)
        if entry is None or entry.metadata is None or not _has_metadata(entry.wheel):
            raise NotFoundError(kind="metadata", name=filename)
        return entry.metadata

    async def provenance_of(self, filename: str) -> bytes:
        """Return a file's provenance object."""
        entry = self._state.wheels.get(filename)
        if entry is None or entry.provenance is None or entry.wheel.deleted_at is not None:
            raise NotFoundError(kind="provenance", name=filename)
        return entry.provenance

    async def list_wheels(self, wanted: WheelFilter) -> WheelPage:
        """Return wheels, newest first."""
        names = list(self._state.wheels)
        if wanted.before is not None:
            names = names[: names.index(wanted.before)] if wanted.before in names else []
        fitting = [wheel for wheel in map(self._wheel, reversed(names)) if _fits(wheel, wanted)]
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        next_before = fitting[limit - 1].filename if len(fitting) > limit else None
        return WheelPage(wheels=tuple(fitting[:limit]), next_before=next_before)

    async def versions_of(self, projects: Collection[str]) -> frozenset[tuple[str, str]]:
        """Return which versions of some projects have a wheel."""
        live = (wheel for wheel in self._live_wheels() if wheel.project in projects)
        return frozenset((wheel.project, wheel.version) for wheel in live)

    async def wheels_of_releases(self, releases: Collection[tuple[str, str]]) -> tuple[IndexedWheel, ...]:
        """Return the wheels of some projects' versions."""
        return tuple(wheel for wheel in self._live_wheels() if (wheel.project, wheel.version) in releases)

    async def list_projects(self, wanted: ProjectFilter) -> ProjectPage:
        """Return projects by name."""
        names = [
            name
            for name in await self.names(level=Level.STAGING)
            if name.startswith(wanted.prefix) and name > (wanted.after or "")
        ]
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        next_after = names[limit - 1] if len(names) > limit else None
        return ProjectPage(projects=tuple(map(self._summary, names[:limit])), next_after=next_after)

    async def record(self, entry: IndexEntry) -> None:
        """Record a wheel that was published without a build."""
        self._state.record_wheel(entry)

    async def yank(self, filename: str, *, reason: str, by: str) -> IndexedWheel:
        """Mark a wheel as yanked."""
        yanked_at = self._live(filename).yanked_at or self._state.clock()
        self._state.record_change(wheel_change(filename, Action.WHEEL_YANKED, by=by, reason=reason))
        return self._change(filename, yanked_at=yanked_at, yanked_reason=reason)

    async def unyank(self, filename: str, *, by: str) -> IndexedWheel:
        """Remove the mark."""
        self._live(filename)
        self._state.record_change(wheel_change(filename, Action.WHEEL_UNYANKED, by=by))
        return self._change(filename, yanked_at=None, yanked_reason=None)

    async def promote(self, filename: str, *, url: str, by: str) -> IndexedWheel:
        """Record that prod has the wheel."""
        self._live(filename)
        self._state.record_change(wheel_change(filename, Action.WHEEL_PROMOTED, by=by))
        self._change_builds(filename, level=Level.PROD)
        return self._change(filename, level=Level.PROD, url=url)

    async def keep_metadata(self, filename: str, metadata: bytes, *, by: str) -> IndexedWheel:
        """Store a METADATA that was not stored before."""
        self._state.wheels[filename] = replace(self._entry(filename), metadata=metadata)
        self._state.record_change(mending_of(filename, Difference.NO_METADATA, by))
        requires_python = requires_python_of(metadata)
        return self._change(filename, metadata_sha256=sha256(metadata).hexdigest(), requires_python=requires_python)

    async def known_projects(self, prefix: str, *, limit: int) -> tuple[str, ...]:
        """Return projects with a wheel or a build."""
        built = {record.build.order.project for record in self._state.records.values()}
        known = built | {entry.wheel.project for entry in self._state.wheels.values()}
        return tuple(sorted(name for name in known if name.startswith(prefix))[:limit])

    async def contents_of(self, filename: str) -> WheelContents:
        """Return the list of a wheel's files."""
        entry = self._state.wheels.get(filename)
        if entry is None or entry.contents is None:
            raise NotFoundError(kind="contents", name=filename)
        return entry.contents

    async def keep_contents(self, filename: str, contents: WheelContents) -> None:
        """Store the list of a wheel's files."""
        entry = self._entry(filename)
        wheel = replace(entry.wheel, file_count=contents.total)
        self._state.wheels[filename] = replace(entry, contents=contents, wheel=wheel)

    async def delete(self, filename: str, *, by: str) -> IndexedWheel:
        """Remove a wheel from the lists permanently; its name stays taken."""
        deleted_at = self._entry(filename).wheel.deleted_at or self._state.clock()
        self._state.record_change(wheel_change(filename, Action.WHEEL_DELETED, by=by))
        self._change_builds(filename, url=None, index_url=None)
        return self._change(filename, deleted_at=deleted_at)

    async def begin_upload(self, claim: Claim, *, filename: str, sha256: str) -> bool:
        """Record the upload, if the claim still holds."""
        if not self._holds(claim):
            return False
        self._state.uploads.setdefault((filename, sha256), []).append(claim)
        return True

    async def is_orphan(self, filename: str, *, sha256: str) -> bool:
        """Look for the upload, its attempt and its wheel."""
        claims = self._state.uploads.get((filename, sha256), [])
        return bool(claims) and not any(map(self._holds, claims)) and filename not in self._state.wheels

    async def save_report(self, report: IndexReport) -> None:
        """Replace the report."""
        self._last = replace(LastReport.of(report), checked_at=self._state.clock())

    async def last_report(self) -> LastReport | None:
        """Return the newest report."""
        return self._last

    def _holds(self, claim: Claim) -> bool:
        record = self._state.records.get(claim.build_id)
        return record is not None and record.is_held_by(claim)

    def _wheels(self) -> list[IndexedWheel]:
        return [entry.wheel for entry in self._state.wheels.values()]

    def _live_wheels(self) -> list[IndexedWheel]:
        return [wheel for wheel in self._wheels() if wheel.is_wheel and wheel.deleted_at is None]

    def _wheel(self, filename: str) -> IndexedWheel:
        return self._state.wheels[filename].wheel

    def _entry(self, filename: str) -> IndexEntry:
        if filename not in self._state.wheels:
            raise NotFoundError(kind="wheel", name=filename)
        return self._state.wheels[filename]

    def _live(self, filename: str) -> IndexedWheel:
        wheel = self._entry(filename).wheel
        if wheel.deleted_at is not None:
            raise NotFoundError(kind="wheel", name=filename)
        return wheel

    def _change(self, filename: str, **changes: object) -> IndexedWheel:
        entry = self._entry(filename)
        changed = replace(entry, wheel=replace(entry.wheel, **changes))  # type: ignore[arg-type]
        self._state.put_wheel(changed)
        return changed.wheel

    def _change_builds(self, filename: str, **changes: object) -> None:
        for record in self._state.records.values():
            if record.build.wheel is not None and record.build.wheel.filename == filename:
                record.change(wheel=replace(record.build.wheel, **changes))  # type: ignore[arg-type]

    def _summary(self, name: str) -> ProjectSummary:
        wheels = [wheel for wheel in self._live_wheels() if wheel.project == name]
        return ProjectSummary(
            name=name,
            releases=len({wheel.version for wheel in wheels}),
            wheels=len(wheels),
            origins=tuple(sorted({wheel.origin for wheel in wheels})),
            newest_upload_at=max(wheel.uploaded_at for wheel in wheels),
        )


def _has_metadata(wheel: IndexedWheel) -> bool:
    return wheel.metadata_sha256 is not None and wheel.deleted_at is None


def _fits(wheel: IndexedWheel, wanted: WheelFilter) -> bool:
    return (
        wanted.project in {None, wheel.project}
        and wanted.kind in {None, wheel.kind}
        and wanted.origin in {None, wheel.origin}
        and wanted.level in {None, wheel.level}
        and wanted.standing in {None, wheel.standing}
    )
