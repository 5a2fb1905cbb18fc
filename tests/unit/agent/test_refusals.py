"""What the kernel counts of a container's refusals, as cgroups of both versions have it."""

from pathlib import Path

import pytest

from wheelyard_agent.refusals import count_refusals


def put(folder: Path, file: str, text: str) -> None:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text)


@pytest.mark.parametrize(
    ("memory", "pids"),
    [("memory.events", "pids.events"), ("memory/memory.oom_control", "pids/pids.events")],
    ids=["v2", "v1"],
)
def test_both_counters_are_read(tmp_path: Path, memory: str, pids: str) -> None:
    put(tmp_path, memory, "low 0\noom 4\noom_kill 2\n")
    put(tmp_path, pids, "max 17\n")
    assert count_refusals(tmp_path) == {"oom_kills": 2, "refused_processes": 17}


def test_what_no_kernel_counts_is_nothing(tmp_path: Path) -> None:
    assert count_refusals(tmp_path) == {"oom_kills": 0, "refused_processes": 0}
