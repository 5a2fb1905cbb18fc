"""The guide's table of findings: every kind, each with a line that is read as that kind."""

import re
from pathlib import Path
from typing import Final

import pytest

from wheelyard.domain.healing.findings import FindingKind
from wheelyard.domain.healing.log_findings import host_findings, read_findings

_ROW: Final = re.compile(r"^\| `([a-z0-9-]+)` \| [^|]+\| (?:`(.+)`)? ?\|$", re.MULTILINE)
GUIDE: Final = Path(__file__).parents[4] / "docs" / "healing.md"
ROWS: Final = _ROW.findall(GUIDE.read_text())


def test_every_kind_of_finding_has_a_row() -> None:
    assert [kind for kind, _ in ROWS] == [str(kind) for kind in FindingKind]


@pytest.mark.parametrize(("kind", "line"), [(kind, line) for kind, line in ROWS if line])
def test_line_of_the_guide_is_read_as_its_kind(kind: str, line: str) -> None:
    found = host_findings([line]) if kind == FindingKind.HOST_LIBRARY else read_findings(f"{line}\n  It is so.\n")
    assert found[0].kind == kind
