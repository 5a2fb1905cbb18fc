"""Benchmarks are started by hand, months apart; these tests see that they still can be."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PROGRAMS = sorted(
    path.stem for path in (_ROOT / "benchmarks").glob("*.py") if '__name__ == "__main__"' in path.read_text()
)


@pytest.mark.parametrize("name", _PROGRAMS)
def test_benchmark_starts(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("usage: ")


def test_queue_benchmark_measures_every_part() -> None:
    command = [sys.executable, "-m", "benchmarks.queue", "--quick"]
    done = subprocess.run(command, cwd=_ROOT, check=False, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = {line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(" ")}
    assert parts == {"pick-up", "claim", "satisfied", "cancel", "throughput", "log", "scrape"}
