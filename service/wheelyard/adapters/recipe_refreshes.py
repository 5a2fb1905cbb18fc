"""Keeps recipes up to date, beside the API. Must not read any."""

import asyncio
import contextlib
from typing import Final, NoReturn

from wheelyard.adapters.recipe_folders import RecipeFolders

FIRST_FETCH_SECONDS: Final = 15.0
"""How long a start waits for repositories; one that is slower is fetched in the background, as one that is away is."""


async def fetch_first(recipes: RecipeFolders, *, seconds: float = FIRST_FETCH_SECONDS) -> None:
    """Fetch what was never fetched, so that the first request does not come too early; returns when time is up."""
    if recipes.lacks_any():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await recipes.update()


async def keep_current(recipes: RecipeFolders, *, interval_seconds: float) -> NoReturn:
    """Fetch what is in repositories, and again after each interval, until cancelled."""
    while True:
        await recipes.update()
        await asyncio.sleep(interval_seconds)
