"""Put lists where text is due, and text where lists are."""

from tests.fakes.engine import ScriptedAgent
from tests.hostile.frame_parts import REPORT
from tests.unit.pipeline_harness import PURE, make_wheel

REFUSED = "untrusted-output"
SAID = "should be a valid array"


async def play(agent: ScriptedAgent) -> None:
    agent.send_file(PURE, make_wheel())
    agent.send("report", **{**REPORT, "sources": "all of them"})
