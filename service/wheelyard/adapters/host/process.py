"""Run a program to its end, feed its input, and pass its lines on.

A program is ended when the task that runs it is cancelled.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Final

from wheelyard.errors import ProgramMissingError

LineCallback = Callable[[str], None]

_CHUNK_BYTES: Final = 1 << 16
_TAIL_BYTES: Final = 1 << 16
_TERMINATE_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """The result of a program. With a line callback, the outputs are only their last 64 KiB."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text, without surrounding whitespace."""
        return self.stdout.decode(errors="replace").strip()

    @property
    def error_text(self) -> str:
        """Standard error as text, without surrounding whitespace."""
        return self.stderr.decode(errors="replace").strip()


def inherited_environment(*without: str, **extra: str) -> dict[str, str]:
    """Return our environment for a child, with its proxies and CA bundles, without variables of the given prefixes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WHEELYARD_", *without))}
    return kept | extra


async def run_program(
    command: Sequence[str],
    *,
    stdin: AsyncIterable[bytes] | None = None,
    on_line: LineCallback | None = None,
    env: dict[str, str] | None = None,
) -> Completed:
    """Run a program to its end, and end it if the task is cancelled.

    Raise ProgramMissingError if the program is missing or cannot be run.
    """
    process = await _start(command, has_input=stdin is not None, env=env)
    try:
        stdout, stderr, _ = await _together(
            _collect(process.stdout, on_line), _collect(process.stderr, on_line), _feed(process.stdin, stdin)
        )
        returncode = await process.wait()
    finally:
        await asyncio.shield(_end(process))
    return Completed(returncode=returncode, stdout=stdout, stderr=stderr)


async def _start(command: Sequence[str], *, has_input: bool, env: dict[str, str] | None) -> asyncio.subprocess.Process:
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        return await asyncio.create_subprocess_exec(
            *command, stdin=pipe if has_input else null, stdout=pipe, stderr=pipe, env=env
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise ProgramMissingError(program=command[0], reason=reason) from error


async def _together(
    output: Coroutine[None, None, bytes], errors: Coroutine[None, None, bytes], feed: Coroutine[None, None, None]
) -> tuple[bytes, bytes, None]:
    """Wait for all of them, or for the first that fails. Afterwards none of the others reads or writes any more."""
    tasks = (asyncio.create_task(output), asyncio.create_task(errors), asyncio.create_task(feed))
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _collect(stream: asyncio.StreamReader | None, on_line: LineCallback | None) -> bytes:
    """Read a stream to its end and return it. With a callback, pass its lines on and return only the tail."""
    kept, rest = bytearray(), b""
    while stream is not None and (chunk := await stream.read(_CHUNK_BYTES)):
        kept += chunk
        if on_line is not None:
            del kept[:-_TAIL_BYTES]
            rest = _hand_on(rest + chunk, on_line)
    if rest and on_line is not None:
        on_line(rest.decode(errors="replace"))
    return bytes(kept)


def _hand_on(text: bytes, on_line: LineCallback) -> bytes:
    """Pass the complete lines on and return the rest. A line without end is cut at the tail's size."""
    *lines, rest = text.split(b"\n")
    for line in lines:
        on_line(line.decode(errors="replace").rstrip("\r"))
    if len(rest) > _TAIL_BYTES:
        on_line(rest.decode(errors="replace"))
        return b""
    return rest


async def _feed(pipe: asyncio.StreamWriter | None, chunks: AsyncIterable[bytes] | None) -> None:
    """Write every chunk. A program that ended early closes the pipe, and its exit code tells why."""
    if pipe is None or chunks is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        async for chunk in chunks:
            pipe.write(chunk)
            await pipe.drain()
    pipe.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Terminate the program if it still runs, and kill it if it does not end."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(read_out(process), _TERMINATE_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await read_out(process)


async def read_out(process: asyncio.subprocess.Process) -> None:
    """Wait for the end and discard the unread output: asyncio reports no end before the outputs are closed."""
    await asyncio.gather(discard(process.stdout), discard(process.stderr), process.wait())


async def discard(stream: asyncio.StreamReader | None) -> None:
    """Read a stream to its end and discard it."""
    while stream is not None and await stream.read(_CHUNK_BYTES):
        pass
