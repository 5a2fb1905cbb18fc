"""Compare what devpi holds with the database, and repair what can be repaired.

A wheel whose bytes are lost cannot be repaired, only rebuilt. A file that is not in the database is left alone: it may
belong to a build that is about to be recorded.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from wheelyard.domain.builds.audit_entries import mending_of
from wheelyard.domain.builds.records import MAX_PAGE_SIZE
from wheelyard.domain.index.check import Difference, Finding, IndexReport, LastReport, compare, spoilt_copies
from wheelyard.domain.index.index import HeldFile, Level
from wheelyard.domain.index.wheels import IndexedWheel, WheelFilter
from wheelyard.interfaces import AuditStore, PeriodicStore, WheelCopies, WheelIndex, WheelStorage, WheelStore
from wheelyard.logs import get_logger
from wheelyard.usecases.manage_wheels import fetch_wheel, publish_file
from wheelyard.wheel_files.reader import RefusedWheelError, read_wheel

_log = get_logger(__name__)
_MENDABLE: Final = frozenset(
    {Difference.MISSING, Difference.NOT_DELETED, Difference.NO_METADATA, Difference.NO_CONTENTS}
)


class CheckIndex:
    """The use case behind ``wheelyard index check``."""

    def __init__(
        self,
        *,
        wheels: WheelStore,
        storage: WheelStorage,
        indexes: Mapping[Level, WheelIndex],
        audit: AuditStore,
        copies: WheelCopies | None = None,
    ) -> None:
        """Set what is compared; ``copies`` are those of this host, if it has any."""
        self._wheels = wheels
        self._storage = storage
        self._indexes = indexes
        self._audit = audit
        self._copies = copies

    async def __call__(self, *, mend: bool, by: str) -> IndexReport:
        """Compare, and with ``mend`` repair what can be repaired; raise IndexUnavailableError if devpi does not answer.

        ``by`` is the name in the audit log of a repair.
        """
        held = await self._storage.list_files()
        wheels = await self._all_wheels()
        findings = [
            await self._repair(finding, wheel, held, by) if mend and wheel is not None else finding
            for finding, wheel in compare(wheels, held)
        ]
        if self._copies is not None:
            findings += spoilt_copies(await self._copies.verify(), wheels)
        listed = sum(wheel.deleted_at is None for wheel in wheels)
        report = IndexReport(wheels=listed, files=len(held), findings=tuple(findings))
        await self._wheels.save_report(report)
        return report

    async def last(self) -> LastReport | None:
        """Return the newest report; None if there was no comparison yet."""
        return await self._wheels.last_report()

    async def _all_wheels(self) -> list[IndexedWheel]:
        # The database is read after devpi's list. A wheel that is published in between is then known here, and missing
        # in the list for a moment only.
        wheels: list[IndexedWheel] = []
        before: str | None = None
        while True:
            page = await self._wheels.list_wheels(WheelFilter(before=before, limit=MAX_PAGE_SIZE))
            wheels += page.wheels
            if page.next_before is None:
                return wheels
            before = page.next_before

    async def _repair(self, finding: Finding, wheel: IndexedWheel, held: tuple[HeldFile, ...], by: str) -> Finding:
        if finding.difference not in _MENDABLE:
            return finding
        if finding.difference in {Difference.NO_METADATA, Difference.NO_CONTENTS}:
            try:
                await self._look_inside(wheel, by)
            except RefusedWheelError as error:
                _log.warning("wheel-unreadable", filename=wheel.filename, reason=str(error))
                return finding
            return replace(finding, mended=True)
        if finding.difference is Difference.NOT_DELETED:
            await self._storage.remove(wheel.project, wheel.filename)
        elif copy := next((one for one in held if _is_copy(one, wheel)), None):
            await self._publish_again(wheel, copy)
        else:
            return finding
        # devpi's files are in no transaction of ours, so this is recorded once it is done.
        await self._audit.record(mending_of(wheel.filename, finding.difference, by))
        return replace(finding, mended=True)

    async def _look_inside(self, wheel: IndexedWheel, by: str) -> None:
        with TemporaryDirectory(prefix="wheelyard-metadata-") as folder:
            path = await fetch_wheel(self._storage, wheel, Path(folder))
            inside = await asyncio.to_thread(read_wheel, path, bounded=True)
        if wheel.metadata_sha256 is None:
            await self._wheels.keep_metadata(wheel.filename, inside.metadata, by=by)
        else:
            await self._audit.record(mending_of(wheel.filename, Difference.NO_CONTENTS, by))
        await self._wheels.keep_contents(wheel.filename, inside.contents)

    async def _publish_again(self, wheel: IndexedWheel, copy: HeldFile) -> None:
        with TemporaryDirectory(prefix="wheelyard-mend-") as folder:
            path = await fetch_wheel(self._storage, replace(wheel, url=copy.url), Path(folder))
            await publish_file(self._indexes[wheel.level], self._wheels, wheel, path)


def _is_copy(file: HeldFile, wheel: IndexedWheel) -> bool:
    return file.filename == wheel.filename and file.sha256 == wheel.sha256


CHECK_SECONDS: Final = 6 * 3600.0


class RegularCheck:
    """A comparison that any worker may make, but only one at a time does; the report is stored for the pages."""

    def __init__(self, store: PeriodicStore, check: CheckIndex) -> None:
        self._store = store
        self._check = check

    async def __call__(self) -> bool:
        """Compare if it is time; return whether this worker did it; raise IndexUnavailableError."""
        if not await self._store.begin("index-check", interval_seconds=CHECK_SECONDS):
            return False
        report = await self._check(mend=False, by="a worker")
        _log.info("index-checked", wheels=report.wheels, files=report.files, differences=len(report.findings))
        return True
