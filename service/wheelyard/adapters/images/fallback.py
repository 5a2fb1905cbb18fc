"""Older images that serve while their successors cannot be made.

A changed definition (a new Dockerfile, a Python's new release, an upgrade of Wheelyard) needs an image that this host
does not have yet. While the mirror is down, or the catalogue has a wrong hash, builds use the newest image of the same
name: docs/decisions/0022-older-images-stand-in.md.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.disk import disk_errors
from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.host.files import write_atomic
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.names import list_images
from wheelyard.adapters.images.prune import Clock, utc_now
from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.catalogue.upkeep import Fallback, choose_fallback
from wheelyard.errors import OperatorError


class FallbackFile:
    """The record of the fallbacks of this host."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[Fallback, ...]:
        """Return the fallbacks; none if the file is missing or broken. Blocks."""
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            return tuple(Fallback(**{**row, "since": datetime.fromisoformat(row["since"])}) for row in rows)
        except (OSError, ValueError, KeyError, TypeError):
            return ()

    def replace(self, definition: str, fallback: Fallback | None) -> None:
        """Replace the fallback of a definition; None removes it. Other processes may write at the same time.

        Blocks. The file is complete at any time.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")).held():
            others = [one for one in self.read() if one.definition != definition]
            self._write([*others, fallback] if fallback else others)

    def _write(self, fallbacks: Iterable[Fallback]) -> None:
        write_atomic(self._path, json.dumps([asdict(one) for one in fallbacks], default=str))


class Fallbacks:
    """Serves an older image where the wanted one cannot be made."""

    def __init__(self, *, engine: EngineCommand, folder: Path, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._folder = folder
        self._file = FallbackFile(folder / "stand-ins.json")
        self._clock = clock

    async def serve(self, name: ImageName, make: Callable[[], Awaitable[str]], report: LineCallback) -> str:
        """Return the id of the image that is made, or of the newest one of its name if it cannot be.

        Raises:
            OperatorError: It cannot be made, and there is no older one.
        """
        noted = next((one for one in await self._read() if one.definition == name.definition), None)
        if noted and noted.is_fresh(self._clock()) and (older := await self._find_instead(name)):
            report(_warn(name, older, noted.reason))
            return older.id
        try:
            made = await make()
        except OperatorError as error:
            older = await self._find_instead(name)
            if older is None:
                raise
            await self._note(name, older, error.summary)
            report(_warn(name, older, error.summary))
            return older.id
        if noted:
            await self._forget(name)
        return made

    async def _find_instead(self, name: ImageName) -> ImageRecord | None:
        """Return the image that can serve; None if there is none, or if the wanted image exists after all."""
        return choose_fallback(await list_images(self._engine), name)

    async def _note(self, name: ImageName, older: ImageRecord, reason: str) -> None:
        fallback = Fallback(definition=name.definition, image=older.id, reason=reason, since=self._clock())
        await self._replace(name, fallback)

    async def _forget(self, name: ImageName) -> None:
        await self._replace(name, None)

    async def _read(self) -> tuple[Fallback, ...]:
        return await asyncio.to_thread(self._file.read)

    async def _replace(self, name: ImageName, fallback: Fallback | None) -> None:
        with disk_errors(self._folder):
            await asyncio.to_thread(self._file.replace, name.definition, fallback)


def _warn(name: ImageName, older: ImageRecord, reason: str) -> str:
    made = older.created_at.strftime("%Y-%m-%d")
    return f"warning: {name.tag} cannot be made, so {older.name} of {made} stands in: {reason}"
