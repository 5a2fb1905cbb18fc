"""What systemd says of the units in packaging/."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.unit.test_systemd_units import PACKAGING, UNITS, WITH_ENGINE

INSTALLED = "/opt/wheelyard/bin/wheelyard"
DOCS = Path(__file__).parents[2] / "docs" / "operate.md"


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_no_fault_with_a_unit(tmp_path: Path, name: str) -> None:
    text = (PACKAGING / name).read_text()
    assert f"ExecStart={INSTALLED} " in text
    (tmp_path / name).write_text(text.replace(INSTALLED, "/bin/true"))

    done = analyze("verify", str(tmp_path / name))

    assert (done.returncode, name in done.stderr) == (0, False), done.stderr


def exposure_of(name: str) -> tuple[float, str]:
    """Ask systemd how far a unit is open: from 0 to 10, and in a word."""
    done = analyze("security", "--offline=true", str(PACKAGING / name))
    ((exposure, level),) = re.findall(r"Overall exposure level for \S+: ([0-9.]+) (\w+)", done.stdout)
    return float(exposure), level


@pytest.mark.parametrize("name", UNITS)
def test_unit_exposes_no_more_than_the_documents_say(name: str) -> None:
    exposure, level = exposure_of(name)
    assert level in {"OK", "SAFE", "PERFECT"}
    (documented,) = re.findall(rf"^\| `{re.escape(name)}` \| ([0-9.]+) \|", DOCS.read_text(), re.MULTILINE)
    # Releases of systemd differ by a few tenths in what they count.
    assert exposure <= float(documented) + 0.3


def test_parts_without_an_engine_are_better_than_the_worker() -> None:
    with_engine = [exposure_of(name)[0] for name in UNITS if name in WITH_ENGINE]
    without = [exposure_of(name)[0] for name in UNITS if name not in WITH_ENGINE]
    assert max(without) < min(with_engine)
