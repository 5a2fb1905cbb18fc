"""Excerpts of logs, each with the findings that it must give: ``#= KIND [NAME [BOUND]]`` lines at its top.

A file whose name begins with ``real-`` is an excerpt of a build in a builder image without packages. The others are
written after the documented or well-known output of the tools.
"""

from pathlib import Path
from typing import Final

import pytest

from wheelyard.domain.healing.findings import FindingKind
from wheelyard.domain.healing.log_findings import read_findings

LOGS: Final = sorted((Path(__file__).parent / "logs").glob("*.txt"))


def _read(file: Path) -> tuple[list[str], str]:
    lines = file.read_text().splitlines(keepends=True)
    expected = [line.removeprefix("#= ").strip() for line in lines if line.startswith("#= ")]
    return expected, "".join(line for line in lines if not line.startswith("#= "))


@pytest.mark.parametrize("file", LOGS, ids=lambda file: file.stem)
def test_log_gives_the_findings_that_stand_beside_it(file: Path) -> None:
    expected, log = _read(file)
    found = read_findings(log)
    assert {f"{one.kind} {one.name} {one.bound}".strip() for one in found if one.name} >= {
        text for text in expected if " " in text
    }
    assert found[0].kind == expected[0].split()[0]
    assert all(one.cause for one in found)


def test_nearly_every_log_has_a_type() -> None:
    assert len(LOGS) >= 60
    assert sum(file.name.startswith("real-") for file in LOGS) >= 20
    first = [next(iter(read_findings(_read(file)[1])), None) for file in LOGS]
    typed = sum(one is not None and one.kind is not FindingKind.COMMAND_FAILED for one in first)
    assert typed >= 0.95 * len(LOGS)
