"""Peak resource use of this container, from the kernel's counters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
# The kernel's peaks, in cgroups v2 (since Linux 5.19 and 6.1) and v1.
_MEMORY = ("memory.peak", "memory/memory.max_usage_in_bytes")
_PROCESSES = ("pids.peak", "pids/pids.peak")
_PLACES = (Path("/tmp"), Path("/scratch"))  # noqa: S108 - the container's own


def measure_use(cgroups: Path = _CGROUPS, places: Sequence[Path] = _PLACES) -> dict[str, int | None]:
    """Return peak memory and processes, and the bytes in use in the fullest writable folder."""
    return {
        "memory_bytes": _peak([cgroups / file for file in _MEMORY]),
        "processes": _peak([cgroups / file for file in _PROCESSES]),
        "scratch_bytes": max((_used(place) for place in places), default=None),
    }


def _peak(files: list[Path]) -> int | None:
    """Return the number in the first file that exists."""
    for file in files:
        try:
            return int(file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
    return None


def _used(place: Path) -> int:
    state = os.statvfs(place)
    return (state.f_blocks - state.f_bfree) * state.f_frsize
