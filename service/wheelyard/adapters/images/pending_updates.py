"""The pending updates that somebody last found, kept in a file of the host. Must not look for any."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from wheelyard.adapters.servers.processes import FileLock
from wheelyard.domain.catalogue.packages import PackageChange
from wheelyard.domain.catalogue.status import PendingUpdates


class PendingFile:
    """One JSON file: for each suite when it was looked at, and what was found."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, PendingUpdates]:
        """Read what was last found, by suite; a file that is missing or broken has nothing. Blocks."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            return {suite: _read_entry(entry) for suite, entry in document.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def write(self, suite: str, changes: Sequence[PackageChange], *, now: datetime) -> None:
        """Record what was found for a suite; those of others stay, whoever writes beside us. Blocks.

        The file is whole at any time.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")).held():
            self._write({**self.read(), suite: PendingUpdates(checked=now, changes=tuple(changes))})

    def _write(self, entries: dict[str, PendingUpdates]) -> None:
        with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False, encoding="utf-8") as stream:
            json.dump({name: asdict(entry) for name, entry in entries.items()}, stream, default=str)
        Path(stream.name).replace(self._path)


def _read_entry(entry: dict[str, object]) -> PendingUpdates:
    changes = entry["changes"]
    rows = changes if isinstance(changes, list) else []
    found = tuple(PackageChange(**row) for row in rows)
    return PendingUpdates(checked=datetime.fromisoformat(str(entry["checked"])), changes=found)
