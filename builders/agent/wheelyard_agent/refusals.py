"""Count what the kernel refused this container because of its limits."""

from __future__ import annotations

import errno
from pathlib import Path

LIMIT_OF = {
    errno.ENOSPC: "disk-limit",
    errno.EDQUOT: "disk-limit",
    errno.EMFILE: "open-files-limit",
    errno.EAGAIN: "process-limit",
}
"""The worker's code of the limit behind an error of the operating system."""

_CGROUPS = Path("/sys/fs/cgroup")
# The kernel's counters, in cgroups v2 and v1.
_MEMORY = ("memory.events", "memory/memory.oom_control")
_PROCESSES = ("pids.events", "pids/pids.events")


def count_refusals(cgroups: Path = _CGROUPS) -> dict[str, int]:
    """Return the number of processes killed because memory ran out, and of processes that could not start."""
    return {
        "oom_kills": _count([cgroups / file for file in _MEMORY], "oom_kill"),
        "refused_processes": _count([cgroups / file for file in _PROCESSES], "max"),
    }


def _count(files: list[Path], key: str) -> int:
    """Return a counter of the first file that has it."""
    for file in files:
        try:
            lines = file.read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition(" ")
            if name == key:
                return int(value)
    return 0
