"""Our end of the conversation with the agent in a container (builders/README.md describes the protocol).

Everything that is read is untrusted: it has limits, is checked, and is refused with the reason.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wheelyard.domain.builds.build import Stage, storable
from wheelyard.domain.untrusted.json_text import read_json
from wheelyard.errors import ContainerLostError, OutOfMemoryError, OutputLimitError, UntrustedOutputError, WheelLie
from wheelyard.interfaces import Container, ParserPool
from wheelyard.pipeline.limits import GrantedLimits

_HEADER_BYTES: Final = 2 << 20
_SHORT_HEADER_BYTES: Final = 64 << 10
"""The longest header that is parsed here; the parsers' processes parse longer ones."""
_BLOCK_BYTES: Final = 1 << 20
_MAX_FILES: Final = 16
_LARGEST: Final = 1 << 63
_KILLED: Final = 137
# SIGHUP, SIGINT, SIGQUIT, SIGKILL and SIGTERM. No process inside can send them to the agent, which is its first process
# (https://manpages.ubuntu.com/manpages/noble/man7/pid_namespaces.7.html). 75 is the agent's own code: it lost the
# connection, and we had not closed it. Below zero, the engine's client was killed.
_ENDED_FROM_OUTSIDE: Final = frozenset({75, 129, 130, 131, _KILLED, 143})
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]{0,250}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A header from the agent; its fields are untrusted."""

    kind: str
    fields: dict[str, Any]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a field that must be a list of text; raise ValueError."""
        value = self.fields.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"its {self.kind} has no list of text {name!r}")
        return tuple(value)


class Conversation:
    """The conversation of a job with one container."""

    def __init__(  # noqa: PLR0913  each is about what may come
        self,
        container: Container,
        *,
        stage: Stage,
        outbox: Path,
        output_bytes: int,
        limits: GrantedLimits,
        parsers: ParserPool,
    ) -> None:
        self._container = container
        self._parsers = parsers
        self._stage = stage
        self._outbox = outbox
        self._output_bytes = self._room = output_bytes
        self._limits = limits
        self.files: dict[str, Path] = {}
        """The received files, by name."""

    async def start(self, agent: bytes) -> None:
        """Send the agent's program, which the bootstrap waits for."""
        await self._send(str(len(agent)).encode() + b"\n" + agent)

    async def send(self, kind: str, **fields: object) -> None:
        """Send a header."""
        await self._send(json.dumps({"kind": kind, **fields}).encode() + b"\n")

    async def send_file(self, path: Path, *, name: str | None = None) -> None:
        """Send a file."""
        with path.open("rb") as file:
            await self.send("file", name=name or path.name, size=os.fstat(file.fileno()).st_size)
            while block := file.read(_BLOCK_BYTES):
                await self._send(block)

    async def receive(self) -> Message:
        """Return the next message that is no file; files before it are in the outbox.

        Raises:
            UntrustedOutputError: what came violates the protocol, or nothing came.
            OutputLimitError: more came than is accepted from a container.
            OutOfMemoryError: the container was killed for want of memory.
            ContainerLostError: something outside ended the container.
        """
        while True:
            message = await self._read_message()
            if message.kind != "file":
                return message
            await self._take_file(message)

    def refuse(self, reason: str, *, lies: Sequence[WheelLie] = ()) -> UntrustedOutputError:
        """Return the error for output that violates the protocol, or for a wheel with false claims."""
        return UntrustedOutputError(stage=self._stage.value, reason=reason, lies=lies)

    def _too_large(self, size: int) -> OutputLimitError:
        sent = self._output_bytes - self._room + size
        limit = self._output_bytes
        return OutputLimitError(stage=self._stage.value, size_bytes=min(sent, _LARGEST), limit_bytes=limit)

    async def _send(self, data: bytes) -> None:
        try:
            await self._container.write(data)
        except (ConnectionError, RuntimeError) as error:
            raise await self._ended() from error

    async def _read_message(self) -> Message:
        try:
            line = await self._container.read_line(_HEADER_BYTES)
            if not line:
                raise await self._ended()
            fields = await self._read_header(line)
        except (ValueError, RecursionError) as error:
            raise self.refuse(f"a header cannot be read ({error})") from error
        if not isinstance(fields, dict) or not isinstance(fields.get("kind"), str):
            raise self.refuse("a header has no kind")
        return Message(kind=fields["kind"], fields=fields)

    async def _read_header(self, line: bytes) -> object:
        if len(line) <= _SHORT_HEADER_BYTES:
            return read_header(line)
        what = f"a header of {len(line)} bytes"
        return await self._parsers.run(read_header, line, what=what, caller=str(self._outbox))

    async def _take_file(self, message: Message) -> None:
        name, size = message.fields.get("name"), message.fields.get("size")
        if not isinstance(name, str) or _FILE_NAME.fullmatch(name) is None:
            raise self.refuse(f"{str(name)[:200]!r} is not a file name that a wheel can have")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise self.refuse(f"{name} has {str(size)[:50]} bytes, which is no size")
        if size > self._room:
            raise self._too_large(size)
        if name in self.files:
            raise self.refuse(f"it sent {name} twice")
        if len(self.files) == _MAX_FILES:
            raise self.refuse(f"it holds more than {_MAX_FILES} files")
        self._room -= size
        self.files[name] = self._outbox / name
        await self._save(self.files[name], size)

    async def _save(self, path: Path, size: int) -> None:
        with path.open("xb") as file:
            while size > 0:
                block = await self._container.read(min(size, _BLOCK_BYTES))
                if not block:
                    raise await self._ended()
                file.write(block)
                size -= len(block)

    async def _ended(self) -> UntrustedOutputError | OutOfMemoryError | ContainerLostError:
        code = await self._container.wait()
        if code == _KILLED and await self._container.ran_out_of_memory():
            return self._limits.out_of_memory(self._stage)
        if code < 0 or code in _ENDED_FROM_OUTSIDE:
            return ContainerLostError(stage=self._stage.value, exit_code=code)
        return self.refuse(f"it ended with exit code {code} and without a report")


def read_header(line: bytes) -> object:
    """Parse a header's JSON; raise RefusedTextError or RecursionError."""
    return _clean(read_json(line, max_bytes=_HEADER_BYTES))


def _clean(value: object) -> object:
    """Replace what JSON can express and no database can store: NUL and half surrogates."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value
