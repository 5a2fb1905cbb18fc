"""Replace the wheel after it was sent."""

from tests.fakes.engine import ScriptedAgent
from tests.unit.pipeline_harness import PURE, make_wheel

REFUSED = "untrusted-output"
SAID = "it sent demo-1.0-py3-none-any.whl twice"


async def play(agent: ScriptedAgent) -> None:
    agent.send_file(PURE, make_wheel())
    agent.send_file(PURE, make_wheel(demo=b"forged"))
