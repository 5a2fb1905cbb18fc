"""Print to the channel, as any program does to its standard output."""

from tests.fakes.engine import ScriptedAgent

REFUSED = "untrusted-output"
SAID = "a header cannot be read"


async def play(agent: ScriptedAgent) -> None:
    agent.send_raw(b"creating build\nrunning bdist_wheel\n")
