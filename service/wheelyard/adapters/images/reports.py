"""What the last refresh of each suite changed on this host, stored in files."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.host.files import write_atomic
from wheelyard.domain.catalogue.packages import PackageChange
from wheelyard.domain.catalogue.status import PendingUpdates
from wheelyard.domain.catalogue.upkeep import ImageRefresh, RefreshReport


class RefreshReports:
    """One JSON file for each suite."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, suite: str) -> RefreshReport | None:
        """Return a suite's last report; None if there is none, or if its file is broken. Blocks."""
        try:
            document = json.loads((self._folder / f"{suite}.json").read_text(encoding="utf-8"))
            images = tuple(_read_image(row) for row in document["images"])
            return RefreshReport(at=datetime.fromisoformat(document["at"]), images=images)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def read_all(self, suites: Iterable[str]) -> dict[str, RefreshReport]:
        """Return the last report of each suite that has one. Blocks."""
        found = {suite: self.read(suite) for suite in suites}
        return {suite: report for suite, report in found.items() if report is not None}

    def write(self, suite: str, images: Sequence[ImageRefresh], *, now: datetime) -> None:
        """Replace a suite's report. The file is complete at any time. Blocks."""
        self._folder.mkdir(parents=True, exist_ok=True)
        report = json.dumps(asdict(RefreshReport(at=now, images=tuple(images))), default=str)
        write_atomic(self._folder / f"{suite}.json", report)


def _read_image(row: dict[str, Any]) -> ImageRefresh:
    lists = {name: tuple(PackageChange(**change) for change in row[name]) for name in ("pending", "changes")}
    return ImageRefresh(**{**row, **lists})


class PendingFile:
    """One JSON file: for each suite when it was checked, and what was found."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, PendingUpdates]:
        """Return what was last found, by suite; nothing if the file is missing or broken. Blocks."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return {suite: _read_entry(entry) for suite, entry in document.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def write(self, suite: str, changes: Sequence[PackageChange], *, now: datetime) -> None:
        """Record what was found for a suite. Other processes may write at the same time.

        Blocks. The file is complete at any time.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")).held():
            self._write({**self.read(), suite: PendingUpdates(checked=now, changes=tuple(changes))})

    def _write(self, entries: dict[str, PendingUpdates]) -> None:
        document = {name: asdict(entry) for name, entry in entries.items()}
        write_atomic(self._path, json.dumps(document, default=str))


def _read_entry(entry: dict[str, object]) -> PendingUpdates:
    changes = entry["changes"]
    rows = changes if isinstance(changes, list) else []
    found = tuple(PackageChange(**row) for row in rows)
    return PendingUpdates(checked=datetime.fromisoformat(str(entry["checked"])), changes=found)
