"""The outbox of webhooks in PostgreSQL. The transactions that end prebuilds insert the rows."""

from typing import Final

from wheelyard.adapters.store.database import Connection, Database
from wheelyard.interfaces import DueWebhook

# Due again after the lease, unless its sender changes that before.
_CLAIM: Final = """
update webhooks set attempts = attempts + 1, due_at = now() + make_interval(secs => %(lease)s)
where prebuild_id = (select prebuild_id from webhooks where due_at <= now() order by due_at limit 1
                     for update skip locked)
returning prebuild_id, url, attempts
"""
_DELIVERED: Final = """
update webhooks set due_at = null, delivered_at = now(), fault = null
where prebuild_id = %(id)s and attempts = %(attempt)s returning prebuild_id
"""
_FAILED: Final = """
update webhooks set fault = %(fault)s, due_at = now() + make_interval(secs => %(pause)s),
       given_up_at = case when %(pause)s::float8 is null then now() end
where prebuild_id = %(id)s and attempts = %(attempt)s returning prebuild_id
"""
_PUT: Final = b"insert into webhooks (prebuild_id, url) values (%(id)s, %(url)s) on conflict do nothing"


class PostgresWebhooks:
    """Store webhooks that are due in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, *, lease_seconds: float) -> DueWebhook | None:
        """Claim the webhook that has been due for longest; None if there is none."""
        row = await self._database.fetch_one(_CLAIM, {"lease": lease_seconds})
        if row is None:
            return None
        return DueWebhook(prebuild_id=str(row["prebuild_id"]), url=row["url"], attempt=row["attempts"])

    async def delivered(self, due: DueWebhook) -> None:
        """Record that it was delivered."""
        await self._database.fetch_one(_DELIVERED, {"id": due.prebuild_id, "attempt": due.attempt})

    async def failed(self, due: DueWebhook, fault: str, *, pause_seconds: float | None) -> None:
        """Record why it failed, and when it is due again; a pause of None means never."""
        values = {"id": due.prebuild_id, "attempt": due.attempt, "fault": fault, "pause": pause_seconds}
        await self._database.fetch_one(_FAILED, values)


async def put_webhook(connection: Connection, prebuild_id: str, url: str | None) -> None:
    """Insert the webhook of a prebuild's end, if it has one."""
    if url is not None:
        await connection.execute(_PUT, {"id": prebuild_id, "url": url})
