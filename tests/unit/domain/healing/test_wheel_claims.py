"""Each false claim of a wheel has a remedy, and becomes a finding."""

import re
from pathlib import Path

import pytest

from wheelyard.domain.healing.findings import FindingKind
from wheelyard.domain.healing.wheel_claims import REMEDIES, claim_findings
from wheelyard.errors import WheelLie

AGENT = Path(__file__).parents[4] / "builders" / "agent" / "wheelyard_agent"


def test_each_lie_that_the_agent_names_has_a_remedy() -> None:
    texts = [module.read_text(encoding="utf-8") for module in sorted(AGENT.glob("*.py"))]
    named = {kind for text in texts for kind in re.findall(r'\blie\(\s*"([a-z0-9-]+)"', text)}
    assert {"abi3-violated", "gil-enabled", "purelib-native", "startup-code", "foreign-folder"} <= named
    assert named <= {kind.value for kind in REMEDIES}


@pytest.mark.parametrize("kind", REMEDIES)
def test_finding_says_what_is_wrong_and_what_fixes_it(kind: FindingKind) -> None:
    (finding,) = claim_findings([WheelLie(kind=kind.value, subject="demo/_c.so", detail="it is\x1b wrong")])
    assert (finding.kind, finding.name) == (kind, "demo/_c.so")
    assert finding.cause == "demo/_c.so: it is wrong"
    assert (finding.remedy[0].isupper(), finding.remedy.endswith(".")) == (True, True)
    assert finding.remedy == REMEDIES[kind]
