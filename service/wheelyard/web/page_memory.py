"""What pages remember between requests, kept with the application, not globally."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import Request

from wheelyard.web.remembered import Remembered

Answer = TypeVar("Answer")
_MOST = 400
"""Names of projects are among the names, so they must not become many; the oldest is forgotten first."""


def memory_of(
    request: Request, name: str, ask: Callable[[], Awaitable[Answer]], *, seconds: float
) -> Remembered[Answer]:
    """Give what the application remembers under a name; the first caller says how it is asked."""
    memories: dict[str, Remembered[Answer]] = request.app.state.page_memories
    while len(memories) >= _MOST and name not in memories:
        memories.pop(next(iter(memories)))
    return memories.setdefault(name, Remembered(ask, seconds=seconds))
