"""Watch a build's output, on its way to the log, for the extension modules that it tries to make."""

from typing import Final

from wheelyard.domain.builds.expectations import TriedModule
from wheelyard.domain.untrusted.tried_modules import MAX_LINE_BYTES, read_tried_module
from wheelyard.interfaces import LogSink

_MAX_MODULES: Final = 500
_SHOWN: Final = 300


class TriedModules:
    """A LogSink that passes everything on."""

    def __init__(self, log: LogSink) -> None:
        self._log = log
        self._rest = b""
        self._found: dict[str, str] = {}

    async def write(self, data: bytes) -> None:
        """Write output of a container, and look at its complete lines."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: MAX_LINE_BYTES + 1]  # a longer line is not looked at, so its end does not matter
        for line in lines:
            self._look(line)
        await self._log.write(data)

    async def note(self, text: str, *, stage: str | None = None) -> None:
        """Write a note of our own, which is not looked at."""
        await self._log.note(text, stage=stage)

    def found(self) -> tuple[TriedModule, ...]:
        """Return the modules in the order in which they were tried."""
        self._look(self._rest)
        return tuple(TriedModule(name=name, line=line) for name, line in self._found.items())

    def _look(self, line: bytes) -> None:
        name = read_tried_module(line)
        if name is not None and len(self._found) < _MAX_MODULES:
            text = line.decode(errors="replace").strip()
            self._found.setdefault(name, "".join(one if one.isprintable() else "?" for one in text)[:_SHOWN])
