"""Read what the kernel says of this container's limits, in cgroups of both versions."""

import json
import os
import resource
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def read(*names):
    """Give the first that is there, None if none is."""
    return next((path.read_text().split() for path in (CGROUP / name for name in names) if path.exists()), None)


def size_of(folder):
    found = os.statvfs(folder)
    return found.f_blocks * found.f_frsize


def host_swap_bytes():
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("SwapTotal:"))


def attack():
    quota = read("cpu.max") or [*read("cpu/cpu.cfs_quota_us"), *read("cpu/cpu.cfs_period_us")]
    facts = {
        "memory": read("memory.max", "memory/memory.limit_in_bytes"),
        "swap": read("memory.swap.max"),
        "memory_and_swap": read("memory/memory.memsw.limit_in_bytes"),
        "host_swap_bytes": host_swap_bytes(),
        "cpus": int(quota[0]) / int(quota[1]),
        "processes": read("pids.max", "pids/pids.max"),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "scratch": [size_of("/scratch"), size_of("/tmp")],
    }
    print("limits:", json.dumps(facts), flush=True)
