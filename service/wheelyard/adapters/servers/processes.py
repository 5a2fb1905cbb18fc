"""Start and end programs that Wheelyard runs by itself, and rotate their logs.

A child dies with its parent (PR_SET_PDEATHSIG). To the kernel, the parent is the *thread* that started it:
https://manpages.ubuntu.com/manpages/plucky/en/man2/PR_SET_PDEATHSIG.2const.html

So children must be started from a thread that lives as long as they shall: from the event loop's, never through
``asyncio.to_thread``.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

POLL_SECONDS: Final = 0.02
_LAUNCHER: Final = Path(__file__).with_name("launcher.py")
_LOG_LIMIT_BYTES: Final = 10 << 20
_START_TICKS_FIELD: Final = 19  # of what follows the program's name in /proc/PID/stat, see proc(5)

Steps = Sequence[tuple[signal.Signals, float]]
"""Signals that end a process, each with the seconds to wait before the next one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The system user that a child runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ChildCommand:
    """A program with everything that it is started with."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    account: Account | None = None
    """None keeps ours."""
    death_signal: signal.Signals = signal.SIGTERM
    """The signal that the child gets when its parent is gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessMark:
    """One process, distinguished from a later one with the same number."""

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return a living process's mark; None if there is no such process."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else cls(pid=pid, start_ticks=int(fields[_START_TICKS_FIELD]))

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Return what ``save`` wrote; None if there is nothing or if it is broken."""
        try:
            pid, start_ticks = path.read_text().split()
            return cls(pid=int(pid), start_ticks=int(start_ticks))
        except (FileNotFoundError, ValueError):
            return None

    def save(self, path: Path) -> None:
        """Write the mark to a file."""
        path.write_text(f"{self.pid} {self.start_ticks}\n")

    def is_alive(self) -> bool:
        """Return whether this very process still runs."""
        return ProcessMark.of(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """Send a signal if the process still runs."""
        if self.is_alive():
            os.kill(self.pid, number)


def rotate_log(path: Path, *, limit_bytes: int = _LOG_LIMIT_BYTES) -> None:
    """Make room for a new log: a file larger than the limit is renamed to ``NAME.1``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > limit_bytes:
        path.replace(path.with_name(f"{path.name}.1"))


def spawn(command: ChildCommand, *, log: Path) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that Ctrl-C reaches only us and we end things in order."""
    uid, gid = (command.account.uid, command.account.gid) if command.account else (-1, -1)
    launch = [os.getpid(), int(command.death_signal), uid, gid]
    with log.open("ab") as output:
        return subprocess.Popen(
            # -I and -S: the caller's environment and site packages are not used, and it starts in milliseconds.
            [sys.executable, "-I", "-S", str(_LAUNCHER), *map(str, launch), *command.argv],
            env=dict(command.environment),
            cwd=command.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


async def run_child(command: ChildCommand, *, log: Path, timeout_seconds: float) -> int:
    """Run a child to its end and return its exit status. It is killed if we are cancelled or time runs out."""
    child = spawn(command, log=log)
    try:
        async with asyncio.timeout(timeout_seconds):
            await _until_gone(lambda: child.poll() is None)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    return child.returncode


async def end_child(child: subprocess.Popen[bytes], steps: Steps) -> None:
    """End a child of ours by the steps, then by SIGKILL."""
    await _end(lambda: child.poll() is None, child.send_signal, steps)
    child.wait()


async def end_leftover(mark: ProcessMark, steps: Steps) -> None:
    """End a process that a killed parent left, by the steps, then by SIGKILL."""
    await _end(mark.is_alive, mark.send, steps)


async def _end(is_alive: Callable[[], bool], send: Callable[[signal.Signals], None], steps: Steps) -> None:
    for number, seconds in (*steps, (signal.SIGKILL, 10.0)):
        if not is_alive():
            return
        send(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _until_gone(is_alive)


async def _until_gone(is_alive: Callable[[], bool]) -> None:
    while is_alive():  # noqa: ASYNC110 (a process that ends sets no event, and may not be our child)
        await asyncio.sleep(POLL_SECONDS)


def make_workshop(parent: Path, name: str) -> Path:
    """Create a private directory to be renamed to ``name`` when it is complete; remove those of interrupted runs."""
    for abandoned in parent.glob(f"{name}.new-*"):
        shutil.rmtree(abandoned)
    return Path(tempfile.mkdtemp(prefix=f"{name}.new-", dir=parent))


def last_line(log: Path) -> str:
    """Return the last line of a log that is not empty, for an error's message."""
    try:
        lines = log.read_text(errors="replace")[-4096:].splitlines()
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
