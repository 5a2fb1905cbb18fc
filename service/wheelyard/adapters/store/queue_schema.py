"""The queue's own tables, as procrastinate ships them: made once, then brought up to date with its migrations.

Must not touch our tables, and must be called by one process at a time (``database.migrate`` sees to it).
"""

from pathlib import Path
from typing import Any, Final

import psycopg
from procrastinate.schema import SchemaManager

# The newest that the first release had: it did not write down yet which ones it had.
_UNWRITTEN: Final = "03.04.00_50_post_add_retry_failed_job_procedure.sql"
_RECORD: Final = b"create table if not exists queue_migrations (name text primary key)"
_INDEX: Final = b"create index on procrastinate_jobs ((args->>'build_id'))"
_NOTE: Final = b"insert into queue_migrations (name) values (%s)"

Connection = psycopg.Connection[Any]


def bring_queue_up_to_date(connection: Connection) -> None:
    """Make the queue's tables, or apply the migrations that they lack; the connection must be in autocommit mode.

    The names of procrastinate's migrations are in order:
    https://procrastinate.readthedocs.io/en/stable/howto/production/migrations.html
    """
    shipped = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"), key=lambda path: path.name)
    connection.execute(_RECORD)
    if _is_missing(connection):
        with connection.transaction():
            connection.execute(SchemaManager.get_schema().encode())
            connection.execute(_INDEX)
            connection.execute(_NOTE, [shipped[-1].name])
        return
    newest = _newest(connection)
    for file in shipped:
        if file.name > newest:
            with connection.transaction():
                connection.execute(file.read_bytes())
                connection.execute(_NOTE, [file.name])


def _is_missing(connection: Connection) -> bool:
    row = connection.execute(b"select to_regclass('procrastinate_jobs') is null").fetchone()
    return bool(row and row[0])


def _newest(connection: Connection) -> str:
    row = connection.execute(b"select max(name) from queue_migrations").fetchone()
    return (row and row[0]) or _UNWRITTEN
