"""Containers that a former worker left: killed and removed. Must not know what ran in them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.names import PROJECT_LABEL
from wheelyard.logs import get_logger

_AGAIN_SECONDS: Final = 1.0
_TRIES: Final = 5

_log = get_logger(__name__)


async def remove_leftovers(
    engine: EngineCommand, labels: Mapping[str, str], *, again_seconds: float = _AGAIN_SECONDS
) -> int:
    """Remove the containers of ours that have these labels, and say how many there were; twice is no harm.

    An engine that has just come back may not be able to remove yet what outlived it, so it is asked again. What is left
    after that is in the log, and the next to ask tries it anew.
    """
    wanted = [PROJECT_LABEL, *(f"{key}={value}" for key, value in labels.items())]
    found, reason = set[str](), ""
    for _ in range(_TRIES):
        ids = await _list_containers(engine, wanted)
        found.update(ids)
        removed = await engine.run(["rm", "--force", *ids], check=False) if ids else None
        if removed is None or removed.returncode == 0:
            return len(found)
        reason = removed.error_text
        await asyncio.sleep(again_seconds)
    if left := await _list_containers(engine, wanted):
        _log.warning("leftovers-remain", containers=left, tries=_TRIES, reason=reason)
    return len(found)


async def _list_containers(engine: EngineCommand, labels: Sequence[str]) -> list[str]:
    filters = [part for label in labels for part in ("--filter", f"label={label}")]
    return (await engine.run(["ps", "--all", "--quiet", "--no-trunc", *filters])).text.split()
