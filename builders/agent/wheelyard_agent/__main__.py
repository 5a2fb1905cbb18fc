"""Read the job and run it. Expected failures are reported as data; anything else is a traceback in the log."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from wheelyard_agent.channel import Channel, open_channel
from wheelyard_agent.job import JobError
from wheelyard_agent.network_watch import NetworkWatch
from wheelyard_agent.refusals import LIMIT_OF, count_refusals
from wheelyard_agent.usage import measure_use

SCRATCH = Path("/scratch")
_PR_SET_DUMPABLE = 4
_RUNS_PROJECT_CODE = ("build", "make-sdist", "verify")


def main(source: BinaryIO) -> int:
    """Run the job that the worker sends, and return the exit code."""
    # Project code runs as the same user, and could otherwise open our descriptors through /proc (prctl(2)).
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.umask(0o022)  # else the modes of a wheel's files would depend on the container's
    channel = open_channel(source)
    inbox = SCRATCH / "in"
    inbox.mkdir(exist_ok=True)
    job = channel.receive(inbox)
    if job["kind"] in _RUNS_PROJECT_CODE:
        channel.watch = NetworkWatch()
    try:
        _do(channel, job, inbox)
    except JobError as failure:
        channel.send("failure", code=failure.code, use=measure_use(), **count_refusals(), **failure.details)
    except OSError as error:
        # The agent has the same limits as its programs, so they may have caused this error.
        if error.errno not in LIMIT_OF:
            raise
        channel.send("failure", code=LIMIT_OF[error.errno], use=measure_use(), **count_refusals())
    return 0


def _do(channel: Channel, job: dict[str, Any], inbox: Path) -> None:
    # Imported late: each action needs other tools, and a bare runtime image has none.
    if job["kind"] == "build":
        from wheelyard_agent.build import build_wheel as act
    elif job["kind"] == "make-sdist":
        from wheelyard_agent.git_sdist import make_sdist as act
    elif job["kind"] == "vendor":
        from wheelyard_agent.vendor import vendor_crates as act
    elif job["kind"] == "repair" and job.get("brought"):
        from wheelyard_agent.brought import repair_brought as act
    elif job["kind"] == "repair":
        from wheelyard_agent.repair import repair_wheel as act
    elif job["kind"] == "libraries":
        from wheelyard_agent.libraries import list_missing_libraries as act
    else:
        from wheelyard_agent.verify import verify_wheel as act
    _forget_program()
    act(channel, job, inbox, SCRATCH)


def _forget_program() -> None:
    """Remove the agent's archive after it is loaded, because the project's code could write to it."""
    archive = SCRATCH / "agent.zip"
    sys.path[:] = [entry for entry in sys.path if entry != str(archive)]
    archive.unlink(missing_ok=True)


if __name__ == "__main__":
    # The worker's bootstrap read this program from standard input; the job follows in the stream.
    sys.exit(main(sys.stdin.buffer))
