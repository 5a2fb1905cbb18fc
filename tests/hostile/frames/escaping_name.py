"""Have a file written outside of the outbox."""

from tests.fakes.engine import ScriptedAgent
from tests.unit.pipeline_harness import make_wheel

REFUSED = "untrusted-output"
SAID = "is not a file name that a wheel can have"


async def play(agent: ScriptedAgent) -> None:
    agent.send_file("../../evil.whl", make_wheel())
