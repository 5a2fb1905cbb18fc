"""What the kernel refused this container for its limits. Must not judge whether that mattered."""

from __future__ import annotations

import errno
from pathlib import Path

LIMIT_OF = {
    errno.ENOSPC: "disk-limit",
    errno.EDQUOT: "disk-limit",
    errno.EMFILE: "open-files-limit",
    errno.EAGAIN: "process-limit",
}
"""The limit behind an error of the operating system, by the code that the worker has for it."""

_CGROUPS = Path("/sys/fs/cgroup")
# Where the kernel counts, in cgroups v2 and v1.
_MEMORY = ("memory.events", "memory/memory.oom_control")
_PROCESSES = ("pids.events", "pids/pids.events")


def count_refusals(cgroups: Path = _CGROUPS) -> dict[str, int]:
    """Count processes that were killed for want of memory, and processes that could not be started."""
    return {
        "oom_kills": _count([cgroups / file for file in _MEMORY], "oom_kill"),
        "refused_processes": _count([cgroups / file for file in _PROCESSES], "max"),
    }


def _count(files: list[Path], key: str) -> int:
    """Read a counter from the first file that is there and has it."""
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
