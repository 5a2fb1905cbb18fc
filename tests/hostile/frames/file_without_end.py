"""Claim a file of an exabyte."""

from tests.unit.pipeline_stand import PURE

from wheelyard.adapters.memory_engine import ScriptedAgent

REFUSED = "output-limit"
SAID = "1152921504606846976 bytes or more"


async def play(agent: ScriptedAgent) -> None:
    agent.send("file", name=PURE, size=1 << 60)
