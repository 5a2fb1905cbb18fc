"""A program ends with the task that runs it, whatever it has left unread."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest

from wheelyard.adapters.host.process import run_program
from wheelyard.errors import ProgramMissingError

PROMISED_SECONDS = 20
"""A fraction of a second is usual; without an end, it is for ever."""


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


async def test_outputs_and_exit_code_are_given() -> None:
    done = await run_program(python("import sys; print('out'); print('no', file=sys.stderr); sys.exit(3)"))
    assert (done.returncode, done.text, done.error_text) == (3, "out", "no")


class Heard(asyncio.Event):
    """Set once there was a line, or a part of one that is too long to keep."""

    def __call__(self, line: str) -> None:
        del line
        self.set()


async def is_ended_in_time(task: "asyncio.Task[object]") -> bool:
    task.cancel()
    await asyncio.wait({task}, timeout=PROMISED_SECONDS)
    return task.cancelled()


@pytest.mark.parametrize(
    "text", ["print('go', flush=True); time.sleep(600)", "print('x' * (64 << 20)); time.sleep(600)"]
)
async def test_cancelled_program_ends_though_nobody_reads_what_it_writes(text: str) -> None:
    """What is more than a reader takes in at once stays in the pipe, and asyncio sees no end before theirs."""
    heard = Heard()
    task = asyncio.create_task(run_program(python(f"import time; {text}"), on_line=heard))
    await heard.wait()
    assert await is_ended_in_time(task)


async def unreadable() -> AsyncIterator[bytes]:
    yield b"a part"
    raise OSError("no space left on device")


async def test_program_whose_input_breaks_off_ends_and_the_reason_is_kept() -> None:
    """Both outputs are being read then, and a stream has one reader."""
    program = python("import sys, time; sys.stdin.read(1); time.sleep(600)")
    with pytest.raises(OSError, match="no space left on device"):
        await asyncio.wait_for(run_program(program, stdin=unreadable()), PROMISED_SECONDS)


async def test_program_whose_line_is_refused_ends_and_the_reason_is_kept() -> None:
    def refuse(line: str) -> None:
        raise OSError(f"no room for {line}")

    program = python("import time; print('this', flush=True); time.sleep(600)")
    with pytest.raises(OSError, match="no room for this"):
        await asyncio.wait_for(run_program(program, on_line=refuse), PROMISED_SECONDS)


async def test_program_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheelyard.adapters.host.process._TERMINATE_SECONDS", 0.1)
    heard = Heard()
    text = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('go', flush=True); time.sleep(600)"
    )
    task = asyncio.create_task(run_program(python(text), on_line=heard))
    await heard.wait()
    assert await is_ended_in_time(task)


async def test_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ProgramMissingError, match="no-such-program"):
        await run_program(["no-such-program"])
