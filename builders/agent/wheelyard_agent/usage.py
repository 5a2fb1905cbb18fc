"""What this container had at most, as the kernel counts it. Must not judge whether that was too much."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
# Where the kernel keeps the peaks, in cgroups v2 (from Linux 5.19 and 6.1 on) and v1.
_MEMORY = ("memory.peak", "memory/memory.max_usage_in_bytes")
_PROCESSES = ("pids.peak", "pids/pids.peak")
_PLACES = (Path("/tmp"), Path("/scratch"))  # noqa: S108 - the container's own


def measure_use(cgroups: Path = _CGROUPS, places: Sequence[Path] = _PLACES) -> dict[str, int | None]:
    """Say how much memory and how many processes there were at most, and what is in use of the fullest place."""
    return {
        "memory_bytes": _peak([cgroups / file for file in _MEMORY]),
        "processes": _peak([cgroups / file for file in _PROCESSES]),
        "scratch_bytes": max((_used(place) for place in places), default=None),
    }


def _peak(files: list[Path]) -> int | None:
    """Read the first figure that is there."""
    for file in files:
        try:
            return int(file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
    return None


def _used(place: Path) -> int:
    state = os.statvfs(place)
    return (state.f_blocks - state.f_bfree) * state.f_frsize
