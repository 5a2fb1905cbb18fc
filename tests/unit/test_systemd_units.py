"""The units in packaging/ are what systemd takes."""

import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[2] / "packaging"
INSTALLED = "/opt/wheelyard/bin/wheelyard"


UNITS = ("wheelyard.service", "wheelyard-devpi.service", "wheelyard-serve.service", "wheelyard-worker@.service")


def test_every_unit_is_looked_at() -> None:
    assert tuple(sorted(path.name for path in PACKAGING.glob("*.service"))) == tuple(sorted(UNITS))


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_no_fault_with_a_unit(tmp_path: Path, name: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = (PACKAGING / name).read_text()
    assert f"ExecStart={INSTALLED} " in text
    (tmp_path / name).write_text(text.replace(INSTALLED, "/bin/true"))

    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / name)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, name in done.stderr) == (0, False), done.stderr
