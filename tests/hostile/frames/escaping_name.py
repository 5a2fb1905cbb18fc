"""Have a file written outside of the outbox."""

from tests.unit.pipeline_stand import make_wheel

from wheelyard.adapters.memory_engine import ScriptedAgent

REFUSED = "untrusted-output"
SAID = "is not a file name that a wheel can have"


async def play(agent: ScriptedAgent) -> None:
    agent.send_file("../../evil.whl", make_wheel())
