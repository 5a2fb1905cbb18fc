"""A process of the parser pool: call the functions that come on standard input, and return their results.

Uses only the standard library until a call names a module. Run by path, never imported. It has no environment and no
file but its two pipes, dies with its parent, and cannot raise its own limits.

A frame is a length of eight bytes and a pickle. The first frame is the Setup, every other one a call.
"""

import contextlib
import ctypes
import os
import pickle
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO, Final

_PR_SET_PDEATHSIG: Final = 1
_LENGTH: Final = struct.Struct("!Q")
_LIMIT_MARGIN: Final = 2
"""Further seconds of processor time after which the kernel kills a process that blocks the timer's signal."""


def lower_limit(which: int, limit: int) -> None:
    """Lower one of this process's limits, unless it is lower already."""
    _, hard = resource.getrlimit(which)
    lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(which, (lower, lower))


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends (PR_SET_PDEATHSIG in prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


def read_frame(source: BinaryIO) -> Any:  # noqa: ANN401
    """Return the next frame; raise EOFError at the end."""
    head = source.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    return pickle.loads(source.read(_LENGTH.unpack(head)[0]))  # noqa: S301 - our own parent wrote it


def write_frame(sink: BinaryIO, content: bytes) -> None:
    """Write a frame."""
    sink.write(_LENGTH.pack(len(content)) + content)
    sink.flush()


def call(function: Any, args: tuple[Any, ...], cpu_seconds: float) -> Any:  # noqa: ANN401
    """Call a function. The signal of a timer ends this process when the processor time is used up."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime + cpu_seconds) + _LIMIT_MARGIN
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        return function(*args)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def answer(source: BinaryIO, result_bytes: int) -> bytes:
    """Read one call, make it, and return the answer as it is sent; raise MemoryError."""
    try:
        function, args, cpu_seconds = read_frame(source)
        kind, value = "value", call(function, args, cpu_seconds)
    except (EOFError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - the parent handles whatever the function raises
        kind, value = "error", portable(error)
    content = pickle.dumps((kind, value), protocol=pickle.HIGHEST_PROTOCOL)
    return content if len(content) <= result_bytes else pickle.dumps(("size", len(content)))


def portable(error: Exception) -> Exception:
    """Return the error if it can be pickled, else one with the same text."""
    with contextlib.suppress(Exception):
        pickle.loads(pickle.dumps(error))  # noqa: S301 - written on the same line
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def main() -> None:
    """Answer calls until the input ends."""
    # What a library prints must not get into the frames.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    source = sys.stdin.buffer
    setup = read_frame(source)
    die_with(setup["parent"])
    sys.path[:] = setup["path"]
    lower_limit(resource.RLIMIT_DATA, setup["memory_bytes"])
    lower_limit(resource.RLIMIT_CORE, 0)
    lower_limit(resource.RLIMIT_FSIZE, setup["file_bytes"])
    write_frame(sink, pickle.dumps(("ready", None)))
    while True:
        try:
            content = answer(source, setup["result_bytes"])
        except EOFError:
            return
        except MemoryError:
            # The memory is fragmented after this, so another process takes over.
            write_frame(sink, pickle.dumps(("memory", None)))
            return
        write_frame(sink, content)


if __name__ == "__main__":
    main()
