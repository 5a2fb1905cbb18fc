"""Containers with other surroundings than those of an ordinary build, none of which may get into a wheel."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final

from wheelyard.interfaces import Container, ContainerSpec, Engine, LogSink

_ENVIRONMENT: Final = {"LANG": "C", "LC_ALL": "C", "TZ": "Pacific/Kiritimati"}
"""Fourteen hours ahead of UTC: another day for most of it."""
_UNDER_OTHER_UMASK: Final = ("/bin/sh", "-c", 'umask 0077; exec "$@"', "sh")


class OtherSurroundings:
    """Run each container under another host name, time zone, locale and umask, on one processor.

    Its user and the time of day are others than before in any case.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run(self, spec: ContainerSpec, *, log: LogSink) -> AbstractAsyncContextManager[Container]:
        """Run a container; it is killed and removed when the block ends."""
        other = replace(
            spec,
            hostname="elsewhere",
            processors="0",
            env={**spec.env, **_ENVIRONMENT},
            command=(*_UNDER_OTHER_UMASK, *spec.command),
        )
        return self._engine.run(other, log=log)

    async def remove_leftovers(self, labels: Mapping[str, str]) -> int:
        """Kill and remove our containers with these labels."""
        return await self._engine.remove_leftovers(labels)

    async def ping(self) -> None:
        """Return if the engine answers."""
        await self._engine.ping()
