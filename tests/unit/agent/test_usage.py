"""What a container had at most, as cgroups of both versions keep it."""

from pathlib import Path

import pytest

from wheelyard_agent.usage import measure_use


@pytest.mark.parametrize(
    ("memory", "pids"),
    [("memory.peak", "pids.peak"), ("memory/memory.max_usage_in_bytes", "pids/pids.peak")],
    ids=["v2", "v1"],
)
def test_peaks_are_read_and_the_fullest_place_is_measured(tmp_path: Path, memory: str, pids: str) -> None:
    for file, text in ((memory, "268435456\n"), (pids, "64\n")):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    use = measure_use(tmp_path, (Path("/proc"), Path("/")))
    assert (use["memory_bytes"], use["processes"]) == (268435456, 64)
    assert use["scratch_bytes"]


def test_what_no_kernel_counts_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "memory.peak").write_text("max")
    assert measure_use(tmp_path, ()) == {"memory_bytes": None, "processes": None, "scratch_bytes": None}
