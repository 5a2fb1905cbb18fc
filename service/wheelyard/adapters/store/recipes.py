"""Recipes that the service keeps itself, in PostgreSQL: every revision of each."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Final

from packaging.utils import NormalizedName
from psycopg.errors import UniqueViolation

from wheelyard.adapters.store.access import record_change
from wheelyard.adapters.store.database import Connection, Database, notify
from wheelyard.adapters.store.rows import Row, order_columns
from wheelyard.domain.builds.audit_entries import recipe_change
from wheelyard.domain.recipes.revision import AdoptedOrder, NewRevision, RecipeRevision, number_after
from wheelyard.errors import DatabaseUnavailableError

TOPIC: Final = "recipes"
"""What is notified of each change."""
# One lock for all projects, so that sequence numbers become visible in their order: a reader that has seen one has seen
# all before it.
_LOCK: Final = b"select pg_advisory_xact_lock(hashtext('wheelyard recipes'))"
_SELECT: Final = b"select * from recipe_revisions where project = %(project)s order by number desc limit 1"
_INSERT: Final = b"""
insert into recipe_revisions (project, number, text, saved_by, build_id)
values (%(project)s, %(number)s, %(text)s, %(by)s, %(build_id)s) returning *
"""
_CHANGES: Final = """
select distinct on (project) * from recipe_revisions where sequence > %(after)s order by project, number desc
"""
_HISTORY: Final = """
select * from recipe_revisions where project = %(project)s and (%(before)s::integer is null or number < %(before)s)
order by number desc limit %(limit)s
"""
_HEALED: Final = """
select b.id from builds b join attempts a on a.build_id = b.id and a.number = b.attempt
where b.project = %(project)s and b.status = 'succeeded' and a.healing->>'recipe' <> ''
order by b.sequence desc limit 1
"""
_COUNT_AS: Final = b"""
update builds set key = %(key)s, recipe = %(recipe)s, recipe_digest = %(recipe_digest)s
where id = %(id)s and key = %(former_key)s and status = 'succeeded'
"""


class PostgresRecipes:
    """Store the service's own recipes in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changes(self, *, after: int) -> tuple[RecipeRevision, ...]:
        """Return the newest revision of each project that has one after a sequence number."""
        return tuple(map(_revision_of, await self._database.ask(_CHANGES, {"after": after})))

    async def history(
        self, project: NormalizedName, *, before: int | None = None, limit: int
    ) -> tuple[RecipeRevision, ...]:
        """Return a project's revisions, newest first."""
        wanted = {"project": project, "before": before, "limit": limit}
        return tuple(map(_revision_of, await self._database.fetch_all(_HISTORY, wanted)))

    async def find_healed(self, project: NormalizedName) -> str | None:
        """Return the id of a project's newest succeeded build that comes with a recipe."""
        row = await self._database.fetch_one(_HEALED, {"project": project})
        return None if row is None else str(row["id"])

    async def save(
        self, new: NewRevision, *, expected: int | None = None, counts_as: AdoptedOrder | None = None
    ) -> RecipeRevision:
        """Store a revision, its entry in the audit log, and what the healed build counts as, in one transaction."""
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            row = await (await connection.execute(_SELECT, {"project": new.project})).fetchone()
            former = None if row is None else _revision_of(row)
            number = number_after(former, new, expected=expected)
            saved = former if number is None else await _insert(connection, new, number)
            if counts_as is not None:
                await _count_as(connection, counts_as)
        if saved is None:
            raise DatabaseUnavailableError(reason="it returned no row for a new revision")
        return saved

    async def count_as(self, adopted: AdoptedOrder) -> None:
        """Let a healed build count as built by its adopted recipe, unless another build does already."""
        async with self._database.transaction() as connection:
            await _count_as(connection, adopted)

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Yield an iterator that yields at once, at each change, and at least every second."""
        return self._database.watch(TOPIC)


async def _insert(connection: Connection, new: NewRevision, number: int) -> RecipeRevision | None:
    values: Row = {"project": new.project, "number": number, "text": new.text, "by": new.by, "build_id": new.build_id}
    row = await (await connection.execute(_INSERT, values)).fetchone()
    if row is None:
        return None
    await record_change(connection, recipe_change(saved := _revision_of(row)))
    await notify(connection, TOPIC)
    return saved


async def _count_as(connection: Connection, adopted: AdoptedOrder) -> None:
    """Give a build the key and the recipe of its new order; a build that has this key already stays the only one."""
    values = {**order_columns(adopted.order), "id": adopted.build_id, "former_key": adopted.former_key}
    with contextlib.suppress(UniqueViolation):
        async with connection.transaction():
            await connection.execute(_COUNT_AS, values)


def _revision_of(row: Row) -> RecipeRevision:
    return RecipeRevision(
        project=row["project"],
        number=row["number"],
        sequence=row["sequence"],
        text=row["text"],
        by=row["saved_by"],
        at=row["saved_at"],
        build_id=None if row["build_id"] is None else str(row["build_id"]),
    )
