"""Shared by all jobs: failures as data, and programs with their output in the log."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TOOLS = Path("/opt/wheelyard/tools/bin")
"""The tools environment of a builder image."""


class JobError(Exception):
    """The job failed for a reason that the worker has a code for."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


def say(text: str) -> None:
    """Write a line of the agent into the log, where it cannot be distinguished safely from the project's lines."""
    sys.stderr.write(f"-> {text}\n")
    sys.stderr.flush()


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment for programs: nothing of the container's own, and no index."""
    home.mkdir(parents=True, exist_ok=True)
    cpus = str(len(os.sched_getaffinity(0)))
    return {
        "HOME": str(home),
        "TMPDIR": "/tmp",  # noqa: S108 - the container's own, and the job's alone
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PIP_NO_INDEX": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_OFFLINE": "1",
        "UV_NO_CACHE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "CMAKE_BUILD_PARALLEL_LEVEL": cpus,
        "MAKEFLAGS": f"-j{cpus}",
        "NPY_NUM_BUILD_JOBS": cpus,
        **more,
    }


def end_other_processes() -> None:
    """End all processes that the project's code left running, so that nothing changes any more. Only in a container."""
    if os.getpid() != 1:
        return
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        while True:
            os.kill(-1, signal.SIGKILL)
            os.waitpid(-1, 0)


def run(command: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None) -> int:
    """Run a program with its output in the log; return its exit code."""
    return subprocess.run(list(command), env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, check=False).returncode


def describe_exit(code: int) -> str:
    """Return how a failed program ended, as text."""
    return f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"


def output_of(command: Sequence[str], *, env: Mapping[str, str]) -> str | None:
    """Run a program and return its standard output; None if it fails. Its errors go to the log."""
    done = subprocess.run(list(command), env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
