"""Sizes that tests read off images are seen in a run that passes."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_figure_of_a_passing_test_is_shown_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "test_size.py").write_text("def test_size(record_property):\n    record_property('figure', '7 MB')\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert ended.stdout.rstrip().splitlines()[-2] == "7 MB"
