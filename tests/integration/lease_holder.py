"""A worker that holds a build and does what a test tells it to: a program that test_lease_keeper.py starts."""

import asyncio
import json
import re
import sys
import time
from typing import Any

from wheelyard.adapters.store.attempts import BEAT, PostgresAttempts
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.lease_keeper import LeaseKeeper
from wheelyard.adapters.store.queue import NOTE_DEATH
from wheelyard.adapters.store.wake_ups import BuildQueue


def block_by_a_pattern(seconds: float) -> None:
    """Hold Python's lock for longer than this in one call of C: each letter more doubles the time."""
    for length in range(20, 60):
        begun = time.monotonic()
        re.match(r"(a+)+$", "a" * length + "b")
        if time.monotonic() - begun > seconds:
            return


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def hold(told: dict[str, Any]) -> None:
    async with Database(told["conninfo"]) as database:
        attempts = PostgresAttempts(database, BuildQueue(database.conninfo))
        lease = told["lease_seconds"]
        keeper = LeaseKeeper(
            conninfo=database.conninfo,
            worker="holder",
            lease_seconds=lease,
            statements={"beat": BEAT.encode(), "note_death": NOTE_DEATH},
            patience_seconds=told["patience_seconds"],
        )
        async with keeper:
            claim = await attempts.claim(told["build_id"], worker="holder", lease_seconds=lease)
            assert claim is not None
            with keeper.holding(claim):
                await asyncio.sleep(1.0)  # its child starts
                await attempts.beat(claim, lease_seconds=lease)
                say(held=True)
                begun = time.monotonic()
                if told["do"] == "pattern":
                    block_by_a_pattern(told["seconds"])
                elif told["do"] == "sleep":
                    time.sleep(told["seconds"])  # noqa: ASYNC251 - the loop is meant to stand still
                else:
                    await asyncio.sleep(told["seconds"])
                beat = await attempts.beat(claim, lease_seconds=lease)
                say(
                    blocked=time.monotonic() - begun,
                    since_beat=time.monotonic() - keeper.last_beat(claim),
                    holds=beat.holds_lease,
                )


if __name__ == "__main__":
    asyncio.run(hold(json.loads(sys.stdin.readline())))
