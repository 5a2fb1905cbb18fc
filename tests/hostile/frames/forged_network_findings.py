"""Put a terminal's escapes into the report, as a host that was called for."""

from tests.fakes.engine import ScriptedAgent
from tests.hostile.frame_parts import REPORT
from tests.unit.pipeline_harness import PURE, make_wheel

REFUSED = "untrusted-output"
SAID = "should match pattern"


async def play(agent: ScriptedAgent) -> None:
    agent.send_file(PURE, make_wheel())
    agent.send("report", **REPORT, network=[{"host": "\x1b[2Jx.example", "port": 1}])
