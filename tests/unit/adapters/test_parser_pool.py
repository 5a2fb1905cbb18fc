"""The processes that read strangers' text: a limit ends the one call, and the next call goes on."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from wheelyard.adapters.host.parser_pool import ParserLimits, ParserProcesses
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import DependencyFileInvalidError, ParsersBusyError, TextsWaitingError

LIMITS = ParserLimits(
    cpu_seconds=0.3, wall_seconds=20, memory_bytes=128 << 20, result_bytes=1 << 20, queue_seconds=20, most_waiting=8
)
CLEAN = ("WHEELYARD_DATABASE_URL", "PGPASSWORD", "PATH")


@contextlib.asynccontextmanager
async def pool(processes: int = 2, limits: ParserLimits = LIMITS) -> AsyncIterator[ParserProcesses]:
    async with ParserProcesses(processes=processes, limits=limits) as parsers:
        yield parsers


# --- what the processes are asked to do


def double(number: int) -> int:
    return number * 2


def spin() -> None:
    while True:
        pass


def spin_in_c() -> int:
    """Make one call that checks no signal of Python's."""
    return len(str(3 ** (1 << 40)))


def swallow() -> int:
    return len([bytes(1 << 20) for _ in range(1024)])


def talk() -> str:
    print("noise")  # noqa: T201 - a library that prints
    return "said"


def refuse() -> None:
    raise DependencyFileInvalidError(file="uv.lock", problems=["it is not TOML"])


def refuse_oddly() -> None:
    @dataclass
    class LocalError(Exception):
        reason: str

    raise LocalError("nobody else knows this class")


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def make(size: int) -> bytes:
    return bytes(size)


def rest(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def raise_limit() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, 1 << 40))


def look_around() -> tuple[dict[str, str], list[str], bool]:
    here = Path("/proc/self/fd")
    files = [str(one.readlink()) for one in here.iterdir() if one.exists()]
    return dict(os.environ), files, any(name.startswith("fastapi") for name in sys.modules)


# --- what they answer


async def test_call_gives_its_result_and_processes_are_kept() -> None:
    async with pool() as parsers:
        assert await parsers.run(double, 21, what="a number") == 42
        first = await parsers.run(os.getpid, what="a number")
        assert first != os.getpid()
        assert await parsers.run(os.getpid, what="a number") == first


async def test_error_of_the_service_comes_back_as_it_was_raised() -> None:
    async with pool() as parsers:
        with pytest.raises(DependencyFileInvalidError) as caught:
            await parsers.run(refuse, what="uv.lock")
    assert (caught.value.file, caught.value.problems) == ("uv.lock", ("it is not TOML",))
    assert "uv.lock cannot be read" in str(caught.value)


async def test_error_that_no_pickle_carries_is_told_in_words() -> None:
    async with pool() as parsers:
        with pytest.raises(RuntimeError, match="LocalError: "):
            await parsers.run(refuse_oddly, what="a text")


async def test_what_a_library_prints_does_not_disturb() -> None:
    async with pool() as parsers:
        assert await parsers.run(talk, what="a text") == "said"
        assert await parsers.run(double, 1, what="a number") == 2


@pytest.mark.parametrize(
    ("parse", "args", "reason"),
    [
        (spin, (), "the text took more than 0.3 s of processor time"),
        (spin_in_c, (), "the text took more than"),
        (swallow, (), "the text took more than 128 MiB of memory"),
        (crash, (), "the text took more than 128 MiB of memory"),
        (make, (2 << 20,), "the text becomes .* bytes once it is read; 1048576 are allowed"),
    ],
    ids=["time", "time in C", "memory", "crash", "result"],
)
async def test_call_beyond_a_limit_is_refused_and_the_next_one_is_answered(
    parse: Callable[..., object], args: tuple[object, ...], reason: str
) -> None:
    async with pool(processes=1) as parsers:
        with pytest.raises(RefusedTextError, match=reason):
            await parsers.run(parse, *args, what="the text")
        assert await parsers.run(double, 21, what="a number") == 42


async def test_call_that_waits_instead_of_computing_is_ended() -> None:
    limits = ParserLimits(wall_seconds=2)
    async with pool(processes=1, limits=limits) as parsers:
        assert await parsers.run(double, 1, what="a number") == 2
        with pytest.raises(RefusedTextError, match="the text took more than 2 s"):
            await parsers.run(rest, 60, what="the text")


async def test_child_cannot_raise_its_limits() -> None:
    async with pool() as parsers:
        with pytest.raises((ValueError, PermissionError)):
            await parsers.run(raise_limit_as_nobody, what="a text")


def raise_limit_as_nobody() -> None:
    if os.getuid() == 0:  # root may raise a hard limit, unless this machine forbids it
        os.setuid(65534)
    raise_limit()


async def test_child_has_no_secrets_no_sockets_and_no_web_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CLEAN:
        monkeypatch.setenv(name, "secret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        async with pool(limits=ParserLimits()) as parsers:
            await parsers.run(load_readers, what="a lock file")
            environment, files, has_framework = await parsers.run(look_around, what="itself")
    assert not set(environment) & set(CLEAN)
    assert not [file for file in files if "socket" in file]
    assert not has_framework


def load_readers() -> None:
    """Load what reads lock files."""
    from wheelyard.domain.dependencies import lock_files  # noqa: F401, PLC0415


async def test_one_caller_never_has_all_processes() -> None:
    async with pool(limits=ParserLimits()) as parsers:
        slow = [asyncio.create_task(parsers.run(rest, 60, what="slow", caller="mallory")) for _ in range(4)]
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            assert await parsers.run(double, 21, what="a number", caller="alice") == 42
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        assert await parsers.run(double, 21, what="a number", caller="mallory") == 42


async def test_waiting_is_bounded_in_count_and_time() -> None:
    limits = ParserLimits(queue_seconds=0.2, most_waiting=1)
    async with pool(processes=1, limits=limits) as parsers:
        running = asyncio.create_task(parsers.run(rest, 60, what="slow", caller="mallory"))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(parsers.run(double, 1, what="a number", caller="alice"))
        await asyncio.sleep(0)
        with pytest.raises(ParsersBusyError):
            await parsers.run(double, 1, what="a number")
        with pytest.raises(ParsersBusyError):
            await waiting
        with pytest.raises(TextsWaitingError, match=r"waited 0\.2 s"):
            await parsers.run(double, 1, what="a number", caller="mallory")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert await parsers.run(double, 1, what="a number") == 2


async def test_cancelled_call_ends_its_process() -> None:
    async with pool(processes=1) as parsers:
        pid = await parsers.run(os.getpid, what="a number")
        running = asyncio.create_task(parsers.run(rest, 60, what="slow"))
        await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def hang() -> None:
    async with pool(limits=ParserLimits()) as parsers:
        sys.stdout.write(f"{await parsers.run(os.getpid, what='a number')}\n")
        sys.stdout.flush()
        await parsers.run(rest, 600, what="slow")


def test_children_end_with_a_parent_that_is_killed() -> None:
    code = "import asyncio; from tests.unit.adapters import test_parser_pool as t; asyncio.run(t.hang())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()
    for _ in range(200):
        if not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text():
            return
        time.sleep(0.02)
    pytest.fail("the child outlived its parent")
