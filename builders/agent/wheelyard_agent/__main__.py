"""Read the job and do it. Expected failures are reported as data; anything else is a traceback in the log."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any, BinaryIO

from wheelyard_agent.channel import Channel, open_channel
from wheelyard_agent.job import JobError

SCRATCH = Path("/scratch")
_PR_SET_DUMPABLE = 4


def main(source: BinaryIO) -> int:
    """Do the one job that the worker sends."""
    # Project code runs under the same user: without this it could open our descriptors through /proc.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    channel = open_channel(source)
    inbox = SCRATCH / "in"
    inbox.mkdir(exist_ok=True)
    job = channel.receive(inbox)
    try:
        _do(channel, job, inbox)
    except JobError as failure:
        channel.send("failure", code=failure.code, oom_kills=count_oom_kills(), **failure.details)
    return 0


def _do(channel: Channel, job: dict[str, Any], inbox: Path) -> None:
    # Imported late: each action needs other tools, and a bare runtime image has none of them.
    if job["kind"] == "build":
        from wheelyard_agent.build import build_wheel as act
    elif job["kind"] == "vendor":
        from wheelyard_agent.vendor import vendor_crates as act
    elif job["kind"] == "repair":
        from wheelyard_agent.repair import repair_wheel as act
    else:
        from wheelyard_agent.verify import verify_wheel as act
    act(channel, job, inbox, SCRATCH)


def count_oom_kills() -> int:
    """Count how often the kernel killed a process of this container for want of memory (cgroup v2, then v1)."""
    for file in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            lines = Path(file).read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


if __name__ == "__main__":
    # The worker's bootstrap has read this program from standard input and left the stream where the job begins.
    sys.exit(main(sys.stdin.buffer))
