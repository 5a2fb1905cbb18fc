"""Dump and restore a database with PostgreSQL's own programs."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psycopg
import psycopg.conninfo
from psycopg.pq import Conninfo

from wheelyard.adapters.host.process import run_program
from wheelyard.adapters.host.state_dir import StateDir
from wheelyard.adapters.servers.postgres_files import find_binaries
from wheelyard.errors import BackupUnusableError, DatabaseUnavailableError

_RESTORE: Final = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")


async def dump_database(conninfo: str, file: Path) -> None:
    """Write a consistent state of a database, which may be in use, to a file; raise BackupUnusableError."""
    await _run(conninfo, "pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={file}"])


async def restore_database(conninfo: str, file: Path) -> None:
    """Fill an empty database from a dump, completely or not at all; raise BackupUnusableError."""
    name = str(psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"])
    await _run(conninfo, "pg_restore", [*_RESTORE, f"--dbname={name}", str(file)])


async def is_empty(conninfo: str) -> bool:
    """Return whether a database has no table of ours; raise DatabaseUnavailableError if it does not answer."""
    try:
        async with await psycopg.AsyncConnection.connect(conninfo, connect_timeout=5) as connection:
            cursor = await connection.execute("select to_regclass('builds') is null")
            row = await cursor.fetchone()
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(reason=str(error).strip().partition("\n")[0]) from error
    return row is not None and bool(row[0])


async def _run(conninfo: str, program: str, arguments: Sequence[str]) -> None:
    command = [str(find_binaries(StateDir(Path()), None) / program), "--no-password", *arguments]
    completed = await run_program(command, env=_environment(conninfo))
    if completed.returncode:
        raise BackupUnusableError(reason=f"{program} ended with status {completed.returncode}: {completed.error_text}")


def _environment(conninfo: str) -> dict[str, str]:
    """Return the connection in libpq's variables: other users can read a command line, with a password in it."""
    names = {option.keyword.decode(): option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar}
    wanted = {names[key]: str(value) for key, value in psycopg.conninfo.conninfo_to_dict(conninfo).items()}
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | wanted
