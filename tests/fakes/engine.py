"""The in-memory fake of ContainerEngine: a scripted agent in place of a container.

A script plays the agent's side of the conversation, so tests can play an honest agent, a failing one or a hostile one.
It runs no program.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wheelyard.errors import EngineUnavailableError, OperatorError
from wheelyard.interfaces import Container, ContainerSpec, LogSink

KILLED: Final = 137
_PIPE_BYTES: Final = 8 << 20


class ContainerExitError(Exception):
    """Raised by a script to end its container with an exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, kw_only=True, slots=True)
class SentFile:
    """A file that the worker sent into a container."""

    name: str
    data: bytes


class ScriptedAgent:
    """The inside of a container, as its script sees it."""

    def __init__(self, spec: ContainerSpec, log: LogSink) -> None:
        self.spec = spec
        self.program = b""
        """The agent's program that the worker sent."""
        self.files: dict[str, SentFile] = {}
        """What the worker has sent since, by name."""
        self.out_of_memory = False
        """What the engine reports of it afterwards."""
        self.stdin = asyncio.StreamReader(limit=_PIPE_BYTES)
        self.stdout = asyncio.StreamReader(limit=_PIPE_BYTES)
        self._log = log

    async def start(self) -> None:
        """Receive the program, as the bootstrap does."""
        self.program = await self.stdin.readexactly(int(await self.stdin.readline()))

    async def receive(self) -> dict[str, Any]:
        """Return the next header that is no file, after storing files before it; the script ends with its worker."""
        while True:
            line = await self.stdin.readline()
            if not line:
                raise ContainerExitError(75)
            header: dict[str, Any] = json.loads(line)
            if header["kind"] != "file":
                return header
            data = await self.stdin.readexactly(header["size"])
            self.files[header["name"]] = SentFile(name=header["name"], data=data)

    def send_raw(self, data: bytes) -> None:
        """Write to standard output what no honest agent would."""
        self.stdout.feed_data(data)

    def send(self, kind: str, **fields: object) -> None:
        """Send a header."""
        self.send_raw(json.dumps({"kind": kind, **fields}).encode() + b"\n")

    def send_file(self, name: str, data: bytes) -> None:
        """Send a file with its header."""
        self.send("file", name=name, size=len(data))
        self.send_raw(data)

    async def write_log(self, data: bytes) -> None:
        """Write to standard error."""
        await self._log.write(data)


Script = Callable[[ScriptedAgent], Awaitable[None]]
"""Plays one container: it ends with exit code 0 when the script returns, 1 when it fails."""


class MemoryContainer:
    """The worker's side of a scripted container."""

    def __init__(self, agent: ScriptedAgent, script: Script) -> None:
        self._agent = agent
        self._running = asyncio.create_task(self._play(script), name="scripted-agent")

    async def write(self, data: bytes) -> None:
        """Write bytes; see Container."""
        if self._running.done():
            raise BrokenPipeError("the container is gone")
        self._agent.stdin.feed_data(data)
        await asyncio.sleep(0)

    async def read_line(self, limit: int) -> bytes:
        """Read one line; see Container."""
        try:
            line = await self._agent.stdout.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return error.partial
        except asyncio.LimitOverrunError as error:
            raise ValueError(f"a line is longer than {limit} bytes") from error
        if len(line) > limit:
            raise ValueError(f"a line is longer than {limit} bytes")
        return line

    async def read(self, size: int) -> bytes:
        """Read some bytes; see Container."""
        return await self._agent.stdout.read(size)

    async def wait(self) -> int:
        """Wait for the end; see Container."""
        return await asyncio.shield(self._running)

    async def ran_out_of_memory(self) -> bool:
        """Return what the script has set; see Container."""
        return self._agent.out_of_memory

    async def kill(self) -> int:
        """End it, at any point; return its exit code."""
        self._running.cancel()
        return await self._running

    async def _play(self, script: Script) -> int:
        try:
            await self._agent.start()
            await script(self._agent)
        except ContainerExitError as end:
            return end.code
        except asyncio.CancelledError:
            return KILLED
        except (asyncio.IncompleteReadError, ValueError):
            return 1
        else:
            return 0
        finally:
            self._agent.stdout.feed_eof()


class MemoryEngine:
    """The Engine over scripts: each run gets the next one, and all later runs the last one."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.fault: OperatorError | None = None
        """Raised by everything while it is set."""
        self.runs: list[ContainerSpec] = []
        """The requested runs, in order."""
        self.running: dict[int, ContainerSpec] = {}
        """Running containers, by the run's number; a test may add the remains of a crashed worker."""

    @contextlib.asynccontextmanager
    async def run(self, spec: ContainerSpec, *, log: LogSink) -> AsyncIterator[Container]:
        """Play a script; see Engine."""
        await self.ping()
        number = len(self.runs)
        self.runs.append(spec)
        self.running[number] = spec
        script = self.scripts[min(number, len(self.scripts) - 1)]
        container = MemoryContainer(ScriptedAgent(spec, log), script)
        try:
            yield container
        finally:
            await container.kill()
            self.running.pop(number, None)

    async def remove_leftovers(self, labels: Mapping[str, str]) -> int:
        """Forget running containers with these labels; see Engine."""
        await self.ping()
        found = [number for number, spec in self.running.items() if labels.items() <= dict(spec.labels).items()]
        for number in found:
            del self.running[number]
        return len(found)

    async def ping(self) -> None:
        """Answer, unless a fault is switched on."""
        if self.fault is not None:
            raise self.fault

    def switch_off(self) -> None:
        """Make the engine unavailable from now on."""
        self.fault = EngineUnavailableError(engine="memory", reason="it is switched off")
