"""Back up and restore what cannot be rebuilt: the database, devpi's files, and the keys of the signing authority."""

import asyncio
import contextlib
import hashlib
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard import __version__
from wheelyard.adapters.host.file_lock import FileLock
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.servers.devpi_copy import copy_devpi, put_back_devpi
from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.servers.postgres_dump import dump_database, is_empty, restore_database
from wheelyard.adapters.servers.processes import make_workshop
from wheelyard.adapters.store.access import PostgresAudit
from wheelyard.adapters.store.database import Database
from wheelyard.assembly.access import database_address, host_user
from wheelyard.domain.access import Action, Change
from wheelyard.errors import BackupUnusableError, DatabaseUnavailableError
from wheelyard.settings import Settings

_MANIFEST: Final = "manifest.json"
_DATABASE: Final = "database.dump"
_DEVPI: Final = "devpi"
_AUTHORITY: Final = "authority"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """The content of a backup."""

    database: bool
    devpi: bool
    authority: bool
    """The certificates and keys of the service's own authority, and of those that it replaced."""
    size_bytes: int


async def back_up(settings: Settings, target: Path) -> Contents:
    """Write a backup of the database, devpi's files and the authority that the settings name.

    The service may be running.

    The database goes first, so that the index never lists a wheel that the backup lacks.

    Raises:
        BackupUnusableError: the folder exists, or there is nothing here to back up.
        DatabaseUnavailableError: the database does not answer.
    """
    has_database, has_devpi = await asyncio.to_thread(_find, settings, target)
    fresh = await asyncio.to_thread(_workshop_of, target)
    async with contextlib.AsyncExitStack() as undo:
        undo.push_async_callback(asyncio.to_thread, shutil.rmtree, fresh)
        if has_database:
            async with _database(settings) as conninfo:
                await dump_database(conninfo, fresh / _DATABASE)
        if has_devpi:
            await asyncio.to_thread(copy_devpi, StateDir(settings.state_dir).devpi, fresh / _DEVPI)
        await asyncio.to_thread(_copy_authority, StateDir(settings.state_dir).authority, fresh / _AUTHORITY)
        await asyncio.to_thread(_seal, fresh)
        fresh.rename(target)
        undo.pop_all()
    return _contents(target)


def _find(settings: Settings, target: Path) -> tuple[bool, bool]:
    """Return whether the database and devpi's files are here to be backed up."""
    if target.exists():
        raise BackupUnusableError(reason=f"{target} exists already")
    state = StateDir(settings.state_dir)
    has_database = settings.database_url is not None or state.postgres.exists()
    has_devpi = state.devpi_data.exists()
    if not has_database and not has_devpi:
        raise BackupUnusableError(reason=f"neither a database nor devpi's files are in {settings.state_dir}")
    return has_database, has_devpi


async def restore(settings: Settings, source: Path) -> Contents:
    """Restore a backup into an empty database and a state directory without devpi's files.

    Raises:
        BackupUnusableError: the backup is damaged, or there is something already.
        AlreadyRunningError: the service runs on this state directory.
    """
    await asyncio.to_thread(_check, source)
    contents = _contents(source)
    state = StateDir(settings.state_dir)
    home = state.devpi
    await asyncio.to_thread(state.make)
    with FileLock(state.lock):
        if contents.devpi and home.exists():
            raise BackupUnusableError(reason=f"{home} exists already: a backup is never mixed with what is there")
        if contents.authority and state.authority.exists():
            raise BackupUnusableError(reason=f"{state.authority} exists already: move it away, or keep it elsewhere")
        if contents.database:
            await _restore_database(settings, source / _DATABASE)
        if contents.devpi:
            await asyncio.to_thread(put_back_devpi, source / _DEVPI, home)
        await asyncio.to_thread(_copy_authority, source / _AUTHORITY, state.authority)
    return contents


def _copy_authority(source: Path, target: Path) -> None:
    """Copy the folder of keys with its modes, if there is one: nobody else may read it."""
    if source.exists():
        shutil.copytree(source, target)


async def _restore_database(settings: Settings, dump: Path) -> None:
    async with _database(settings) as conninfo:
        if not await is_empty(conninfo):
            raise BackupUnusableError(reason="the database has tables already: a backup is never mixed with others")
        await restore_database(conninfo, dump)
        # The restored audit log ends at the backup; the restoration is the first entry after it.
        async with Database(conninfo, pool_size=1) as database:
            restored = Change(actor=host_user(), action=Action.BACKUP_RESTORED, object=dump.parent.name)
            await PostgresAudit(database).record(restored)


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[str]:
    """Yield the database's URL; an embedded database that does not run is started for the block."""
    conninfo = database_address(settings)
    if settings.database_url is None and not await _answers(conninfo):
        async with EmbeddedPostgres(settings.state_dir) as url:
            yield url
    else:
        yield conninfo


async def _answers(conninfo: str) -> bool:
    try:
        await is_empty(conninfo)
    except DatabaseUnavailableError:
        return False
    return True


def _workshop_of(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return make_workshop(target.parent, target.name)


def _seal(folder: Path) -> None:
    """Record every file with its hash."""
    files = {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    text = json.dumps({"wheelyard": __version__, "files": files}, indent=1)
    (folder / _MANIFEST).write_text(text, encoding="utf-8")


def _check(folder: Path) -> None:
    """Raise BackupUnusableError unless every file is there with its recorded hash."""
    try:
        files = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError) as error:
        raise BackupUnusableError(reason=f"{folder} has no readable {_MANIFEST}") from error
    for name, digest in files.items():
        path = folder / name
        if not path.is_file() or _digest(path) != digest:
            raise BackupUnusableError(reason=f"{path} is missing or is not what was written")


def _contents(folder: Path) -> Contents:
    return Contents(
        database=(folder / _DATABASE).exists(),
        devpi=(folder / _DEVPI).exists(),
        authority=(folder / _AUTHORITY).exists(),
        size_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
