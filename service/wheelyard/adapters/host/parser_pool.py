"""A small pool of processes that parse untrusted text, each call with a limit of processor time and memory.

A call that reaches a limit ends its process, and another one takes its place. The children are started afresh
(``parser_child.py``), never forked: they have none of our environment, sockets and open files.
"""

import asyncio
import contextlib
import os
import pickle
import signal
import struct
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import ParsersBusyError, ProgramMissingError, TextsWaitingError

T = TypeVar("T")

_CHILD: Final = Path(__file__).with_name("parser_child.py")
_LENGTH: Final = struct.Struct("!Q")
_START_SECONDS: Final = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ParserLimits:
    """What one call may use. Processor time counts rather than wall time: a busy host refuses no harmless text."""

    cpu_seconds: float = 10.0
    wall_seconds: float = 120.0
    """Limit in seconds for a call that waits instead of computing."""
    memory_bytes: int = 1 << 30
    """Memory of the process: its heap and private mappings."""
    result_bytes: int = 64 << 20
    file_bytes: int = 16 << 20
    """Size of each file that it writes."""
    queue_seconds: float = 60.0
    """How long a call waits for those of others, in seconds."""
    most_waiting: int = 256


DEFAULT_LIMITS: Final = ParserLimits()


class ParserProcesses:
    """A pool of parser processes on this host; an asynchronous context manager, which ends them."""

    def __init__(self, *, processes: int = 2, limits: ParserLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._turns = _Turns(processes, limits)
        self._idle: list[_Child] = []
        self._children: set[_Child] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(child.end() for child in list(self._children)))
        self._children.clear()
        self._idle.clear()

    async def run(self, parse: Callable[..., T], *args: Any, what: str, caller: str = "") -> T:  # noqa: ANN401
        """Return what ``parse(*args)`` returns, or raise what it raises.

        Raise RefusedTextError if a limit was reached, ParsersBusyError if the texts of others take too long, and
        TextsWaitingError if the caller's own do.
        """
        call = pickle.dumps((parse, args, self._limits.cpu_seconds), protocol=pickle.HIGHEST_PROTOCOL)
        async with self._turns.take(caller):
            child = await self._take_child()
            try:
                kind, value = await child.ask(call, what)
            except BaseException:
                self._children.discard(child)
                await asyncio.shield(child.end())
                raise
            self._idle.append(child)
        match kind:
            case "value":
                return cast("T", value)
            case "error" if isinstance(value, Exception):
                raise value
        raise RefusedTextError(f"{what} becomes {value} bytes once it is read; {self._limits.result_bytes} are allowed")

    async def _take_child(self) -> "_Child":
        """Return a process that waits for a call. One that has died is dropped."""
        while self._idle:
            child = self._idle.pop()
            if child.is_alive:
                return child
            self._children.discard(child)
            await child.end()
        child = await _Child.start(self._limits)
        self._children.add(child)
        return child


class _Child:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process, limits: ParserLimits) -> None:
        self._process = process
        self._limits = limits

    @classmethod
    async def start(cls, limits: ParserLimits) -> Self:
        """Start a process. The thread must live as long as it (PR_SET_PDEATHSIG), as the event loop's does."""
        try:
            # -I and -S: no environment and no site packages. A session of its own: Ctrl-C is for us to handle.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-X", "utf8", str(_CHILD)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
                start_new_session=True,
            )
        except OSError as error:
            raise ProgramMissingError(program=sys.executable, reason=error.strerror or str(error)) from error
        child = cls(process, limits)
        setup = {
            "parent": os.getpid(),
            "path": [path or os.getcwd() for path in sys.path],  # noqa: PTH109 - as text, as the import system has it
            "memory_bytes": limits.memory_bytes,
            "result_bytes": limits.result_bytes,
            "file_bytes": limits.file_bytes,
        }
        try:
            async with asyncio.timeout(_START_SECONDS):
                await child._exchange(pickle.dumps(setup))
        except (TimeoutError, EOFError, OSError) as error:
            await asyncio.shield(child.end())
            raise ProgramMissingError(program=sys.executable, reason="a parser's process does not start") from error
        except BaseException:
            await asyncio.shield(child.end())
            raise
        return child

    @property
    def is_alive(self) -> bool:
        """Return whether the process still runs."""
        return self._process.returncode is None

    async def ask(self, call: bytes, what: str) -> tuple[str, Any]:
        """Send a call and return its answer; raise RefusedTextError, after which the process is of no use."""
        try:
            async with asyncio.timeout(self._limits.wall_seconds):
                kind, value = await self._exchange(call)
        except TimeoutError as error:
            raise RefusedTextError(f"{what} took more than {self._limits.wall_seconds:g} s to read") from error
        except (EOFError, OSError) as error:
            raise RefusedTextError(f"{what} {await self._reason()}") from error
        if kind == "memory":
            raise RefusedTextError(f"{what} {self._memory_reason()}")
        return kind, value

    async def end(self) -> None:
        """Kill the process if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()

    async def _exchange(self, content: bytes) -> tuple[str, Any]:
        source, sink = self._process.stdout, self._process.stdin
        if source is None or sink is None:
            raise EOFError
        sink.write(_LENGTH.pack(len(content)) + content)
        await sink.drain()
        (length,) = _LENGTH.unpack(await source.readexactly(_LENGTH.size))
        answer: tuple[str, Any] = pickle.loads(await source.readexactly(length))  # noqa: S301 - our own child wrote it
        return answer

    async def _reason(self) -> str:
        """Return what ended the process."""
        code = await self._process.wait()
        if -code in {signal.SIGPROF, signal.SIGXCPU}:
            return f"took more than {self._limits.cpu_seconds:g} s of processor time to read"
        return self._memory_reason()

    def _memory_reason(self) -> str:
        return f"took more than {self._limits.memory_bytes >> 20} MiB of memory to read"


class _Turns:
    """A fair queue: callers take turns, each in the order of its calls. None gets all processes if others wait."""

    def __init__(self, processes: int, limits: ParserLimits) -> None:
        self._free = processes
        self._each = max(1, processes - 1)
        self._limits = limits
        self._busy: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @contextlib.asynccontextmanager
    async def take(self, caller: str) -> AsyncIterator[None]:
        """Hold a turn; raise ParsersBusyError, or TextsWaitingError behind texts of the same caller."""
        await self._wait(caller)
        try:
            yield
        finally:
            self._give_back(caller)

    async def _wait(self, caller: str) -> None:
        if sum(map(len, self._waiting.values())) >= self._limits.most_waiting:
            raise ParsersBusyError(waiting=self._limits.most_waiting)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        self._hand_out()
        try:
            async with asyncio.timeout(self._limits.queue_seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._give_back(caller)
            else:
                self._forget(caller, turn)
            if isinstance(error, TimeoutError) and self._busy[caller]:
                raise TextsWaitingError(waited_seconds=self._limits.queue_seconds) from error
            if isinstance(error, TimeoutError):
                raise ParsersBusyError(waiting=sum(map(len, self._waiting.values())) + 1) from error
            raise

    def _hand_out(self) -> None:
        while self._free and (caller := self._next()) is not None:
            turn = self._waiting[caller][0]
            self._forget(caller, turn)
            if turn.done():
                continue  # it was cancelled, and its task has not run since
            if caller in self._waiting:
                self._waiting.move_to_end(caller)
            self._free -= 1
            self._busy[caller] += 1
            turn.set_result(None)

    def _next(self) -> str | None:
        return next((caller for caller in self._waiting if self._busy[caller] < self._each), None)

    def _give_back(self, caller: str) -> None:
        self._free += 1
        self._busy -= Counter((caller,))
        self._hand_out()

    def _forget(self, caller: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(caller, deque())
        with contextlib.suppress(ValueError):
            turns.remove(turn)
        if not turns:
            self._waiting.pop(caller, None)
