"""Claim a file of an exabyte."""

from tests.fakes.engine import ScriptedAgent
from tests.unit.pipeline_harness import PURE

REFUSED = "output-limit"
SAID = "1152921504606846976 bytes or more"


async def play(agent: ScriptedAgent) -> None:
    agent.send("file", name=PURE, size=1 << 60)
