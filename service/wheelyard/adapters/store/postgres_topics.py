"""What PostgreSQL tells of as soon as a transaction commits: changes of a build, and the wish to cancel it.

Must not change anything.
"""

from wheelyard.adapters.store.database import CHANNEL, Connection


async def notify(connection: Connection, topic: str) -> None:
    """Wake whoever watches a build (its id is the topic), when the transaction commits."""
    await connection.execute(b"select pg_notify(%s, %s)", (CHANNEL, topic))


def cancel_topic(build_id: str) -> str:
    """Name what the worker of a build watches."""
    return f"cancel {build_id}"
