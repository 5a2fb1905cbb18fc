"""Fetches recipes before the API opens its port. Must not read any."""

import asyncio
import contextlib
from typing import Final

from wheelyard.adapters.recipes.folders import RecipeFolders

FIRST_FETCH_SECONDS: Final = 15.0
"""How long a start waits for repositories; one that is slower is fetched in the background, as one that is away is."""


async def fetch_first(recipes: RecipeFolders, *, seconds: float = FIRST_FETCH_SECONDS) -> None:
    """Fetch what was never fetched, so that the first request does not come too early; returns when time is up."""
    if recipes.lacks_any():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await recipes.update()
