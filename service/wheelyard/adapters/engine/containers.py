"""Run untrusted programs in containers: without root, capabilities, host mounts or a writable root.

They have no network unless their spec asks for one. The prefetcher of crates does, and so does a build whose recipe
wants one if the operator allows it.

Files go in and out over the standard streams (docs/decisions/0001).
"""

import asyncio
import contextlib
import os
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand, container_ulimits, is_unreachable
from wheelyard.adapters.engine.users import ContainerUsers
from wheelyard.adapters.host.process import discard
from wheelyard.errors import EngineCommandError, EngineUnavailableError, OperatorError
from wheelyard.interfaces import Container, ContainerSpec, Limits, LogSink, Network
from wheelyard.logs import get_logger

_AGAIN_SECONDS: Final = 1.0
_TRIES: Final = 5

_log = get_logger(__name__)


async def remove_leftovers(
    engine: EngineCommand, labels: Mapping[str, str], *, again_seconds: float = _AGAIN_SECONDS
) -> int:
    """Remove our containers that have these labels and return how many there were. Calling it twice does no harm.

    An engine that was just restarted may not be able to remove old containers yet, so it is asked again. What remains
    after that is logged, and the next call tries again.
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


_RUNTIME_THREADS: Final = 512
"""Threads that a runtime with a kernel in user space needs: its own threads count among the container's."""
_BLOCK_BYTES: Final = 1 << 16
_TAIL_BYTES: Final = 2000
_SMALL_BYTES: Final = 4096
_GATHER_SECONDS: Final = 0.01
"""How long to wait for more after a small piece, in seconds: unbuffered programs write a few bytes at a time."""
_GRACE_SECONDS: Final = 1.0
"""How long a program may take to end after its last output, in seconds."""
_KILL_SECONDS: Final = 1.0
_END_SECONDS: Final = 30.0
_EVIDENCE_SECONDS: Final = 5.0
_LATE_SECONDS: Final = 0.3
# Exit codes of docker and podman themselves: the engine failed, the program cannot be run, or it was not found.
_ENGINE_EXIT_CODES: Final = (125, 126, 127)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Running:
    """The engine's client process. Its standard streams are the container's."""

    process: asyncio.subprocess.Process
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    pump: "asyncio.Task[str]"
    """Copies standard error to the log and returns its end."""
    command: EngineCommand
    name: str
    folder: Path
    """Working directory of the client, if it is Podman's."""

    async def write(self, data: bytes) -> None:
        """Send bytes, and wait while the container does not read them."""
        self.stdin.write(data)
        await self.stdin.drain()

    async def read_line(self, limit: int) -> bytes:
        """Return one line of bounded length."""
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
        """Return some bytes."""
        return await self.stdout.read(size)

    async def wait(self) -> int:
        """Return the exit code at the end; raise EngineUnavailableError or EngineCommandError if nothing ran."""
        code = await self.process.wait()
        if code in _ENGINE_EXIT_CODES:
            raise self._engine_error(await asyncio.shield(self.pump))
        return code

    def _engine_error(self, output: str) -> OperatorError:
        if is_unreachable(output):
            return EngineUnavailableError(engine=self.command.program, reason=output)
        return EngineCommandError(command=(self.command.program, "run"), output=output)

    async def ran_out_of_memory(self) -> bool:
        """Return whether the engine recorded that memory ran out. What it no longer knows counts as False.

        Podman 4.3 looks for the note of its monitor, conmon, in the container's folder, but conmon writes it to the
        working directory of the client: https://github.com/containers/conmon/issues/504
        """
        if await asyncio.to_thread((self.folder / "oom").exists):
            return True
        with contextlib.suppress(TimeoutError, OperatorError):
            async with asyncio.timeout(_EVIDENCE_SECONDS):
                return bool((await self.command.run(self._evidence())).text.replace("false", "").strip())
        return False

    def _evidence(self) -> tuple[str, ...]:
        """Return the command that prints something if memory ran out.

        The last events of a container that docker removed by itself are still there. Podman has no such event, and
        keeps the container until we remove it.
        """
        if self.command.is_podman:
            return ("container", "inspect", "--format", "{{.State.OOMKilled}}", self.name)
        filters = ("--filter", f"container={self.name}", "--filter", "event=oom")
        until = f"{time.time() + _LATE_SECONDS:.3f}"  # the kernel's event may come after the container's end
        return ("events", "--since", "0", "--until", until, *filters, "--format", "{{.Action}}")


class ContainerEngine:
    """Run containers by the engine's command line."""

    def __init__(
        self,
        command: EngineCommand,
        *,
        prefetch_network: str | None = None,
        recipe_network: str | None = None,
        users: ContainerUsers | None = None,
        line_limit_bytes: int = 4 << 20,
    ) -> None:
        self._command = command
        self._users = users or ContainerUsers()
        # None is the engine's own network, where it has one.
        self._networks = {
            Network.NONE: "none",
            Network.PREFETCH: prefetch_network,
            Network.RECIPE: recipe_network or "none",
        }
        self._line_limit_bytes = line_limit_bytes

    @contextlib.asynccontextmanager
    async def run(self, spec: ContainerSpec, *, log: LogSink) -> AsyncIterator[Container]:
        """Yield a running container; raise EngineUnavailableError or EngineCommandError if the engine cannot run it."""
        name = f"wheelyard-{uuid.uuid4().hex}"
        with self._users.take() as user, tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
            arguments = self._run_arguments(spec, name, user)
            running = await self._start(arguments, name, log, folder=Path(folder))
            patience = 0.0  # after an error, do not wait for a container that may never end by itself
            try:
                yield running
                patience = _GRACE_SECONDS
            finally:
                await asyncio.shield(self._end(running, patience_seconds=patience))
            await running.wait()

    async def remove_leftovers(self, labels: Mapping[str, str]) -> int:
        """Kill and remove what an earlier worker left."""
        return await remove_leftovers(self._command, labels)

    async def ping(self) -> None:
        """Raise EngineUnavailableError if the engine does not answer."""
        await self._command.run(["version", "--format", "{{.Server.Version}}"])

    async def _start(self, arguments: Sequence[str], name: str, log: LogSink, *, folder: Path) -> _Running:
        pipe = asyncio.subprocess.PIPE
        stderr, stderr_end = await _open_pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                self._command.program,
                *self._command.prefix,
                *arguments,
                stdin=pipe,
                stdout=pipe,
                stderr=stderr_end,
                limit=self._line_limit_bytes,
                cwd=folder if self._command.is_podman else None,
            )
        except OSError as error:
            raise EngineUnavailableError(engine=self._command.program, reason=str(error)) from error
        finally:
            os.close(stderr_end)
        if process.stdin is None or process.stdout is None:
            raise EngineUnavailableError(engine=self._command.program, reason="its client has no standard streams")
        return _Running(
            process=process,
            stdin=process.stdin,
            stdout=process.stdout,
            pump=asyncio.create_task(_pump(stderr, log), name=f"log-of-{name}"),
            command=self._command,
            name=name,
            folder=folder,
        )

    def _run_arguments(self, spec: ContainerSpec, name: str, user: int) -> list[str]:
        limits = spec.limits
        scratch = f"rw,exec,nosuid,nodev,mode=1777,size={limits.scratch_bytes}"
        labels = [PROJECT_LABEL, *(f"{key}={value}" for key, value in spec.labels.items())]
        return [
            *(
                "run",
                # Our image names may be someone else's on a registry.
                "--pull=never",
                "--interactive",
                *self._removal_args(),
                "--name",
                name,
                "--hostname",
                spec.hostname,
                "--log-driver",
                "none",
            ),
            *self._network_args(spec),
            *self._runtime_args(spec),
            *("--user", f"{user}:{user}", *self._command.confinement_args, "--ipc", "private"),
            *("--read-only", "--tmpfs", f"/tmp:{scratch}", "--tmpfs", f"/scratch:{scratch}"),  # noqa: S108
            *("--memory", str(limits.memory_bytes), "--memory-swap", str(limits.memory_bytes)),
            *("--cpus", f"{limits.cpus:g}", "--pids-limit", str(self._processes(spec)), "--ulimit", "core=0:0"),
            *(("--cpuset-cpus", spec.processors) if spec.processors else ()),
            *(part for ulimit in self._ulimits(limits) for part in ("--ulimit", ulimit)),
            *(part for label in labels for part in ("--label", label)),
            *(part for key, value in spec.env.items() for part in ("--env", f"{key}={value}")),
            *("--workdir", "/scratch", "--entrypoint", spec.command[0], spec.image, *spec.command[1:]),
        ]

    def _runtime_args(self, spec: ContainerSpec) -> tuple[str, ...]:
        """Return the runtime's arguments. The prefetcher runs no project's code, and may have the host's network."""
        return () if spec.network is Network.PREFETCH else self._command.runtime_args

    def _processes(self, spec: ContainerSpec) -> int:
        return spec.limits.processes + (_RUNTIME_THREADS if self._runtime_args(spec) else 0)

    def _removal_args(self) -> tuple[str, ...]:
        return () if self._command.is_podman else ("--rm",)

    def _ulimits(self, limits: Limits) -> tuple[str, ...]:
        return container_ulimits(self._command.program, open_files=limits.open_files)

    def _network_args(self, spec: ContainerSpec) -> tuple[str, ...]:
        network = self._networks[spec.network]
        if network == "none":
            return ("--network", "none", *self._resolver_args())
        return ("--network", network) if network else ()

    def _resolver_args(self) -> tuple[str, ...]:
        """Return the arguments that send name queries to the loopback, where the agent records them.

        No query would get anywhere else. Docker warns of 127.0.0.1 in every log
        (https://github.com/moby/moby/pull/11288), and 0.0.0.0 is the same to Linux. Podman accepts no name server
        where there is no network.
        """
        if self._command.is_podman:
            return ()
        return ("--dns", "0.0.0.0", "--dns-search", ".")  # noqa: S104  nothing binds to it

    async def _end(self, running: _Running, *, patience_seconds: float) -> None:
        """End the client and remove the container."""
        process = running.process
        running.stdin.close()
        # A client that cannot write would not end, and asyncio would not see its end while a pipe is full.
        drain = asyncio.create_task(discard(running.stdout))
        if process.returncode is None and not await _exits(process, seconds=patience_seconds):
            await self._kill(process, running.name)
        elif self._command.is_podman or process.returncode in _ENGINE_EXIT_CODES or (process.returncode or 0) < 0:
            await self._remove(running.name)
        await asyncio.gather(running.pump, drain)

    async def _remove(self, name: str) -> None:
        """Remove a container that may still exist after its client has ended."""
        with contextlib.suppress(TimeoutError, OperatorError):
            async with asyncio.timeout(_END_SECONDS):
                await self._command.run(["rm", "--force", name], check=False)

    async def _kill(self, process: asyncio.subprocess.Process, name: str) -> None:
        """Remove the container until its client has ended: one that is still being created cannot be removed yet.

        An engine that hangs is left to the next search for leftovers.
        """
        with contextlib.suppress(TimeoutError, OperatorError):
            async with asyncio.timeout(_END_SECONDS):
                while process.returncode is None:
                    await self._command.run(["rm", "--force", name], check=False)
                    await _exits(process, seconds=_KILL_SECONDS)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _open_pipe() -> tuple[asyncio.StreamReader, int]:
    """Return both ends of a pipe with a small buffer, unlike the one for lines.

    A program that writes faster than its log is read is slowed down at once, and its output in the log is not old.
    """
    reader = asyncio.StreamReader(limit=_BLOCK_BYTES)
    source, end = os.pipe()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(source, "rb", buffering=0)
    )
    return reader, end


async def _pump(stderr: asyncio.StreamReader, log: LogSink) -> str:
    """Log what comes; return its end, which is the engine's own error if it could not run the container."""
    tail = b""
    while data := await stderr.read(_BLOCK_BYTES):
        tail = (tail + data)[-_TAIL_BYTES:]
        await log.write(data)
        if len(data) < _SMALL_BYTES:
            await asyncio.sleep(_GATHER_SECONDS)
    return tail.decode(errors="replace").strip()


async def _exits(process: asyncio.subprocess.Process, *, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        return False
    return True
