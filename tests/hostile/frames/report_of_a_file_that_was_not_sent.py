"""Name a file of the worker's own as the wheel."""

from tests.fakes.engine import ScriptedAgent
from tests.hostile.frame_parts import REPORT

REFUSED = "untrusted-output"
SAID = "which is no wheel that it sent"


async def play(agent: ScriptedAgent) -> None:
    agent.send("report", **{**REPORT, "wheel": "../../../etc/passwd"})
