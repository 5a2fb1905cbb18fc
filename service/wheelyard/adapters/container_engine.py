"""Run untrusted programs in containers: without root, capabilities, host mounts or a writable root.

They have no network, unless their spec asks for one, as the prefetcher of crates alone does.

Files go in and out over the standard streams (docs/decisions/0001). Must not know what the programs do.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from wheelyard.adapters.engine_command import EngineCommand, is_unreachable
from wheelyard.errors import EngineCommandError, EngineUnavailableError, OperatorError
from wheelyard.interfaces import Container, ContainerSpec, LogSink

PROJECT_LABEL: Final = "org.wheelyard.project=wheelyard"
_USER: Final = "1000:1000"
_BLOCK_BYTES: Final = 1 << 16
_TAIL_BYTES: Final = 2000
_END_SECONDS: Final = 30.0
# docker's and podman's own exit codes: the engine failed; the program cannot be run; the program was not found.
_ENGINE_EXIT_CODES: Final = (125, 126, 127)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    """The engine's client process, whose standard streams are the container's."""

    process: asyncio.subprocess.Process
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    pump: "asyncio.Task[str]"
    """Brings standard error to the log, and ends with the last of it."""
    program: str

    async def write(self, data: bytes) -> None:
        """Send bytes, waiting while the container does not take them."""
        self.stdin.write(data)
        await self.stdin.drain()

    async def read_line(self, limit: int) -> bytes:
        """Read one line of bounded length."""
        try:
            line = await self.stdout.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return error.partial
        except asyncio.LimitOverrunError as error:
            raise ValueError(f"a line is longer than {limit} bytes") from error
        if len(line) > limit:
            raise ValueError(f"a line is longer than {limit} bytes")
        return line

    async def read(self, size: int) -> bytes:
        """Read some bytes."""
        return await self.stdout.read(size)

    async def wait(self) -> int:
        """Wait for the end; raises EngineUnavailableError or EngineCommandError if the engine did not get to run it."""
        code = await self.process.wait()
        if code in _ENGINE_EXIT_CODES:
            raise self._engine_error(await asyncio.shield(self.pump))
        return code

    def _engine_error(self, output: str) -> OperatorError:
        if is_unreachable(output):
            return EngineUnavailableError(engine=self.program, reason=output)
        return EngineCommandError(command=(self.program, "run"), output=output)


class ContainerEngine:
    """The Engine over a command line."""

    def __init__(
        self, command: EngineCommand, *, prefetch_network: str | None = None, line_limit_bytes: int = 4 << 20
    ) -> None:
        self._command = command
        self._prefetch_network = prefetch_network
        self._line_limit_bytes = line_limit_bytes

    @contextlib.asynccontextmanager
    async def run(self, spec: ContainerSpec, *, log: LogSink) -> AsyncIterator[Container]:
        """Run a container; raises EngineUnavailableError or EngineCommandError if the engine cannot."""
        name = f"wheelyard-{uuid.uuid4().hex}"
        running = await self._start(spec, name, log)
        try:
            yield running
        finally:
            await asyncio.shield(self._end(running, name))
        await running.wait()

    async def remove_leftovers(self, labels: Mapping[str, str]) -> int:
        """Kill and remove what a former worker left; running twice is no harm."""
        filters = [PROJECT_LABEL, *(f"{key}={value}" for key, value in labels.items())]
        arguments = [part for label in filters for part in ("--filter", f"label={label}")]
        listed = await self._command.run(["ps", "--all", "--quiet", "--no-trunc", *arguments])
        ids = listed.text.split()
        if ids:
            await self._command.run(["rm", "--force", *ids], check=False)
        return len(ids)

    async def ping(self) -> None:
        """Ask the engine for its version."""
        await self._command.run(["version", "--format", "{{.Server.Version}}"])

    async def _start(self, spec: ContainerSpec, name: str, log: LogSink) -> _Running:
        pipe = asyncio.subprocess.PIPE
        arguments = [self._command.program, *self._command.prefix, *self._run_arguments(spec, name)]
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments, stdin=pipe, stdout=pipe, stderr=pipe, limit=self._line_limit_bytes
            )
        except OSError as error:
            raise EngineUnavailableError(engine=self._command.program, reason=str(error)) from error
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise EngineUnavailableError(engine=self._command.program, reason="its client has no standard streams")
        return _Running(
            process=process,
            stdin=process.stdin,
            stdout=process.stdout,
            pump=asyncio.create_task(_pump(process.stderr, log), name=f"log-of-{name}"),
            program=self._command.program,
        )

    def _run_arguments(self, spec: ContainerSpec, name: str) -> list[str]:
        limits = spec.limits
        scratch = f"rw,exec,nosuid,nodev,mode=1777,size={limits.scratch_bytes}"
        labels = [PROJECT_LABEL, *(f"{key}={value}" for key, value in spec.labels.items())]
        return [
            *("run", "--interactive", "--rm", "--name", name, "--hostname", "wheelyard", "--log-driver", "none"),
            *self._network_args(spec),
            *("--user", _USER, "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--read-only", "--tmpfs", f"/tmp:{scratch}", "--tmpfs", f"/scratch:{scratch}"),  # noqa: S108
            *("--memory", str(limits.memory_bytes), "--memory-swap", str(limits.memory_bytes)),
            *("--cpus", f"{limits.cpus:g}", "--pids-limit", str(limits.processes), "--ulimit", "core=0:0"),
            *self._command.ulimit_args,
            *(part for label in labels for part in ("--label", label)),
            *(part for key, value in spec.env.items() for part in ("--env", f"{key}={value}")),
            *("--workdir", "/scratch", "--entrypoint", spec.command[0], spec.image, *spec.command[1:]),
        ]

    def _network_args(self, spec: ContainerSpec) -> tuple[str, ...]:
        if not spec.network:
            return ("--network", "none")
        return ("--network", self._prefetch_network) if self._prefetch_network else ()

    async def _end(self, running: _Running, name: str) -> None:
        """Leave neither the client nor the container behind."""
        process = running.process
        running.stdin.close()
        # A client that cannot write would not end, nor would asyncio see its end while a pipe is full.
        drain = asyncio.create_task(_drain(running.stdout))
        if process.returncode is None and not await _exits(process, seconds=1.0):
            await self._command.run(["rm", "--force", name], check=False)
            if not await _exits(process, seconds=_END_SECONDS):
                process.kill()
                await process.wait()
                await self._command.run(["rm", "--force", name], check=False)
        await asyncio.gather(running.pump, drain)


async def _pump(stderr: asyncio.StreamReader, log: LogSink) -> str:
    """Log what comes; return its end, which is the engine's own error if it could not run the container."""
    tail = b""
    while data := await stderr.read(_BLOCK_BYTES):
        tail = (tail + data)[-_TAIL_BYTES:]
        await log.write(data)
    return tail.decode(errors="replace").strip()


async def _drain(stdout: asyncio.StreamReader) -> None:
    while await stdout.read(_BLOCK_BYTES):
        pass


async def _exits(process: asyncio.subprocess.Process, *, seconds: float) -> bool:
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        return False
    return True
